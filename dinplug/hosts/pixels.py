"""Pixels on their way between host and worker: files in a folder only this user can enter.

A file's name goes as soon as the other side has opened it, so that nothing is left to remove even
if both are killed. What has a name still goes with the folder: both sides remove it when they
leave, and what a power cut left is swept up by the next run (a folder is in use while someone
holds its lock).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import secrets
import stat
import tempfile
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from . import protocol
from .protocol import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed: that is lock enough
    fcntl = None  # type: ignore[assignment]

PREFIX = "dinplug-pixels-"
_LOCK = "lock"
_NAME = re.compile(r"[0-9a-f]{32}\.pixels")
_SETTLED_SECONDS = 60
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe under that name would make opening it wait
_CHUNK = 1 << 22
_IS_POSIX = os.name == "posix"


class PixelShape(NamedTuple):
    """The size and type of samples (height, width, channels), and bytes of a profile after them."""

    width: int
    height: int
    channels: int
    dtype: str
    profile_bytes: int = 0

    @property
    def sample_bytes(self) -> int:
        """Bytes of all samples."""
        return self.width * self.height * self.channels * protocol.SAMPLE_BYTES[self.dtype]

    @property
    def file_bytes(self) -> int:
        """Bytes of the file: rows from the top, tightly packed, then the profile."""
        return self.sample_bytes + self.profile_bytes

    @staticmethod
    def of(message: dict[str, Any]) -> PixelShape:
        """The shape a message states; raises ProtocolError where one is impossible."""
        width = protocol.whole(message, "width", 1, protocol.LARGEST_SIDE)
        height = protocol.whole(message, "height", 1, protocol.LARGEST_SIDE)
        channels = protocol.whole(message, "channels", 1, 4)
        dtype = protocol.choice(message, "dtype", tuple(protocol.SAMPLE_BYTES))
        profile = protocol.whole(message, "profile_bytes", 0, protocol.LARGEST_PROFILE)
        if width * height > protocol.MOST_PIXELS:
            raise ProtocolError(f"{width} x {height} pixels are more than dinplug takes")
        return PixelShape(width, height, channels, dtype, profile)


class PixelFolder:
    """A private folder for pixel files, made by the plugin and joined by its worker."""

    def __init__(self, path: str) -> None:
        """Use the folder at `path`; raises ProtocolError unless it is this user's alone."""
        if not os.path.isabs(path) or not os.path.basename(path).startswith(PREFIX):
            raise ProtocolError("the folder is no folder for pixels")
        check_private(path)
        self.path = path
        self.closed = False
        self.lock = open_lock(path)

    @staticmethod
    def make(parent: str | None = None) -> PixelFolder:
        """Make a folder for one run, below `parent` or the system's folder for such things."""
        parent = parent or tempfile.gettempdir()
        sweep(parent)
        return PixelFolder(os.path.abspath(tempfile.mkdtemp(prefix=PREFIX, dir=parent)))

    def write(self, *parts: Any) -> str:
        """Write bytes-like `parts` into a new file and return its name; raises OSError."""
        with self.new_file() as (name, file):
            for part in parts:
                write_all(file, memoryview(part).cast("B"))
        return name

    @contextlib.contextmanager
    def new_file(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Open a new file for writing, with its name; it goes if the block fails.

        Raises OSError.
        """
        if self.closed:
            raise OSError("the folder for pixels is closed")
        name = secrets.token_hex(16) + ".pixels"
        path = os.path.join(self.path, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY
        descriptor = os.open(path, flags, 0o600)
        try:
            with open(descriptor, "wb", buffering=0) as file:
                yield name, file
        except BaseException:
            self.discard(name)
            raise

    @contextlib.contextmanager
    def opened(self, name: str, size: int) -> Iterator[IO[bytes]]:
        """Open the file `name` of exactly `size` bytes for reading; it loses its name at once.

        Raises ProtocolError for anything but a file that `write` could have made.
        """
        path = self.checked_path(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | _NO_LINK | _BINARY | _NO_WAIT)
        except OSError as error:
            raise ProtocolError(f"the pixel file cannot be opened ({error.strerror})") from error
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or not is_own(found):
            os.close(descriptor)
            raise ProtocolError("the pixel file is no private file")
        with open(descriptor, "rb", buffering=0) as file:
            if _IS_POSIX:
                self.discard(name)
            if found.st_size != size:
                raise ProtocolError(f"the pixel file has {found.st_size} bytes and not {size}")
            yield file
        self.discard(name)

    def read(self, name: str, size: int) -> bytearray:
        """Read a file of exactly `size` bytes and remove it; raises ProtocolError, OSError."""
        data = bytearray(size)
        view = memoryview(data)
        with self.opened(name, size) as file:
            done = 0
            while done < size:
                count = file.readinto(view[done : done + _CHUNK])  # type: ignore[attr-defined]
                if not count:
                    raise ProtocolError("the pixel file was cut short while it was read")
                done += count
        return data

    def mapped(self, name: str, size: int) -> mmap.mmap:
        """Map a file of exactly `size` bytes for reading and remove it; raises ProtocolError."""
        with self.opened(name, size) as file:
            if _IS_POSIX:
                return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
            copy = mmap.mmap(-1, size)  # a mapped file cannot be removed on Windows
            while copy.tell() < size:
                copy.write(file.read(_CHUNK))
            copy.seek(0)
            return copy

    def checked_path(self, name: str) -> str:
        """The path of a file `name`; raises ProtocolError unless that is a name of ours."""
        if not _NAME.fullmatch(name):
            raise ProtocolError("pixels must be the name of a pixel file")
        return os.path.join(self.path, name)

    def discard(self, name: str) -> None:
        """Remove a file if it is there."""
        with contextlib.suppress(OSError):
            os.unlink(self.checked_path(name))

    def clear(self) -> None:
        """Remove all pixel files; the folder stays in use."""
        remove_files(self.path)

    def close(self) -> None:
        """Remove the folder and everything of ours in it; may be called twice."""
        if not self.closed:
            self.closed = True
            os.close(self.lock)
        remove_folder(self.path)


def write_all(file: Any, data: memoryview) -> None:
    """Write all of `data` (a raw file may take less at once); raises OSError."""
    done = 0
    while done < len(data):
        done += file.write(data[done : done + _CHUNK])


def is_own(found: os.stat_result) -> bool:
    """Whether a file belongs to this user and to nobody else."""
    return not _IS_POSIX or (found.st_uid == os.getuid() and not found.st_mode & 0o077)


def check_private(path: str) -> None:
    """Raise ProtocolError unless `path` is a folder, no link, that only this user can enter."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError) as error:
        raise ProtocolError("the folder for pixels cannot be found") from error
    if not stat.S_ISDIR(found.st_mode) or not is_own(found):
        raise ProtocolError("the folder for pixels is no private folder")


def open_lock(path: str) -> int:
    """Open the folder's lock and hold it, beside others; raises ProtocolError if it is denied."""
    flags = os.O_RDWR | os.O_CREAT | _NO_LINK | _BINARY
    try:
        lock = os.open(os.path.join(path, _LOCK), flags, 0o600)
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        raise ProtocolError(f"the folder for pixels cannot be used ({error.strerror})") from error
    return lock


def remove_files(path: str) -> None:
    """Remove the pixel files of a folder."""
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            if _NAME.fullmatch(name):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(path, name))


def remove_folder(path: str) -> None:
    """Remove a folder with its pixel files and lock; what is not ours keeps it in place."""
    remove_files(path)
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(path, _LOCK))
    with contextlib.suppress(OSError):
        os.rmdir(path)


def sweep(parent: str) -> None:
    """Remove the folders below `parent` that runs left which could not tidy up themselves."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            path = os.path.join(parent, name)
            if name.startswith(PREFIX) and is_left_over(path):
                remove_folder(path)


def is_left_over(path: str) -> bool:
    """Whether a folder is ours, not just being made, and held by no living process."""
    try:
        check_private(path)
        if time.time() - os.lstat(path).st_mtime < _SETTLED_SECONDS:
            return False
        if fcntl is None:
            os.unlink(os.path.join(path, _LOCK))
            return True
        lock = os.open(os.path.join(path, _LOCK), os.O_RDWR | _NO_LINK)
    except FileNotFoundError:
        return True
    except (OSError, ProtocolError):
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True
