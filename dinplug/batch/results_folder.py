"""The folder where a run's results go: made, locked, cleared of what a killed run left, watched."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dinplug.batch.journal import JOURNAL_NAME, Journal
from dinplug.batch.lock import LOCK_NAME, FolderLock
from dinplug.batch.unfinished import remove_left_files
from dinplug.errors import BusyError, SetupError, WriteError

_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass
class ResultsFolder:
    """A folder that this run alone writes to, with its journal."""

    path: Path
    journal: Journal
    lock: FolderLock
    _state: os.stat_result

    def check(self) -> None:
        """Raise SetupError if the folder is no more the one it was when the run began.

        Made again it would lie on another disk, where a medium was taken out for instance.
        """
        try:
            if os.path.samestat(self.path.stat(), self._state):
                return
        except OSError:
            pass
        raise SetupError(
            f"{self.path}: the folder for results vanished during the run; put it back, and the "
            "same command goes on"
        )


@contextmanager
def results_folder(path: Path) -> Iterator[ResultsFolder]:
    """Make the folder `path`, and yield it locked.

    Raises SetupError if it cannot be written to, BusyError while another run writes to it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FolderLock.take(path)
    except OSError as error:
        raise SetupError(_no_place(path, error)) from error
    try:
        try:
            with (path / JOURNAL_NAME).open("ab"):
                pass
            state = path.stat()
        except OSError as error:
            raise SetupError(_no_place(path, error)) from error
        if lock.left_by is not None:
            remove_left_files(path, lock.left_by)
        yield ResultsFolder(path, Journal.read(path), lock, state)
    finally:
        lock.release()


def clear_up(path: Path) -> None:
    """Remove what a killed run left in `path`, to which nothing else is to be written.

    Where another run writes, or nobody may, nothing is done.
    """
    if (path / LOCK_NAME).exists():
        with suppress(BusyError, SetupError), results_folder(path):
            pass


def _no_place(path: Path, error: OSError) -> str:
    reason = error.strerror or error
    return f"{path}: results cannot be written there ({reason}); choose another folder with --out"


def make_folder(folder: Path) -> None:
    """Make `folder` and those above it. Raises WriteError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made ({error.strerror})") from error


def is_disk_error(error: BaseException) -> bool:
    """Tell whether `error` comes from a disk that takes nothing more."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _DISK_ERRORS:
            return True
        cause = cause.__cause__ or cause.__context__
    return False
