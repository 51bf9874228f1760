"""Choose between ways of doing the same work by timing them on the device, once for each case."""

import logging
import math
import statistics
import threading
from collections.abc import Callable, Hashable, Mapping

import torch

LOG = logging.getLogger(__name__)
REPEATS = 5
"""Timed runs of each way; the median counts."""
CHOSEN: dict[Hashable, str] = {}
"""The fastest way of every case measured in this process."""
_LOCK = threading.Lock()


def size_class(count: int) -> int:
    """The power of two nearest to `count`: sizes of one class share a choice."""
    return round(math.log2(max(count, 1)))


def fastest(case: Hashable, ways: Mapping[str, Callable[[], object]], fallback: str) -> str:
    """The name of the fastest of `ways` in this `case`, measured on the current CUDA stream.

    Each way must be repeatable. While a CUDA graph is captured nothing can be timed: a case not
    yet known is `fallback` then.
    """
    with _LOCK:
        if case in CHOSEN:
            return CHOSEN[case]
        if torch.cuda.is_current_stream_capturing():
            return fallback
        times = {name: milliseconds(way) for name, way in ways.items()}
        CHOSEN[case] = min(times, key=times.__getitem__)
        table = ", ".join(f"{name} {time:.3f} ms" for name, time in times.items())
        LOG.info("%s: %s of %s", case, CHOSEN[case], table)
        return CHOSEN[case]


def milliseconds(way: Callable[[], object]) -> float:
    """The median time of `way` on the device; its first run, which may compile, is not counted."""
    way()
    times: list[float] = []
    for _ in range(REPEATS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        way()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)
