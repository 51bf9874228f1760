"""`dinplug doctor`: what there is on a machine, and what is missing."""

import sys
from pathlib import Path

import pytest

from dinplug.cpu import own_code
from tests.commands.shell import dinplug_says


def test_the_doctor_names_what_there_is(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "share" / "krita").mkdir(parents=True)
    (tmp_path / "config" / "GIMP" / "3.0").mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("sys.platform", "linux")
    result = dinplug_says("doctor")
    assert result.exit_code == 0, result.output
    for part in ("torch", "kernels", "tiny-derain (imported)", str(tiny_models), "cpu"):
        assert part in result.stdout
    own = "own convolutions" if own_code.find_code() else "by oneDNN"
    assert own in result.stdout
    hosts = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert str(tmp_path / "share" / "krita") in hosts["Krita"]
    assert str(tmp_path / "config" / "GIMP" / "3.0") in hosts["GIMP"]


def test_a_missing_library_is_exit_code_3(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    result = dinplug_says("doctor")
    assert result.exit_code == 3
    assert "rawpy" in result.stdout and "FAULT" in result.stdout
