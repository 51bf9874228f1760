"""Windows that shrink: convolutions without padding where a window has context on both sides.

A chain of convolutions over a tile and its halo spoils one more ring of pixels at every layer where
it pads. Without padding it never computes them: half of a halo's work is spared. Convolutions pad
alike at both ends of a side: where a window has context at one end and the picture's border at the
other they pad, and what they spoiled is left out where maps are concatenated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

Sides = tuple[int, int]
"""Of rows and of columns."""
Context = tuple[bool, bool]
"""Whether a window has context before its first row or column, and after its last."""

NONE: Context = (False, False)
BOTH: Context = (True, True)

_SHRINKING: ContextVar[tuple[Context, Context]] = ContextVar("shrinking", default=(NONE, NONE))


@contextmanager
def shrinking(rows: Context, columns: Context) -> Iterator[None]:
    """Within the context, layers leave out what they would spoil at the ends that are true."""
    token = _SHRINKING.set((rows, columns))
    try:
        yield
    finally:
        _SHRINKING.reset(token)


def context() -> tuple[Context, Context]:
    """Where rows and columns shrink here and now; compilers cannot look at contexts."""
    return (NONE, NONE) if torch.compiler.is_compiling() else _SHRINKING.get()


def kept_padding(padding: Sides) -> Sides:
    """What a layer of this `padding` pads here and now."""
    rows, columns = context()
    return (0 if rows == BOTH else padding[0], 0 if columns == BOTH else padding[1])


def fitted(x: Tensor, window: Tensor, lost: Sides = (0, 0)) -> Tensor:
    """The part of `x` (N, C, H, W) that a map like `window` covers, as a view.

    `window` is of a later layer of the same chain; `lost` are the pixels that another layer after
    it loses at each end of rows and columns, where they shrink.
    """
    for dim, ends in enumerate(context(), start=2):
        if ends != NONE:
            size = window.shape[dim] - (2 * lost[dim - 2] if ends == BOTH else 0)
            x = x.narrow(dim, lost_before(ends, x.shape[dim] - size), size)
    return x


def lost_before(ends: Context, lost: int) -> int:
    """How many of a side's `lost` pixels lie before its first, given at which ends it shrank."""
    return lost // 2 if ends == BOTH else lost if ends[0] else 0


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """Join maps of a chain along channels, as large as what the last one's layer did not spoil.

    That is a convolution of three pixels.
    """
    last = parts[-1]
    if len(parts) == 1:
        return last
    for dim, (before, after) in enumerate(context(), start=2):
        if before != after:
            last = last.narrow(dim, int(before), last.shape[dim] - 1)
    return torch.cat([fitted(part, last) for part in parts], dim=1)
