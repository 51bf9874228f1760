"""Freed memory is kept, in huge pages: a tile's maps do not fault in anew for the next tile."""

import mmap
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dinplug.inference.allocator import AMPLE

PROGRAM = """
import resource
import sys
import torch
from dinplug.inference import allocator

room, then = int(sys.argv[1]), sys.argv[2]
if room:
    limit = 1 << 50
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    taken = limit - allocator.room_under_limit()
    resource.setrlimit(resource.RLIMIT_DATA, (taken + room, limit))
kept = allocator.keep_freed_memory()
if then == "short":
    allocator.give_freed_memory_back()

def tiles():
    for _ in range(20):
        torch.full((4 << 20,), 1.0)  # 16 MiB: 4096 pages

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tiles()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

for _ in range(5):
    faults()
print(int(kept), faults())
"""
PAGES = 20 * 4096
UNLIMITED, ENOUGH = 0, AMPLE + (16 << 20)  # what the program itself takes meanwhile


def outcome(room: int, then: str = "") -> tuple[bool, int]:
    """Whether memory is kept, and page faults of twenty tiles once the heap has grown.

    In a process that may take `room` more bytes, and memory of which then ran `short`, or not.
    """
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(room), then],
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = result.stdout.split()
    return kept == "1", int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator only")
@pytest.mark.parametrize(("room", "then"), [(UNLIMITED, ""), (UNLIMITED, "short"), (ENOUGH, "")])
def test_freed_memory_is_kept(room: int, then: str) -> None:
    kept, faults = outcome(room, then)
    assert kept
    assert faults < PAGES / 20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator only")
@pytest.mark.parametrize(("room", "then"), [(AMPLE - 1, ""), (ENOUGH, "short")])
def test_under_a_tight_limit_or_once_memory_ran_short_it_is_given_back(
    room: int, then: str
) -> None:
    kept, faults = outcome(room, then)
    assert kept == (then == "short")  # until then
    assert faults >= PAGES


ASKING = """
from pathlib import Path
from dinplug.inference.allocator import keep_freed_memory
keep_freed_memory()
print(Path("/proc/self/smaps").read_text())
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not hasattr(mmap, "MADV_HUGEPAGE"),
    reason="huge pages of Linux, by glibc's allocator",
)
def test_the_heap_asks_for_huge_pages_and_takes_none_yet() -> None:
    result = subprocess.run(
        [sys.executable, "-c", ASKING], capture_output=True, text=True, check=True
    )
    heap = re.split(r"\n(?=[0-9a-f]+-)", result.stdout.split("[heap]\n")[1])[0]
    sizes = {name: int(kib) >> 10 for name, kib in re.findall(r"^(\w+): +(\d+) kB", heap, re.M)}
    flags = re.search(r"^VmFlags:.*$", heap, re.M)
    if flags is None or not Path("/sys/kernel/mm/transparent_hugepage").exists():
        pytest.skip("this kernel is built without huge pages")
    assert " hg" in flags[0]
    assert sizes["Size"] >= 500 and sizes["Rss"] < 250
