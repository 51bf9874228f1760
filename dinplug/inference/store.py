"""The feature store: whole feature maps in memory or in a memory-mapped scratch file.

Maps are in channels-last order, so that a tile's row is one run of memory.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import tempfile
from contextlib import suppress
from typing import Protocol

import torch
from torch import Tensor

from dinplug.errors import SetupError
from dinplug.inference.slots import FLOAT
from dinplug.networks.stages import Span

HUGE_PAGE = 2 << 20
SMALLEST_MAPPED = 8 << 20
"""Bytes from which a map lies outside the heap, which it would leave in pieces between tiles."""
FORGET_AFTER = 16 << 20
"""Bytes read and written in a scratch map after which its pages leave the resident set."""


class StoredMap(Protocol):
    """A whole feature map (1, C, H, W) that tiles read and write."""

    def view(self, rows: Span, columns: Span) -> Tensor:
        """The window itself, (1, C, h, w), to be used before anything is written there."""

    def read(self, rows: Span, columns: Span) -> Tensor:
        """A copy of the window, (1, C, h, w) channels-last."""

    def write(self, rows: Span, columns: Span, values: Tensor) -> None:
        """Put `values` (1, C, h, w) at the window."""


def window_of(whole: Tensor, rows: Span, columns: Span) -> Tensor:
    """The window of a map, as a view."""
    return whole[:, :, rows.start : rows.stop, columns.start : columns.stop]


class MemoryMap:
    """A map in memory: a given tensor (1, C, H, W), or a new one."""

    def __init__(self, whole: Tensor) -> None:
        self.whole = whole

    @staticmethod
    def empty(channels: int, height: int, width: int) -> MemoryMap:
        """A new float32 map with undefined contents; MemoryError where there is no room."""
        return MemoryMap.over(huge_paged(channels * height * width), channels, height, width)

    @staticmethod
    def over(block: Tensor, channels: int, height: int, width: int) -> MemoryMap:
        """The map whose values, channels last, are those of `block` (C·H·W,)."""
        return MemoryMap(block.view(1, height, width, channels).permute(0, 3, 1, 2))

    @property
    def block(self) -> Tensor:
        """The values in their order in memory, where channels are last."""
        return self.whole.permute(0, 2, 3, 1).view(-1)

    def view(self, rows: Span, columns: Span) -> Tensor:
        return window_of(self.whole, rows, columns)

    def read(self, rows: Span, columns: Span) -> Tensor:
        return self.view(rows, columns).clone(memory_format=torch.channels_last)

    def write(self, rows: Span, columns: Span, values: Tensor) -> None:
        window_of(self.whole, rows, columns).copy_(values)


def huge_paged(values: int) -> Tensor:
    """New float32 values; many of them in huge pages of their own where Linux has such.

    A window's rows lie far apart: in small pages each would be a place to look up. Not from the
    heap, which could not give the map back while anything behind it is in use; small ones are, as
    the heap is kept for the next photo.
    """
    size = values * FLOAT
    if size < SMALLEST_MAPPED or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(values)
    try:
        # In whole huge pages, or the kernel would not put it where they begin.
        whole = -(-size // HUGE_PAGE) * HUGE_PAGE
        mapping = mmap.mmap(-1, whole, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"no room for a map of {size >> 20} MiB") from error
    with suppress(OSError):  # a kernel may be built without them
        mapping.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(mapping, dtype=torch.float32, count=values)


def give_pages_back(values: Tensor, kept: int) -> bool:
    """Give the memory of `huge_paged` values back but for the first `kept` bytes; False if in vain.

    `kept` is in whole huge pages. What was given back reads as zeros, and takes memory again once
    it is written.
    """
    if not hasattr(mmap, "MADV_DONTNEED") or values.data_ptr() % mmap.PAGESIZE:
        return False
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    # The mapping goes on to the end of the last page, and nothing else lies there.
    rest = values.nbytes - kept
    return bool(madvise(values.data_ptr() + kept, rest, mmap.MADV_DONTNEED) == 0)


class ScratchMap(MemoryMap):
    """A map in an unnamed temporary file, gone when closed or when the process ends.

    Its space is reserved at the start, so that a full disk is an error here and not a fault later.
    """

    def __init__(
        self, channels: int, height: int, width: int, dtype: torch.dtype = torch.float32
    ) -> None:
        size = channels * height * width * dtype.itemsize
        with tempfile.TemporaryFile(prefix="dinplug-") as file:
            try:
                reserve(file.fileno(), size)
            except OSError as error:
                raise SetupError(
                    f"no room for a scratch file of {size / 2**30:.1f} GiB in "
                    f"{tempfile.gettempdir()} ({error.strerror}): free some, point TMPDIR to "
                    "another disk, or raise --max-memory"
                ) from error
            self.mapping = mmap.mmap(file.fileno(), size)
        flat = torch.frombuffer(self.mapping, dtype=dtype)
        super().__init__(flat.view(1, height, width, channels).permute(0, 3, 1, 2))
        self.touched = 0

    def view(self, rows: Span, columns: Span) -> Tensor:
        window = super().view(rows, columns)
        self.forget(window.nbytes)
        return window

    def write(self, rows: Span, columns: Span, values: Tensor) -> None:
        super().write(rows, columns, values)
        self.forget(values.nbytes)

    def forget(self, size: int) -> None:
        """Count `size` bytes, and give the map's pages back to the system's cache now and then."""
        self.touched += size
        if self.touched > FORGET_AFTER and hasattr(mmap, "MADV_DONTNEED"):
            self.touched = 0
            self.mapping.madvise(mmap.MADV_DONTNEED)


def reserve(descriptor: int, size: int) -> None:
    """Give the file its full size on disk, or raise OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)
