"""Whether an installed plugin works: its version, its interpreter, its host's permissions."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import dinplug
from dinplug.errors import DinplugError
from dinplug.hosts import kritarc, launch, sandbox
from dinplug.hosts.installation import check_ours, read_record
from dinplug.hosts.places import FLATPAKS, Place

_ANSWER_SECONDS = 60.0
_ASK = "import dinplug; print(dinplug.__version__)"


@dataclass(frozen=True)
class Condition:
    """What there is to say of a plugin: `version` is empty if there is none.

    `faults` say what does not work and what to do about it.
    """

    version: str = ""
    faults: tuple[str, ...] = ()


def examine_plugin(place: Place) -> Condition:
    """Look at the plugin of a host, and ask its interpreter. Nothing is changed."""
    try:
        if place.folder is None or not check_ours(place.host, place.folder):
            return Condition()
        record = read_record(place.host, place.folder) or {}
        faults = (*_version_faults(place, record), *_setting_faults(place))
    except DinplugError as error:
        return Condition("", (str(error),))
    return Condition(record.get("version", ""), faults)


def _version_faults(place: Place, record: dict[str, object]) -> Iterator[str]:
    again = f"run `{install_command(place)}`"
    version, python = record.get("version"), record.get("python")
    if version != dinplug.__version__:
        yield f"the plugin is of dinplug {version}, and this is {dinplug.__version__}: {again}"
    if not isinstance(python, str):
        if launch.find_command() is None:
            yield f"it does not know where dinplug is: {again}"
        return
    if not os.path.isfile(python):
        yield f"its interpreter {python} is gone: {again}"
        return
    answer = ask_interpreter(python)
    if answer is None:
        yield f"its interpreter {python} has no dinplug that starts: {again}"
    elif answer != version:
        yield f"its interpreter {python} has dinplug {answer}: {again}"


def _setting_faults(place: Place) -> Iterator[str]:
    if place.settings is not None and not kritarc.is_enabled(place.settings):
        yield (
            "it is switched off: switch it on in Settings > Configure Krita > "
            f"Python Plugin Manager, or run `{install_command(place)}`"
        )
    if place.packaging == "Flatpak":
        yield from sandbox_faults(place.host)


def sandbox_faults(host: str) -> Iterator[str]:
    """What to do so that a host in Flatpak's sandbox can start dinplug, if it cannot yet."""
    app = FLATPAKS[host]
    if not may_start_programs(app):
        yield (
            "its sandbox does not let it start dinplug: run "
            f"`{sandbox.remedy(app)}` (it may then run any program)"
        )


def may_start_programs(app: str) -> bool:
    """Whether Flatpak lets an app start programs outside its sandbox; False if it cannot tell."""
    flatpak = shutil.which("flatpak")
    if flatpak is None:
        return False
    said = _output([flatpak, "info", "--show-permissions", app])
    return said is not None and sandbox.may_start_programs(sandbox.permissions(said))


def ask_interpreter(python: str) -> str | None:
    """The version of the dinplug that an interpreter has; None if there is none, or no answer."""
    said = _output([python, "-c", _ASK])
    return None if said is None else said.strip()


def install_command(place: Place) -> str:
    """The command that installs the plugin (again)."""
    return f"dinplug plugin install {place.host}"


def _output(command: list[str]) -> str | None:
    """What a command prints, run as a host would run it; None if it fails."""
    try:
        # A folder of its own: Python looks for modules where it is started.
        with tempfile.TemporaryDirectory(prefix="dinplug-") as empty:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=empty,
                env=launch.clean_environment(),
                timeout=_ANSWER_SECONDS,
            )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
