"""The plugins' files: whole or not at all, and nothing that is not ours is touched."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

import dinplug
from dinplug.errors import SetupError, UsageError
from dinplug.hosts.installation import (
    IN_HOST,
    LAYOUTS,
    check_ours,
    plugin_files,
    read_record,
    remove_plugin,
    write_plugin,
)
from tests.test_imports import HOSTS, ROOT

ENTRIES = {"krita": "pykrita/dinplug/__init__.py", "gimp": "dinplug/dinplug.py"}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


@pytest.mark.parametrize("host", LAYOUTS)
def test_it_has_the_layout_the_host_wants(host: str, tmp_path: Path) -> None:
    write_plugin(host, tmp_path)
    files = tree(tmp_path)
    base = str(LAYOUTS[host].plugin)
    assert files[ENTRIES[host]] == (HOSTS / host / "entry.py").read_bytes()
    for name in IN_HOST:
        assert files[f"{base}/hosts/{name}.py"] == (HOSTS / f"{name}.py").read_bytes()
    for source in (HOSTS / host).rglob("*.py"):
        if source.name != "entry.py":
            place = source.relative_to(HOSTS / host).as_posix()
            assert files[f"{base}/hosts/{host}/{place}"] == source.read_bytes()
    manifest = (ROOT / "plugin_manifest.json").read_bytes()
    assert files[f"{base}/hosts/plugin_manifest.json"] == manifest
    record = json.loads(files[f"{base}/dinplug.json"])
    assert record["python"] == sys.executable and record["version"] == dinplug.__version__
    assert {path.split("/")[0] for path in files} == (
        {"pykrita", "actions"} if host == "krita" else {"dinplug"}
    )


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_gimp_can_run_it_and_others_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        write_plugin("gimp", tmp_path)
    finally:
        os.umask(old)
    entry = tmp_path / ENTRIES["gimp"]
    assert stat.S_IMODE(entry.stat().st_mode) == 0o755
    assert stat.S_IMODE(entry.parent.stat().st_mode) == 0o755
    assert entry.read_text().startswith("#!/usr/bin/env python3\n")


@pytest.mark.parametrize("host", LAYOUTS)
def test_what_is_installed_is_removed_and_nothing_else(host: str, tmp_path: Path) -> None:
    other = tmp_path / LAYOUTS[host].plugin.parent / "other_plugin"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("theirs")
    before = tree(tmp_path)
    write_plugin(host, tmp_path)
    compiled = tmp_path / LAYOUTS[host].plugin / "hosts" / "__pycache__" / "client.cpython-38.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"by the host's Python")
    assert remove_plugin(host, tmp_path) is True
    assert tree(tmp_path) == before
    assert remove_plugin(host, tmp_path) is False


@pytest.mark.parametrize("host", LAYOUTS)
def test_installing_again_brings_it_up_to_date(host: str, tmp_path: Path) -> None:
    write_plugin(host, tmp_path)
    whole = tree(tmp_path)
    plugin = tmp_path / LAYOUTS[host].plugin
    (plugin / "hosts" / "client.py").write_text("an old one")
    record = json.loads((plugin / "dinplug.json").read_text())
    record.update(version="0.0.9", files=[*record["files"], "hosts/gone.py"])
    (plugin / "dinplug.json").write_text(json.dumps(record))
    (plugin / "hosts" / "gone.py").write_text("which the present version has not")
    write_plugin(host, tmp_path)
    assert tree(tmp_path) == whole


def foreign(folder: Path, kind: str) -> None:
    """Put something in the plugin's place that dinplug did not write."""
    if kind == "file":
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text("theirs")
    elif kind == "link":
        theirs = folder.parent / "checkout"
        theirs.mkdir(parents=True)
        (theirs / "dinplug.json").write_text('{"version": "0.1.0", "files": []}')
        folder.symlink_to(theirs)
    else:
        records = {
            "no record": None,
            "no list": '{"version": "0.1.0", "files": 5}',
            "no names": '{"version": "0.1.0", "files": [5]}',
            "no JSON": "\xff",
            "deep": "[" * 100000,
            "other file": '{"version": "0.1.0", "files": ["dinplug.json"]}',
        }
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("theirs")
        text = records[kind]
        if text is not None:
            (folder / "dinplug.json").write_text(text, "latin-1")


KINDS = ["file", "link", "no record", "no list", "no names", "no JSON", "deep", "other file"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", LAYOUTS)
def test_what_is_not_ours_is_left_alone(host: str, kind: str, tmp_path: Path) -> None:
    foreign(tmp_path / LAYOUTS[host].plugin, kind)
    before = tree(tmp_path)
    for action in (write_plugin, remove_plugin):
        with pytest.raises(UsageError, match=r"dinplug.*move it away"):
            action(host, tmp_path)
        assert tree(tmp_path) == before


def test_a_failure_leaves_the_old_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plugin("krita", tmp_path)
    before = tree(tmp_path)
    rename = os.rename

    def fail_on_new(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_on_new)
    with pytest.raises(SetupError, match=r"cannot write .*pykrita.dinplug: No space left"):
        write_plugin("krita", tmp_path, Path("/another/python"))
    assert tree(tmp_path) == before


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "pykrita").write_text("a file")
    with pytest.raises(SetupError, match="cannot write"):
        write_plugin("krita", tmp_path)


def test_the_interpreter_is_the_one_of_the_environment(tmp_path: Path) -> None:
    """Not what it links to: that one does not see the environment's packages."""
    link = tmp_path / "venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(sys.executable)
    write_plugin("gimp", tmp_path / "plug-ins", link)
    record = read_record("gimp", tmp_path / "plug-ins")
    assert record is not None and record["python"] == str(link)


@pytest.mark.parametrize("host", LAYOUTS)
def test_all_of_it_is_text(host: str) -> None:
    for content in plugin_files(host).values():
        content.decode("utf-8")


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert not check_ours("krita", tmp_path) and read_record("krita", tmp_path) is None
