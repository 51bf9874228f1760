"""Measure whether tile borders show: steps across them against steps beside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinplug.inference.device_plan import DevicePlan
from dinplug.inference.plan import ExecutionPlan
from dinplug.inference.tiling import cut
from dinplug.networks.stages import StageGraph

F32Image = NDArray[np.float32]

# Steps are compared at equal places of JPEG's blocks of 8 and 16 pixels, which have steps of
# their own, and of a network's shuffles.
_PERIOD = 16
_SHIFTS = tuple(_PERIOD * count for count in (-4, -3, -2, -1, 1, 2, 3, 4))
_NEAR = 2  # pixels: what lies so close to a border is not beside it


@dataclass(frozen=True)
class SeamScore:
    """The mean step across tile borders in ratio to the mean of those beside them.

    1 means that borders are like any other place. `lowest` and `highest` are what the same grid
    reaches where it is moved to lie beside the borders; `borders` counts the lines of the grid.
    """

    score: float
    lowest: float
    highest: float
    borders: int


@dataclass(frozen=True)
class TileBorders:
    """Rows and columns of a result before which a tile begins, of any stage that needs context.

    A stage without any makes a pixel of that pixel alone, wherever its tiles begin.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @staticmethod
    def of(graph: StageGraph, plan: ExecutionPlan | DevicePlan, scale: int) -> TileBorders:
        """Return the borders of a plan, on the grid of a result `scale` times as large."""
        rows: set[int] = set()
        columns: set[int] = set()
        for stage, (high, wide) in zip(graph.stages, plan.tiles, strict=True):
            if stage.is_pointwise:
                continue
            for found, length, side in ((rows, plan.height, high), (columns, plan.width, wide)):
                own = stage.grid.size(length)
                found |= {span.start * scale * length // own for span in cut(own, side)}
        return TileBorders(tuple(sorted(rows - {0})), tuple(sorted(columns - {0})))


def seam_score(rgb: F32Image, borders: TileBorders) -> SeamScore | None:
    """Measure the seams of a picture (H, W, 3); None where nothing can be compared."""
    across = [
        (_steps(rgb.swapaxes(0, 1)), borders.columns),
        (_steps(rgb), borders.rows),
    ]
    lines = sum(len(_within(steps, places)) for steps, places in across)
    at_borders = _mean(steps[_within(steps, places)] for steps, places in across)
    beside = [
        _mean(steps[_beside(steps, places, shift)] for steps, places in across) for shift in _SHIFTS
    ]
    means = [mean for mean in beside if mean is not None]
    if at_borders is None or not means or sum(means) == 0:
        return None
    usual = sum(means) / len(means)
    return SeamScore(at_borders / usual, min(means) / usual, max(means) / usual, lines)


def _steps(rgb: F32Image) -> NDArray[np.float64]:
    """The mean absolute step from each row to the next; the first is at row 1."""
    return np.array(
        [np.abs(later - row).mean(dtype=np.float64) for row, later in itertools.pairwise(rgb)]
    )


def _within(steps: NDArray[np.float64], places: tuple[int, ...]) -> list[int]:
    """Indexes of the steps before `places`."""
    return [place - 1 for place in places if 1 <= place <= len(steps)]


def _beside(steps: NDArray[np.float64], places: tuple[int, ...], shift: int) -> list[int]:
    near = {place + distance for place in places for distance in range(-_NEAR, _NEAR + 1)}
    moved = tuple(place + shift for place in places)
    return _within(steps, tuple(place for place in moved if place not in near))


def _mean(parts: Iterator[NDArray[np.float64]]) -> float | None:
    steps = np.concatenate(list(parts))
    return float(steps.mean()) if steps.size else None
