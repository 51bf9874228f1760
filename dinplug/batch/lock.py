"""One run at a time in a folder of results, and no clearing up while somebody writes.

Both locks are the operating system's: they end with the process, however that ends, so that none
is ever left behind. What a killed run does leave is the file that it had locked. The file says who
the run was, and its presence that there may be something to clear up.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dinplug.errors import BusyError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_NAME = ".dinplug-lock"
_BEYOND_CONTENT = 1 << 20
"""Windows keeps others from reading locked bytes, so the locked byte lies behind the text."""
_LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Holder:
    """The run that holds a lock: process number, machine, and its beginning in ns since 1970."""

    pid: int
    host: str
    since_ns: int

    @staticmethod
    def present() -> Holder:
        """This process, from now on."""
        return Holder(os.getpid(), socket.gethostname(), time.time_ns())

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since_ns / 1e9))
        return f"process {self.pid} on {self.host}, since {since}"


@dataclass
class FolderLock:
    """The lock of `folder`, held until `release`.

    `left_by` is the run that was killed while it held the lock, if one was. `is_held` is False on
    file systems that know no locks, where nobody can be kept out.
    """

    folder: Path
    left_by: Holder | None
    is_held: bool
    _descriptor: int | None

    @staticmethod
    def take(folder: Path) -> FolderLock:
        """Take the lock of `folder`, which exists.

        Raises BusyError if another run holds it, OSError if the folder takes no files.
        """
        path = folder / LOCK_NAME
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
            try:
                locked = _lock_file(descriptor)
                if locked is False:
                    raise BusyError(
                        f"{folder}: another run of dinplug ({_read(descriptor) or 'just begun'}) "
                        "writes its results there; wait for its end, or choose another --out"
                    )
            except BaseException:
                os.close(descriptor)
                raise
            if locked is None:
                os.close(descriptor)
                with suppress(OSError):
                    path.unlink()
                return FolderLock(folder, None, False, None)
            if _leads_to(path, descriptor):
                break
            os.close(descriptor)  # its last holder has just removed it: take the next one
        left_by = _read(descriptor)
        _write(descriptor, Holder.present())
        return FolderLock(folder, left_by, True, descriptor)

    def release(self) -> None:
        """Give the lock back; the file is gone then."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        path = self.folder / LOCK_NAME
        ours = _leads_to(path, descriptor)
        if sys.platform == "win32":
            os.close(descriptor)  # what is open cannot be removed there; what others opened neither
        with suppress(OSError):
            if ours:
                path.unlink()
        if sys.platform != "win32":
            os.close(descriptor)


def _lock_file(descriptor: int) -> bool | None:
    """Lock an open file; False if another has locked it, None if this file system has no locks."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _BEYOND_CONTENT, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _leads_to(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except OSError:
        return False


def _read(descriptor: int) -> Holder | None:
    """Return who the file says holds it; None while it says nothing that makes sense."""
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        values = json.loads(os.read(descriptor, _LONGEST_TEXT))
        holder = Holder(int(values["pid"]), str(values["host"]), int(values["since_ns"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return holder


def _write(descriptor: int, holder: Holder) -> None:
    # On a full disk it stays empty; that is told when the first result does not fit.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps(asdict(holder)).encode())
        os.fsync(descriptor)


@contextmanager
def marked_as_written_in(folder: Path) -> Iterator[None]:
    """Let everybody see, for as long as it lasts, that unfinished files in `folder` are in use.

    Many may mark a folder at once. Systems that cannot lock folders are never cleared up.
    """
    with _folder_lock(folder, exclusive=False):
        yield


@contextmanager
def nobody_writing_in(folder: Path) -> Iterator[bool]:
    """Yield whether it is certain that nobody has marked `folder`."""
    with _folder_lock(folder, exclusive=True) as alone:
        yield alone


@contextmanager
def _folder_lock(folder: Path, *, exclusive: bool) -> Iterator[bool]:
    """Try to lock a folder itself, which leaves no trace in it; yield whether it worked."""
    if sys.platform == "win32":
        yield False
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            locked = True
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(descriptor)
