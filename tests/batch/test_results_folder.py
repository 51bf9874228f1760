"""The folder of results: locked, cleared up, watched."""

import os
import time
from pathlib import Path

import pytest

from dinplug.batch.journal import JOURNAL_NAME
from dinplug.batch.lock import LOCK_NAME, FolderLock
from dinplug.batch.results_folder import clear_up, results_folder
from dinplug.errors import BusyError, SetupError

PART = ".dinplug-0123456789abcdef.part"


def leave(folder: Path) -> None:
    """Put what a killed run leaves."""
    folder.mkdir(exist_ok=True)
    (folder / LOCK_NAME).write_text(f'{{"pid": 1, "host": "h", "since_ns": {time.time_ns()}}}')
    (folder / PART).write_bytes(b"half")


def test_it_is_made_and_locked_for_as_long_as_it_lasts(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with results_folder(out) as folder:
        folder.check()
        with pytest.raises(BusyError), results_folder(out):
            pass
    assert os.listdir(out) == [JOURNAL_NAME]


@pytest.mark.skipif(os.name != "posix", reason="Windows cannot lock folders")
def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    leave(tmp_path)
    with results_folder(tmp_path):
        assert sorted(os.listdir(tmp_path)) == [JOURNAL_NAME, LOCK_NAME]
    leave(tmp_path)
    clear_up(tmp_path)
    assert os.listdir(tmp_path) == [JOURNAL_NAME]


def test_clearing_up_keeps_away_from_a_running_run(tmp_path: Path) -> None:
    lock = FolderLock.take(tmp_path)
    (tmp_path / PART).write_bytes(b"half")
    clear_up(tmp_path)
    assert (tmp_path / PART).exists() and (tmp_path / LOCK_NAME).exists()
    lock.release()


def test_a_folder_that_nobody_left_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(b"half")
    clear_up(tmp_path)
    clear_up(tmp_path / "nowhere")
    assert os.listdir(tmp_path) == [PART]


def test_another_folder_in_its_place_is_noticed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with results_folder(out) as folder:
        out.rename(tmp_path / "away")
        with pytest.raises(SetupError, match="vanished during the run"):
            folder.check()
        out.mkdir()
        with pytest.raises(SetupError, match="vanished during the run"):
            folder.check()
    assert os.listdir(out) == []


def test_a_place_for_no_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(SetupError, match="results cannot be written there"),
        results_folder(tmp_path / "file" / "out"),
    ):
        pass
