"""Run without glibc's cache of small blocks for each thread, which leaves the heap in pieces.

A tensor's aligned block is cut out of a larger one. glibc keeps the ends it cut off in the thread's
cache and hands them out, and so the block, once it is free again, is too short by some bytes for
the next tensor of its size: a run touches two to five times the memory of what its tiles take at
once. glibc reads the setting before a program begins, so the program begins anew.
"""

import os
import sys

SETTINGS = "GLIBC_TUNABLES"
NO_CACHE = "glibc.malloc.tcache_count=0"


def restart_without_thread_cache() -> None:
    """Begin this program anew, as the same process, with glibc told to do without the cache.

    Does nothing where there is no glibc, where the user has settings of his own, and the second
    time. To be called before anything is read or opened.
    """
    if SETTINGS in os.environ or not sys.executable or not has_glibc():
        return
    try:
        os.execve(
            sys.executable,
            [sys.executable, *sys.orig_argv[1:]],
            {**os.environ, SETTINGS: NO_CACHE},
        )
    except OSError:  # forbidden here: it goes on as it is
        return


def has_glibc() -> bool:
    """Whether the C library is glibc."""
    name = "CS_GNU_LIBC_VERSION"
    return sys.platform == "linux" and name in os.confstr_names and bool(os.confstr(name))
