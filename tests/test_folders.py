"""Where a user's files are looked for."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dinplug.folders import user_config_folder, user_data_folder

FOLDERS = [
    (user_data_folder, "DINPLUG_DATA_HOME", "XDG_DATA_HOME"),
    (user_config_folder, "DINPLUG_CONFIG_HOME", "XDG_CONFIG_HOME"),
]


@pytest.mark.parametrize(("folder", "ours", "platforms"), FOLDERS, ids=["data", "config"])
def test_a_folder_is_the_platforms_unless_stated(
    folder: Callable[[], Path],
    ours: str,
    platforms: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv(ours, str(tmp_path / "home"))
    monkeypatch.setenv(platforms, str(tmp_path / "xdg"))
    assert folder() == tmp_path / "home"
    monkeypatch.delenv(ours)
    assert folder().name == "dinplug"
    if sys.platform == "linux":
        assert folder() == tmp_path / "xdg" / "dinplug"
