"""What the GPU benchmark measures with: a clock on the device, sizes, and rows of a table."""

from __future__ import annotations

import gc
import math
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import dinplug

WARM_UP, REPEATS = 2, 5


@dataclass(frozen=True)
class Sizes:
    """How large everything is: maps of `channels` and pictures in pixels, `side` of a product."""

    map_side: int = 4096
    channels: int = 64
    copy_values: int = 1 << 30
    product_side: int = 8192
    small: tuple[int, int] = (1024, 1024)
    large: tuple[int, int] = (4000, 6000)
    models: tuple[str, ...] = ("din-derain", "imdn-x2", "msfin-x4")
    dehaze_model: str = "din-dehaze"
    precision_side: int = 256


TINY = Sizes(6, 8, 1 << 10, 16, (24, 24), (24, 32), ("imdn-x2",), "din-dehaze-small", 24)
"""For trying the benchmark out where there is no GPU."""


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, the figure, and the target it has to reach."""

    name: str
    figure: float
    unit: str
    target: float | None = None
    is_upper: bool = False

    def __str__(self) -> str:
        line = f"{self.name:<58} {self.figure:>10.3f} {self.unit:<7}"
        if self.target is None:
            return line.rstrip()
        reached = self.figure <= self.target if self.is_upper else self.figure >= self.target
        sign = "at most" if self.is_upper else "at least"
        return f"{line} {sign} {self.target:g}: {'reached' if reached else 'MISSED'}"


class Meter:
    """Seconds and peak bytes of work on the GPU; dry, work is done once and takes one second."""

    def __init__(self, *, is_dry: bool) -> None:
        self.is_dry = is_dry
        self.device = torch.device("cpu" if is_dry else "cuda")
        self.dtype = torch.float32 if is_dry else torch.float16

    def seconds(self, work: Callable[[], object], repeats: int = REPEATS) -> float:
        """The median time of `work` after a warm-up, by events on the device.

        Infinite where the device has not the memory for it.
        """
        if self.is_dry:
            work()
            return 1.0
        try:
            for _ in range(min(WARM_UP, repeats)):
                work()
            times = [self._timed(work) for _ in range(repeats)]
        except torch.OutOfMemoryError:
            return math.inf
        return statistics.median(times)

    @staticmethod
    def _timed(work: Callable[[], object]) -> float:
        """Seconds from the device's last work before to its last work after."""
        event: Callable[..., Any] = torch.cuda.Event
        start, end = (event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1000

    def peak_bytes(self, work: Callable[[], object]) -> int:
        """The most device memory in use at once during `work`."""
        if self.is_dry:
            work()
            return 0
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_reserved()

    def compiled(self, function: Callable[..., object]) -> Callable[..., object]:
        """`function` by torch.compile; dry, the function itself."""
        if self.is_dry:
            return function
        torch.compiler.reset()
        return torch.compile(function, dynamic=False)


def heading(meter: Meter) -> str:
    """Commit, versions and device, for the head of the table."""
    root = Path(__file__).resolve().parents[1]
    commit = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "--short", "HEAD"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    device = "dry run on the CPU, no figure means anything"
    if not meter.is_dry:
        device = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return (
        f"dinplug {dinplug.__version__}, commit {commit or 'unknown'}, "
        f"torch {torch.__version__}, {device}"
    )
