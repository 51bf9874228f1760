"""Memory of feature maps that are done with, kept for the next ones and for the next photo.

The system clears new memory, which takes 3 to 6 % of a network's time: photos of one size, one
after the other, are spared it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from torch import Tensor

from dinplug.inference.store import HUGE_PAGE, SMALLEST_MAPPED, give_pages_back, huge_paged

KEPT_BETWEEN_PHOTOS = 1 << 30
"""The most bytes kept when a run is over."""


@dataclass(eq=False)
class KeptBlock:
    """A block of which only the first `resident` bytes take memory."""

    values: Tensor
    resident: int


class KeptMaps:
    """Blocks of float32 values, handed out for maps of exactly their size.

    Several threads may use it.
    """

    def __init__(self) -> None:
        self._free: list[KeptBlock] = []
        self._lock = threading.Lock()

    def take(self, values: int) -> Tensor | None:
        """A kept block of so many values (their contents undefined), or None."""
        with self._lock:
            fitting = [block for block in self._free if len(block.values) == values]
            if not fitting:
                return None
            best = max(fitting, key=lambda block: block.resident)
            self._free.remove(best)
            return best.values

    def new(self, values: int) -> Tensor:
        """A new block of so many values; MemoryError where not even all kept ones make room."""
        try:
            return huge_paged(values)
        except (MemoryError, RuntimeError):
            self.keep_at_most(0)
            return huge_paged(values)

    def give(self, values: Tensor) -> None:
        """Keep a block that nothing uses any more; the heap keeps small ones by itself."""
        if values.nbytes >= SMALLEST_MAPPED:
            with self._lock:
                self._free.append(KeptBlock(values, values.nbytes))

    def keep_at_most(self, size: int) -> None:
        """Give memory back to the system, that of the oldest blocks first, down to `size` bytes."""
        with self._lock:
            excess = sum(block.resident for block in self._free) - size
            while excess > 0:
                block = self._free[0]
                kept = (block.resident - excess) // HUGE_PAGE * HUGE_PAGE
                if kept > 0 and give_pages_back(block.values, kept):
                    block.resident = kept
                    return
                excess -= block.resident
                del self._free[0]
