"""Smooth random fields that depth, haze and scenes are made with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def smooth_field(rng: np.random.Generator, height: int, width: int, cells: int) -> F32:
    """A smooth random field (H, W) in 0..1: random values on a coarse grid, cosine-interpolated.

    Args:
        rng: the source of the values.
        height: pixels.
        width: pixels.
        cells: grid cells along the longer side, >= 1.
    """
    longer = max(height, width)
    rows, columns = (max(1, round(cells * s / longer)) for s in (height, width))
    grid = rng.uniform(0, 1, (rows + 1, columns + 1)).astype(np.float32)
    y0, fy = _grid_position(height, rows)
    x0, fx = _grid_position(width, columns)
    top = grid[y0][:, x0] * (1 - fx) + grid[y0][:, x0 + 1] * fx
    bottom = grid[y0 + 1][:, x0] * (1 - fx) + grid[y0 + 1][:, x0 + 1] * fx
    return (top * (1 - fy[:, None]) + bottom * fy[:, None]).astype(np.float32)


def _grid_position(size: int, cells: int) -> tuple[NDArray[np.intp], F32]:
    """Cell index of each pixel and its eased position inside the cell."""
    position = (np.arange(size, dtype=np.float32) + 0.5) * cells / size
    index = np.minimum(position.astype(np.intp), cells - 1)
    fraction = position - index
    return index, ((1 - np.cos(np.pi * fraction)) / 2).astype(np.float32)
