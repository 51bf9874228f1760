"""Keep glibc from giving a tile's memory back to the system only to ask for it again.

By default a block of some hundred KiB is mapped anew for every feature map of every tile, and each
of its pages is cleared and faulted in again: up to half of a run's time. What is kept lies in huge
pages, where Linux has them for those who ask: a tile's maps take thousands of small pages, more
than a processor knows the places of, which costs a tenth of a run. Under a tight limit on what the
process may have (`ulimit -v`, `ulimit -d`), and once memory ran short under a wider one, it is the
other way round: what lies free between blocks in use counts as well, until nothing else gets any,
and so all larger blocks are mapped one by one. Under a tight limit oneDNN, too, keeps the code of
fewer convolutions: each shape of a tile has its own.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import re
import sys
from pathlib import Path

from dinplug.thread_cache import has_glibc

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, ARENA_MAX = -1, -2, -3, -8
"""Names of the settings, from glibc's malloc.h."""
LARGEST_KEPT = 32 << 20
"""The most that glibc takes. A tile's maps are smaller; whole feature maps are given back."""
KEPT = 512 << 20
"""Bytes at the end of the heap that may lie free."""
AMPLE = 3 * KEPT
"""Bytes left under a limit from which on the heap may lie free all the same."""
DEFAULT = 128 << 10
"""What glibc has for both to begin with, and asks for beyond a need."""
CONVOLUTIONS_KEPT = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
"""Instead of 1024, which were seen to take more than 100 MiB. Read at the first convolution."""
RESERVE = 64 << 20
"""Bytes under a limit for what no plan counts: code of convolutions, stacks of threads, Python."""


@functools.cache
def keep_freed_memory() -> bool:
    """Set glibc's allocator for this process; say whether what is freed is kept."""
    if not has_glibc():
        return False
    room = room_under_limit()
    if room is not None and room < AMPLE:
        os.environ.setdefault(*CONVOLUTIONS_KEPT)
        map_blocks_one_by_one()
        return False
    taken = set_allocator({MMAP_THRESHOLD: LARGEST_KEPT, TRIM_THRESHOLD: KEPT, ARENA_MAX: 1})
    if taken:
        ask_for_huge_pages()
    return taken


def map_blocks_one_by_one() -> None:
    """Let the system have what is freed at once, as it counts under a limit."""
    set_allocator({MMAP_THRESHOLD: DEFAULT, TRIM_THRESHOLD: DEFAULT, ARENA_MAX: 1})


def set_allocator(settings: dict[int, int]) -> bool:
    """Change settings of glibc's malloc; say whether it took them all."""
    mallopt = ctypes.CDLL(None).mallopt
    taken = [mallopt(name, value) for name, value in settings.items()]
    return all(taken)


def ask_for_huge_pages() -> None:
    """Let the heap grow to what is kept, untouched, and ask for huge pages there.

    Where the system has none nothing changes.
    """
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    # More than is free lets the heap grow, and by so much more.
    libc.mallopt(TOP_PAD, KEPT - LARGEST_KEPT)
    block = libc.malloc(LARGEST_KEPT - DEFAULT)
    libc.mallopt(TOP_PAD, DEFAULT)
    maps = Path("/proc/self/maps").read_text("utf-8", "replace")
    for first, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) .*\[heap\]$", maps, re.MULTILINE):
        start = int(first, 16)
        libc.madvise(start, int(end, 16) - start, mmap.MADV_HUGEPAGE)
    libc.free(block)


def room_under_limit() -> int | None:
    """Bytes that this process may still take under a limit on its address space or its data.

    Less a reserve: where nothing at all is left Python itself stops, and may never say so. None
    where there is no limit.
    """
    if not sys.platform.startswith("linux"):
        return None
    import resource

    status = Path("/proc/self/status").read_text("ascii", "replace")
    rooms = []
    for number, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        limit, _ = resource.getrlimit(number)
        taken = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        if limit != resource.RLIM_INFINITY and taken:
            rooms.append(limit - (int(taken[1]) << 10) - RESERVE)
    return max(0, min(rooms)) if rooms else None


def give_freed_memory_back() -> None:
    """Give what lies free in glibc's heap to the system; under a limit, from now on at once."""
    if not has_glibc():
        return
    if room_under_limit() is not None:
        map_blocks_one_by_one()
    ctypes.CDLL(None).malloc_trim(0)
