"""Clearing up after a killed run takes its files, and no others."""

import os
import time
from pathlib import Path

import pytest

from dinplug.batch.journal import JOURNAL_NAME
from dinplug.batch.lock import LOCK_NAME, Holder, marked_as_written_in
from dinplug.batch.unfinished import remove_files_left_beside, remove_left_files

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows cannot lock folders")
PART = ".dinplug-0123456789abcdef.part"
KILLED = Holder(1, "here", time.time_ns() - 60_000_000_000)


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    return path


def test_files_left_in_the_tree_are_removed(tmp_path: Path) -> None:
    parts = {put(tmp_path / PART), put(tmp_path / "trip" / "day 2" / PART)}
    result = put(tmp_path / "trip" / "a.tif")
    assert set(remove_left_files(tmp_path, KILLED)) == parts
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [result]


@pytest.mark.parametrize(
    "name",
    [
        "0123456789abcdef.part",
        ".dinplug-notes.part",
        ".dinplug-0123456789ABCDEF.part",
        ".dinplug-0123456789abcdef0.part",
        f"{PART}.tif",
        f"my{PART}",
    ],
)
def test_a_users_file_stays(tmp_path: Path, name: str) -> None:
    put(tmp_path / name)
    assert remove_left_files(tmp_path, KILLED) == []
    assert (tmp_path / name).exists()


def test_what_is_older_than_the_run_stays(tmp_path: Path) -> None:
    part = put(tmp_path / PART)
    before = KILLED.since_ns - 10_000_000_000
    os.utime(part, ns=(before, before))
    assert remove_left_files(tmp_path, KILLED) == []


def test_links_and_folders_of_that_name_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    precious = put(tmp_path / "elsewhere" / PART)
    out.mkdir()
    (out / PART).symlink_to(precious)
    (out / "linked").symlink_to(precious.parent)
    (out / "sub" / PART).mkdir(parents=True)
    assert remove_left_files(out, KILLED) == []
    assert precious.exists()


@pytest.mark.parametrize("mark", [JOURNAL_NAME, LOCK_NAME])
def test_another_runs_folder_is_not_entered(tmp_path: Path, mark: str) -> None:
    put(tmp_path / "other" / mark)
    parts = [put(tmp_path / "other" / PART), put(tmp_path / "other" / "sub" / PART)]
    assert remove_left_files(tmp_path, KILLED) == []
    assert all(part.exists() for part in parts)


def test_where_somebody_writes_everything_stays(tmp_path: Path) -> None:
    busy, quiet = put(tmp_path / "busy" / PART), put(tmp_path / "quiet" / PART)
    with marked_as_written_in(busy.parent):
        assert remove_left_files(tmp_path, KILLED) == [quiet]
    assert remove_left_files(tmp_path, KILLED) == [busy]


def test_beside_a_photo_files_of_any_age_are_removed_unless_somebody_writes(tmp_path: Path) -> None:
    part, below = put(tmp_path / PART), put(tmp_path / "trip" / PART)
    users = put(tmp_path / ".dinplug-notes.part")
    os.utime(part, ns=(0, 0))
    with marked_as_written_in(tmp_path):
        assert remove_files_left_beside(tmp_path / "a.tif") == []
    assert remove_files_left_beside(tmp_path / "a.tif") == [part]
    assert below.exists() and users.exists()
    assert remove_files_left_beside(tmp_path / "none" / "a.tif") == []
