"""How a layer of a scene moves past a camera that shifts, rolls, approaches and turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dinplug.training.degradations.shake import PathKind, sample_trajectory

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Flow:
    """Where a flat layer is in each frame of an exposure; in the middle frame it is at rest.

    To first order in the turn of the camera (Longuet-Higgins and Prazdny, "The interpretation of
    a moving retinal image", 1980) a point p from the pivot moves by
    shift + [zoom, roll; -roll, zoom] p + (tilt . p) p.

    Attributes:
        shift: (frames, 2) pixels, as (row, column).
        turn: (frames, 2), zoom and roll per pixel.
        tilt: (frames, 2) per squared pixel.
        pivot: (row, column) of the point that only shifts.
    """

    shift: F32
    turn: F32
    tilt: F32
    pivot: tuple[float, float]

    def displacement(self, frame: int, row: F32, column: F32) -> tuple[F32, F32]:
        """How far what is at (row, column), of shapes that broadcast, has moved in a frame."""
        y, x = row - np.float32(self.pivot[0]), column - np.float32(self.pivot[1])
        (zoom, roll), tilt = self.turn[frame], self.tilt[frame]
        scale = zoom + tilt[0] * y + tilt[1] * x
        return (
            self.shift[frame, 0] + scale * y + roll * x,
            self.shift[frame, 1] + scale * x - roll * y,
        )

    def reach(self, height: int, width: int) -> float:
        """The farthest that a corner of a (height, width) layer goes in any frame, in pixels."""
        rows = np.array([[0], [height - 1]], np.float32)
        columns = np.array([[0, width - 1]], np.float32)
        moves = [self.displacement(f, rows, columns) for f in range(len(self.shift))]
        return max(float(np.abs(part).max()) for move in moves for part in move)

    def scaled(self, factor: float) -> Flow:
        """The same movement, `factor` times as far."""
        by = np.float32(factor)
        return Flow(self.shift * by, self.turn * by, self.tilt * by, self.pivot)


def sample_flow(
    rng: np.random.Generator,
    extent: float,
    path: PathKind,
    frames: int,
    size: tuple[int, int],
    reach: float,
) -> Flow:
    """Draw a movement of a layer.

    Args:
        rng: the source of all choices.
        extent: pixels from side to side of the shift; rolling, zooming and tilting add up to as
            much again at the border.
        path: what the movement looks like.
        frames: odd.
        size: (height, width) of the layer.
        reach: no corner goes farther, in pixels; the movement is made smaller where one would.
    """
    side = max(size)
    turning = extent * rng.uniform(0, 0.7) / side
    tilting = extent * rng.uniform(0, 0.3) / side**2
    flow = Flow(
        _at_rest(sample_trajectory(rng, extent, path), frames),
        _at_rest(sample_trajectory(rng, turning, path), frames),
        _at_rest(sample_trajectory(rng, tilting, path), frames),
        (size[0] * rng.uniform(0.1, 0.9), size[1] * rng.uniform(0.1, 0.9)),
    )
    farthest = flow.reach(*size)
    return flow if farthest <= reach else flow.scaled(reach / farthest)


def move(layer: F32, flow: Flow, margin: int) -> Iterator[F32]:
    """Yield, frame by frame, the inside of a layer that moves.

    Bicubic, because each frame of a video is as sharp as the middle one. By torch, whose sampling
    takes a millisecond for 256 x 256 pixels where numpy's indexing takes several.

    Args:
        layer: (C, H + 2 margin, W + 2 margin).
        flow: its movement.
        margin: pixels on each side that the frames lack.

    Returns:
        Frames (C, H, W).
    """
    height, width = layer.shape[1:]
    planes = torch.from_numpy(np.ascontiguousarray(layer))[None]
    rows = np.arange(margin, height - margin, dtype=np.float32)[:, None]
    columns = np.arange(margin, width - margin, dtype=np.float32)[None]
    grid = np.empty((1, rows.size, columns.size, 2), np.float32)
    for frame in range(len(flow.shift)):
        down, right = flow.displacement(frame, rows, columns)
        # What moves by a step is found that step back; grid_sample counts (x, y) from -1 to 1.
        grid[0, ..., 0] = (columns - right) * np.float32(2 / (width - 1)) - 1
        grid[0, ..., 1] = (rows - down) * np.float32(2 / (height - 1)) - 1
        sampled = torch.nn.functional.grid_sample(
            planes,
            torch.from_numpy(grid),
            mode="bicubic",
            padding_mode="border",
            align_corners=True,
        )
        yield np.asarray(sampled[0].numpy(), np.float32)


def _at_rest(path: F32, frames: int) -> F32:
    """Take `frames` moments of a path, equally far apart, with the middle one at the origin."""
    moments = path[np.linspace(0, len(path) - 1, frames).round().astype(np.intp)]
    return np.asarray(moments - moments[frames // 2], np.float32)
