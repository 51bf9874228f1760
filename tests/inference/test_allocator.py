"""Freed memory is kept, in huge pages: a tile's maps do not fault in anew for the next tile."""

import mmap
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import resource
import torch
from dinplug.inference.allocator import keep_freed_memory
assert keep_freed_memory()

def tiles():
    for _ in range(20):
        torch.full((4 << 20,), 1.0)  # 16 MiB: 4096 pages

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    tiles()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

for _ in range(5):
    faults()
print(faults())
"""
PAGES = 20 * 4096


def faults() -> int:
    """Page faults of twenty tiles once the heap has grown."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    return int(result.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator only")
def test_freed_memory_is_kept() -> None:
    assert faults() < PAGES / 20


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
