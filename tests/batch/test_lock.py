"""The lock on a folder: held by one, ended by any kind of end, taken over from the killed."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dinplug.batch.lock import (
    LOCK_NAME,
    FolderLock,
    Holder,
    marked_as_written_in,
    nobody_writing_in,
)
from dinplug.errors import BusyError

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from dinplug.batch.lock import FolderLock
locks = [FolderLock.take(Path(folder)) for folder in sys.argv[1:]]
print("held", flush=True)
sys.stdin.read()
"""
COUNT = """
import sys
from pathlib import Path
from dinplug.batch.lock import FolderLock
from dinplug.errors import BusyError
folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
counter = folder / "count"
while rounds:
    try:
        lock = FolderLock.take(folder)
    except BusyError:
        continue
    counter.write_text(str(int(counter.read_text()) + 1))
    lock.release()
    rounds -= 1
"""


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def start_holder(*folders: Path) -> "subprocess.Popen[str]":
    process = start(HOLD, *folders)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_one_holds_it_and_leaves_nothing(tmp_path: Path) -> None:
    lock = FolderLock.take(tmp_path)
    assert lock.is_held and lock.left_by is None
    assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()
    with pytest.raises(BusyError):
        FolderLock.take(tmp_path)
    lock.release()
    lock.release()
    assert not list(tmp_path.iterdir())
    FolderLock.take(tmp_path).release()


def test_the_other_process_is_named_and_its_kill_frees_the_folder(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with start_holder(*folders) as holder:
        for folder in folders:
            with pytest.raises(BusyError) as caught:
                FolderLock.take(folder)
            message = str(caught.value)
            assert message.startswith(f"{folder}: ") and "\n" not in message
            assert f"(process {holder.pid} on {socket.gethostname()}, since 2" in message
            assert BusyError.exit_code == 4
        holder.send_signal(signal.SIGKILL)
    for folder in folders:
        lock = FolderLock.take(folder)
        assert lock.left_by is not None and lock.left_by.pid == holder.pid
        lock.release()
        assert not list(folder.iterdir())


def test_many_processes_never_hold_it_together(tmp_path: Path) -> None:
    """Counting without a lock would lose counts; removing the file must not let two in."""
    (tmp_path / "count").write_text("0")
    processes = [start(COUNT, tmp_path, 60) for _ in range(3)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert (tmp_path / "count").read_text() == "180"
    assert not (tmp_path / LOCK_NAME).exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"pid": "x"}', b"\xff" * 3000])
def test_a_damaged_file_is_taken_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK_NAME).write_bytes(content)
    lock = FolderLock.take(tmp_path)
    assert lock.is_held and lock.left_by is None
    lock.release()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"content")
    (tmp_path / LOCK_NAME).symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        FolderLock.take(tmp_path)
    assert (tmp_path / "precious").read_bytes() == b"content"


def test_another_ones_file_is_not_removed(tmp_path: Path) -> None:
    lock = FolderLock.take(tmp_path)
    (tmp_path / LOCK_NAME).unlink()
    other = FolderLock.take(tmp_path)
    lock.release()
    assert (tmp_path / LOCK_NAME).exists()
    other.release()


@pytest.mark.skipif(sys.platform == "win32", reason="flock is of Unix")
def test_without_locks_nobody_is_kept_out_and_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only simulated fault: a file system without locks cannot be had everywhere."""

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    lock = FolderLock.take(tmp_path)
    assert not lock.is_held and not list(tmp_path.iterdir())
    lock.release()
    with nobody_writing_in(tmp_path) as certain:
        assert not certain


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot lock folders")
def test_marks_keep_clearing_up_away(tmp_path: Path) -> None:
    mark = marked_as_written_in
    with mark(tmp_path), mark(tmp_path), nobody_writing_in(tmp_path) as certain:
        assert not certain
    with nobody_writing_in(tmp_path) as certain:
        assert certain
    with nobody_writing_in(tmp_path / "nowhere") as certain:
        assert not certain


def test_a_holder_is_readable() -> None:
    assert str(Holder(7, "studio", 0)).startswith("process 7 on studio, since 19")
