"""Keep glibc from giving a tile's memory back to the system only to ask for it again.

By default a block of some hundred KiB is mapped anew for every feature map of every tile, and each
of its pages is cleared and faulted in again: up to half of a run's time.
"""

from __future__ import annotations

import ctypes
import functools
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
"""Names of the settings, from glibc's malloc.h."""
LARGEST_KEPT = 32 << 20
"""The most that glibc takes. A tile's maps are smaller; whole feature maps are given back."""
KEPT = 512 << 20
"""Bytes at the end of the heap that may lie free."""


@functools.cache
def keep_freed_memory() -> bool:
    """Set glibc's allocator for this process, and say whether there is one."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((MMAP_THRESHOLD, LARGEST_KEPT), (TRIM_THRESHOLD, KEPT), (ARENA_MAX, 1))
    taken = [mallopt(name, value) for name, value in settings]
    return all(taken)
