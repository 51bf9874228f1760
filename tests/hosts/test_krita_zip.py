"""The zip for Krita's importer, which tests/end_to_end/installation gives to the real one."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from dinplug.hosts.installation import plugin_files, read_record, write_plugin
from scripts.build_krita_zip import zip_of
from tests.test_imports import ROOT


def test_it_holds_the_plugin_without_an_interpreter(tmp_path: Path) -> None:
    target = tmp_path / "new" / "plugin.zip"
    script = ROOT / "scripts" / "build_krita_zip.py"
    done = subprocess.run(
        [sys.executable, script, target], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{target}\n"
    with zipfile.ZipFile(target) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}
        # Krita looks for this folder's entry, and for the file in it.
        assert {"pykrita/dinplug/", "pykrita/dinplug/__init__.py"} <= set(archive.namelist())
    assert files == {str(path): content for path, content in plugin_files("krita").items()}
    assert "python" not in json.loads(files["pykrita/dinplug/dinplug.json"])


def test_install_makes_it_an_ordinary_plugin(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(zip_of(plugin_files("krita")))) as archive:
        archive.extractall(tmp_path)
    write_plugin("krita", tmp_path)
    record = read_record("krita", tmp_path)
    assert record is not None and record["python"] == sys.executable


def test_it_is_the_same_every_time() -> None:
    files = plugin_files("krita")
    backwards = dict(reversed(files.items()))
    assert zip_of(files) == zip_of(backwards)
    with zipfile.ZipFile(io.BytesIO(zip_of(files))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    script = ROOT / "scripts" / "build_krita_zip.py"
    target = tmp_path / "file" / "plugin.zip"
    done = subprocess.run([sys.executable, script, target], capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: cannot write {target}: ")
