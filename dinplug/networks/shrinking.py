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

_SHRINKING: ContextVar[tuple[bool, bool]] = ContextVar("shrinking", default=(False, False))


@contextmanager
def shrinking(rows: bool, columns: bool) -> Iterator[None]:
    """Within the context, layers leave out their padding of rows, of columns, or of both."""
    token = _SHRINKING.set((rows, columns))
    try:
        yield
    finally:
        _SHRINKING.reset(token)


def shrinks() -> tuple[bool, bool]:
    """Whether rows and columns shrink here and now; compilers cannot look at contexts."""
    return (False, False) if torch.compiler.is_compiling() else _SHRINKING.get()


def kept_padding(padding: Sides) -> Sides:
    """What a layer of this `padding` pads here and now."""
    rows, columns = shrinks()
    return (0 if rows else padding[0], 0 if columns else padding[1])


def middle(x: Tensor, window: Tensor, lost: Sides = (0, 0)) -> Tensor:
    """The middle of `x` (N, C, H, W) that a map like `window` covers, as a view.

    `window` is of a later layer of the same chain; `lost` are the pixels that another layer after
    it loses at each end of rows and columns, where they shrink.
    """
    for dim, side_shrinks in enumerate(shrinks()):
        if side_shrinks:
            size = window.shape[2 + dim] - 2 * lost[dim]
            x = x.narrow(2 + dim, (x.shape[2 + dim] - size) // 2, size)
    return x


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """Join maps of a chain along channels, as large as the last one."""
    if len(parts) == 1:
        return parts[0]
    return torch.cat([middle(part, parts[-1]) for part in parts], dim=1)
