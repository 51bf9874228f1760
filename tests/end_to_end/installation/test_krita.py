"""The plugin gets into a real Krita: by `dinplug plugin install`, and by Krita's own importer."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from dinplug.hosts.installation import plugin_files
from scripts.build_krita_zip import zip_of
from tests.end_to_end.installation.scripts import run_script

pytestmark = [pytest.mark.hosts, pytest.mark.slow]
DRIVER = Path(__file__).parent / "krita_driver"
LOOK = 'DRIVER_STEP=look DRIVER_REPORT="$1"/look.json krita --nosplash\n'


@pytest.fixture(params=[(), ("--trixie",)], ids=["Krita of Debian 12", "Krita of Debian 13"])
def krita_env(request: pytest.FixtureRequest, host_scripts: Path) -> list[object]:
    """The command that runs something with Krita."""
    venv = ("--venv", Path(sys.executable).parents[1]) if request.param else ()
    return [host_scripts / "krita-env", *request.param, *venv, "--resources", DRIVER]


def looked(folder: Path, name: str = "look.json") -> dict[str, Any]:
    """What the driver saw."""
    report: dict[str, Any] = json.loads((folder / name).read_text())
    return report


def assert_listed_and_loaded(report: dict[str, Any]) -> None:
    """The plugin is in Krita's list as it should be, and runs."""
    entry = report["plugins"]["dinplug"]
    assert entry["on"] and entry["usable"] and entry["tip"] is None
    assert entry["comment"].startswith("Restores photos")
    assert report["loaded"]


def test_install_and_uninstall(krita_env: list[object], tmp_path: Path) -> None:
    script = (
        "$DINPLUG plugin install krita\n"
        "$DINPLUG plugin status\n"
        + LOOK.replace("look.json", "with.json")
        + "$DINPLUG plugin uninstall krita\n"
        'find "$XDG_DATA_HOME/krita" -name "dinplug*"\n'
        'if grep enable_dinplug "$XDG_CONFIG_HOME"/kritarc; then exit 1; fi\n' + LOOK
    )
    said = run_script(krita_env, script, tmp_path)
    assert re.search(r"dinplug \S+ installed in (\S+)\n", said)
    assert re.search(r"dinplug \S+ in \S+ works\n", said)
    assert_listed_and_loaded(looked(tmp_path, "with.json"))
    assert re.search(r"dinplug removed from \S+\n(?!.*dinplug)", said, re.S)
    after = looked(tmp_path)
    assert "dinplug" not in after["plugins"] and not after["loaded"]


def test_resources_elsewhere(krita_env: list[object], tmp_path: Path) -> None:
    """Krita loads plugins from the folder chosen in its settings, and only from there."""
    script = (
        'mkdir "$HOME/own"\n'
        'cp -a "$XDG_DATA_HOME/krita" "$HOME/own/resources"\n'
        'sed -i "1i ResourceDirectory=$HOME/own/resources" "$XDG_CONFIG_HOME/kritarc"\n'
        "$DINPLUG plugin install krita\n" + LOOK
    )
    assert "/own/resources\n" in run_script(krita_env, script, tmp_path)
    assert_listed_and_loaded(looked(tmp_path))


def test_the_zip_goes_through_kritas_importer(krita_env: list[object], tmp_path: Path) -> None:
    (tmp_path / "plugin.zip").write_bytes(zip_of(plugin_files("krita")))
    script = (
        'DRIVER_STEP=import DRIVER_ZIP="$1"/plugin.zip DRIVER_REPORT="$1"/import.json '
        "krita --nosplash\n" + LOOK
    )
    run_script(krita_env, script, tmp_path)
    ((title, text),) = looked(tmp_path, "import.json")["answers"]
    assert title == "Activate Plugins?" and "<li>dinplug</li>" in text
    assert_listed_and_loaded(looked(tmp_path))
