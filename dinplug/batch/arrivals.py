"""Tell which files in a watched folder are complete, and which are still being written.

A file is complete when its size and times have stayed the same for a while, by this machine's own
clock, and no process of this machine has it open for writing. Linux tells the latter: it gives a
read lease on a file (fcntl(2), F_SETLEASE) only where that is so. It also tells of files that got
their name, or their times, after they were last written, as all who write under a temporary name
and then rename do; those are complete at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

if sys.platform == "linux":
    import fcntl

PATIENCE = 15
"""After so many times the settling time, a file that never changes is taken, empty or open."""
_TEMPORARY = frozenset(
    (".crdownload", ".download", ".filepart", ".part", ".partial", ".temp", ".tmp")
)


@dataclass(frozen=True)
class FileState:
    """What a file is at one moment: size in bytes, times in ns since 1970.

    States are equal where the content is the same; rights and names may have changed.
    """

    size: int
    mtime_ns: int
    ctime_ns: int = field(compare=False)

    @staticmethod
    def of(path: Path) -> FileState | None:
        """Look at a file; None where it is not there (any more)."""
        try:
            state = path.stat()
        except OSError:
            return None
        return FileState(state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@dataclass
class Arrivals:
    """Follows files from look to look. `settle` is how long, in seconds, one must not change."""

    settle: float
    clock: Callable[[], float] = time.monotonic
    _since: dict[Path, tuple[FileState, float]] = field(default_factory=dict)
    _complete: dict[Path, FileState] = field(default_factory=dict)

    def complete(self, paths: Iterable[Path]) -> dict[Path, FileState]:
        """Look at `paths`, which are all there are now; return those that are complete."""
        now = self.clock()
        before, self._since = self._since, {}
        complete = {}
        for path in paths:
            state = FileState.of(path)
            if state is None or is_temporary(path.name):
                continue
            known, since = before.get(path, (None, now))
            since = since if state == known else now
            self._since[path] = (state, since)
            if self._complete.get(path) == state or self._is_complete(path, state, now - since):
                complete[path] = state
        self._complete = complete
        return complete

    def _is_complete(self, path: Path, state: FileState, unchanged: float) -> bool:
        if unchanged >= self.settle * PATIENCE:
            return True
        if state.size == 0:
            return False
        writing = is_open_for_writing(path)
        if writing == "no" and state.ctime_ns > state.mtime_ns:
            return True
        return unchanged >= self.settle and writing != "yes"


def is_temporary(name: str) -> bool:
    """Tell whether a name is one that programs give to files they have not finished."""
    suffixes = {suffix.lower() for suffix in Path(name).suffixes}
    return name.startswith((".", "~")) or name.endswith("~") or bool(suffixes & _TEMPORARY)


def is_open_for_writing(path: Path) -> Literal["yes", "no", "unknown"]:
    """Ask the system whether any process writes to a file.

    Only Linux says, of files of the same user on file systems that know leases. Network file
    systems may say "yes" of any file.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return "unknown"
    # Whoever opens the file for writing while we hold the lease makes the system tell us so by a
    # signal, which would end the process.
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        finally:
            os.close(descriptor)
    except BlockingIOError:
        return "yes"
    except OSError:
        return "unknown"
    finally:
        signal.signal(signal.SIGIO, before or signal.SIG_DFL)
    return "no"
