"""The plugins' files: what they are made of, writing them into a host's folder, removing them.

In Krita's resource folder:
    pykrita/dinplug/__init__.py    hosts/krita/entry.py
    pykrita/dinplug/hosts/         IN_HOST, krita/ and plugin_manifest.json
    pykrita/dinplug/dinplug.json   the record: dinplug's interpreter, its version, these files
    pykrita/dinplug.desktop, actions/dinplug.action
In GIMP's plug-ins folder:
    dinplug/dinplug.py             hosts/gimp/entry.py
    dinplug/hosts/, dinplug/dinplug.json as above
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import dinplug
from dinplug.atomic import write_atomically
from dinplug.errors import SetupError, UsageError
from dinplug.hosts.launch import RECORD
from dinplug.hosts.manifest import NAME as MANIFEST
from dinplug.hosts.manifest import manifest_path

IN_HOST = (
    "client", "launch", "manifest", "pixels", "protocol", "sandbox", "session", "wording",
)  # fmt: skip
"""The modules of this package that are copied into the plugins, besides a host's own package."""
ENTRY = "entry.py"
"""The file of a host's package that becomes the plugin's first one."""
_SOURCES = Path(__file__).parent
_LARGEST_RECORD = 1 << 20


@dataclass(frozen=True)
class Layout:
    """Where a host wants what; all paths are relative to the folder that is installed into."""

    plugin: PurePosixPath
    entry: str
    beside: dict[str, PurePosixPath]
    """Files of the host's package that go beside the plugin's folder, and where to."""


LAYOUTS = {
    "krita": Layout(
        PurePosixPath("pykrita/dinplug"),
        "__init__.py",
        {
            "dinplug.desktop": PurePosixPath("pykrita/dinplug.desktop"),
            "dinplug.action": PurePosixPath("actions/dinplug.action"),
        },
    ),
    "gimp": Layout(PurePosixPath("dinplug"), "dinplug.py", {}),
}


def plugin_files(host: str, python: Path | None = None) -> dict[PurePosixPath, bytes]:
    """What the plugin of `host` consists of, by place in the folder that is installed into.

    Without the interpreter `python` the plugin looks for dinplug's command when it starts.
    """
    layout, package = LAYOUTS[host], _SOURCES / host
    modules = layout.plugin / "hosts"
    files = {modules / "__init__.py": b"", modules / MANIFEST: Path(manifest_path()).read_bytes()}
    for name in IN_HOST:
        files[modules / f"{name}.py"] = (_SOURCES / f"{name}.py").read_bytes()
    for source in sorted(package.rglob("*.py")):
        place = modules / host / PurePosixPath(source.relative_to(package).as_posix())
        if source.name == ENTRY:
            place = layout.plugin / layout.entry
        files[place] = source.read_bytes()
    for name, place in layout.beside.items():
        source = package / name
        if source.is_file():
            files[place] = source.read_bytes()
    inside = [path.relative_to(layout.plugin) for path in files if layout.plugin in path.parents]
    record = {"version": dinplug.__version__, "files": sorted(map(str, inside))}
    if python is not None:
        record["python"] = str(python.absolute())
    files[layout.plugin / RECORD] = json.dumps(record, indent=2).encode()
    return files


def write_plugin(host: str, folder: Path, python: Path = Path(sys.executable)) -> None:
    """Install the plugin of `host`, or replace it: its folder appears whole or not at all.

    `folder` is Krita's resource folder or GIMP's plug-ins folder, `python` the interpreter that
    runs the worker.

    Raises:
        UsageError: what is there under the plugin's name was not written by dinplug.
        SetupError: it cannot be written.
    """
    layout = LAYOUTS[host]
    plugin = folder / layout.plugin
    check_ours(host, folder)
    files = plugin_files(host, python)
    try:
        plugin.parent.mkdir(parents=True, exist_ok=True)
        with _beside(plugin) as work:
            new = Path(work, "new")
            for path, content in files.items():
                if layout.plugin in path.parents:
                    target = new / path.relative_to(layout.plugin)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
            _make_runnable(new / layout.entry)  # GIMP runs it
            _swap(new, plugin, Path(work, "old"))
    except OSError as error:
        raise SetupError(f"cannot write {plugin}: {error.strerror or error}") from error
    for path in layout.beside.values():
        if path in files:
            write_atomically(files[path], folder / path)


def _beside(plugin: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the same disk; what a host holds open on Windows may stay in it."""
    return tempfile.TemporaryDirectory(
        prefix=".dinplug-", dir=plugin.parent, ignore_cleanup_errors=True
    )


def _make_runnable(file: Path) -> None:
    """Let those run it who may read it."""
    mode = file.stat().st_mode
    file.chmod(mode | (mode & 0o444) >> 2)


def _swap(new: Path, place: Path, old: Path) -> None:
    """Give `new` its place; what was there becomes `old`, or stays if that fails."""
    if not place.exists():
        os.rename(new, place)
        return
    os.rename(place, old)
    try:
        os.rename(new, place)
    except OSError:
        os.rename(old, place)
        raise


def remove_plugin(host: str, folder: Path) -> bool:
    """Remove what `write_plugin` wrote; False if there is nothing.

    Raises:
        UsageError: the folder holds something that dinplug did not write.
        SetupError: it cannot be removed.
    """
    layout = LAYOUTS[host]
    plugin = folder / layout.plugin
    if not check_ours(host, folder):
        return False
    try:
        for path in layout.beside.values():
            (folder / path).unlink(missing_ok=True)
        with _beside(plugin) as work:
            os.rename(plugin, Path(work, "old"))  # in one step: no host loads half a plugin
    except OSError as error:
        raise SetupError(f"cannot remove {plugin}: {error.strerror or error}") from error
    return True


def check_ours(host: str, folder: Path) -> bool:
    """Whether the plugin is installed in `folder`.

    Raises:
        UsageError: what is there in its place, or some of it, was not written by dinplug.
    """
    plugin = folder / LAYOUTS[host].plugin
    if not os.path.lexists(plugin):
        return False
    if plugin.is_symlink() or not plugin.is_dir():
        raise UsageError(f"{plugin} is no folder that dinplug wrote: move it away first")
    record = read_record(host, folder)
    if record is None:
        raise UsageError(f"{plugin} holds no {RECORD} of dinplug's: move it away first")
    ours = {RECORD, *record["files"]}
    for path in sorted(plugin.rglob("*")):
        name = path.relative_to(plugin)
        is_file = path.is_symlink() or not path.is_dir()
        if is_file and "__pycache__" not in name.parts and name.as_posix() not in ours:
            raise UsageError(f"{path} was not written by dinplug: move it away first")
    return True


def read_record(host: str, folder: Path) -> dict[str, Any] | None:
    """The record of an installed plugin: `version`, `files` and perhaps `python`; None if none."""
    path = folder / LAYOUTS[host].plugin / RECORD
    try:
        if path.stat().st_size > _LARGEST_RECORD:
            return None
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("version"), str):
        return None
    files = record.get("files")
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        return None
    return record
