"""Windows that shrink: convolutions without padding where a window has context on both sides.

A chain of convolutions over a tile and its halo spoils one more ring of pixels at every layer where
it pads. Without padding it never computes them: half of a halo's work is spared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

Sides = tuple[int, int]
"""Of rows and of columns."""
Ends = tuple[bool, bool]
"""Whether the first and the last end of a side shrink."""

NEITHER: Ends = (False, False)
_SHRINKING: ContextVar[tuple[Ends, Ends]] = ContextVar("shrinking", default=(NEITHER, NEITHER))


@contextmanager
def shrinking(rows: Ends, columns: Ends) -> Iterator[None]:
    """Within the context, layers leave out their padding at these ends of rows and columns."""
    token = _SHRINKING.set((rows, columns))
    try:
        yield
    finally:
        _SHRINKING.reset(token)


def shrinks() -> tuple[Ends, Ends]:
    """Which ends of rows and columns shrink here and now; compilers cannot look at contexts."""
    return (NEITHER, NEITHER) if torch.compiler.is_compiling() else _SHRINKING.get()


def kept_padding(padding: Sides) -> tuple[Sides, Sides]:
    """What a layer of this `padding` pads here and now: before rows and columns, and after them."""
    rows, columns = (
        [0 if end else pixels for end in ends]
        for ends, pixels in zip(shrinks(), padding, strict=True)
    )
    return (rows[0], columns[0]), (rows[1], columns[1])


def middle(x: Tensor, window: Tensor, lost: Sides = (0, 0)) -> Tensor:
    """The part of `x` (N, C, H, W) that a map like `window` covers, as a view.

    `window` is of a later layer of the same chain; `lost` are the pixels that another layer after
    it loses at each end of rows and columns that shrinks.
    """
    for dim, ends in enumerate(shrinks()):
        if any(ends):
            size = window.shape[2 + dim] - lost[dim] * sum(ends)
            start = lost_before(x.shape[2 + dim] - size, ends)
            x = x.narrow(2 + dim, start, size)
    return x


def lost_before(lost: int, ends: Ends) -> int:
    """How many of the `lost` pixels of a side lie before its first one: ends lose alike."""
    return lost // sum(ends) if ends[0] else 0


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """Join maps of a chain along channels, as large as the last one."""
    return torch.cat([middle(part, parts[-1]) for part in parts], dim=1)
