"""Temporary files of writes: removed when the process leaves at once, or after it was killed."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dinplug.batch.journal import JOURNAL_NAME
from dinplug.batch.lock import LOCK_NAME, Holder, marked_as_written_in, nobody_writing_in

_PATTERN = ".dinplug-*.part"
_NAME = re.compile(r"\.dinplug-[0-9a-f]{16}\.part")
_CLOCK_STEP_NS = 2_000_000_000
"""The coarsest clock of a file system (FAT) knows two seconds."""


class UnfinishedFiles:
    """Knows which temporary files in the folders of writes are ours: those that were not there."""

    def __init__(self) -> None:
        self._others: dict[object, tuple[Path, frozenset[Path]]] = {}

    @contextmanager
    def writing_in(self, folder: Path) -> Iterator[None]:
        """Mark that a result is being written in `folder`; several may be at a time."""
        with marked_as_written_in(folder):
            write = object()
            self._others[write] = (folder, frozenset(folder.glob(_PATTERN)))
            try:
                yield
            finally:
                del self._others[write]

    def remove(self) -> None:
        """Remove what the present writes have left, if there are any."""
        for folder, others in list(self._others.values()):
            with suppress(OSError):
                for part in set(folder.glob(_PATTERN)) - others:
                    part.unlink(missing_ok=True)


def remove_left_files(root: Path, killed: Holder) -> list[Path]:
    """Remove what the run `killed` left unfinished below `root`, and return what was removed.

    The caller holds the lock of `root`. Removed are regular files with a name that only dinplug
    gives, of this user, not older than that run, in folders where nobody writes at present. Links
    are not followed, and folders that are other runs' results not entered.
    """
    removed = []
    for name, folders, files in os.walk(root):
        folder = Path(name)
        if folder != root and (JOURNAL_NAME in files or LOCK_NAME in files):
            folders.clear()
            continue
        removed += _remove_left(folder, files, killed.since_ns)
    return removed


def remove_files_left_beside(target: Path) -> list[Path]:
    """Remove what killed runs left unfinished in the folder of `target`; return what was removed.

    As `remove_left_files`, of any age: the runs of single photos leave no word of when they began.
    """
    try:
        names = os.listdir(target.parent)
    except OSError:
        return []
    return _remove_left(target.parent, names, since_ns=0)


def _remove_left(folder: Path, names: list[str], since_ns: int) -> list[Path]:
    left = [folder / name for name in names if _NAME.fullmatch(name)]
    left = [part for part in left if _may_be_left(part, since_ns)]
    if not left:
        return []
    removed = []
    # Looked for before the lock is tried: whoever was writing one of them still holds his mark, or
    # has finished it and so removed it himself.
    with nobody_writing_in(folder) as certain:
        for part in left if certain else []:
            with suppress(OSError):
                part.unlink()
                removed.append(part)
    return removed


def _may_be_left(part: Path, since_ns: int) -> bool:
    try:
        state = part.lstat()
    except OSError:
        return False
    return (
        stat.S_ISREG(state.st_mode)
        and (not hasattr(os, "geteuid") or state.st_uid == os.geteuid())
        and state.st_mtime_ns >= since_ns - _CLOCK_STEP_NS
    )
