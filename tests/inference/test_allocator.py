"""Freed memory is kept: a tile's maps do not fault in anew for the next tile."""

import platform
import subprocess
import sys

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
