"""Blurred pairs: numbered, repeatable, in range, aligned."""

from pathlib import Path

import numpy as np

from dinplug.training.pairs.motion import MotionPairs
from dinplug.training.pairs.numbered import F32
from tests.training.pairs.contract import (
    check_alignment,
    check_numbering,
    check_shape_and_range,
)


def test_shape_and_range(photos: list[Path]) -> None:
    check_shape_and_range(MotionPairs(photos, 64, 5), 64, 64)


def test_numbering(photos: list[Path]) -> None:
    check_numbering(lambda seed: MotionPairs(photos, 64, seed))


def test_alignment(photos: list[Path]) -> None:
    check_alignment(MotionPairs(photos, 64, 5))


def test_unrecorded_pairs_without_movement_are_equal(photos: list[Path]) -> None:
    exact = MotionPairs(photos, 64, 5, recorded=0)
    assert sum(np.array_equal(*exact.pair(number)) for number in range(40)) >= 2


def test_small_movements_leave_more_detail(photos: list[Path]) -> None:
    def kept(largest: float) -> float:
        pairs = MotionPairs(photos, 64, 5, largest, recorded=0)
        return sum(float(np.diff(pairs.pair(n)[0], axis=0).var()) for n in range(40))

    assert kept(4) > 1.1 * kept(36)


def test_whole_movements_grow_from_short_level_ones_to_all(photos: list[Path]) -> None:
    growing = MotionPairs(photos, 64, 5, recorded=0, whole=1, growing=400)
    lost = []
    for first in (0, 400):
        both = [growing.pair(number) for number in range(first, first + 30)]
        lost.append([_lost(both, axis) for axis in (0, 1)])
    # Level movements cost differences along rows most; all movements cost both alike.
    assert lost[0][0] < 0.6 * lost[0][1]
    assert 0.8 < lost[1][0] / lost[1][1] < 1.25
    assert sum(lost[1]) > 1.25 * sum(lost[0])


def _lost(pairs: list[tuple[F32, F32]], axis: int) -> float:
    """Share of the differences between neighbours along an axis that blur has taken."""
    blurred, sharp = (sum(float(np.diff(p[k], axis=axis).var()) for p in pairs) for k in (0, 1))
    return 1 - blurred / sharp


def test_blur_takes_detail_away_and_none_leaves_it(photos: list[Path]) -> None:
    pairs = MotionPairs(photos, 64, 5)
    kept = []
    for number in range(60):
        blurred, sharp = (np.diff(side, axis=0).var() for side in pairs.pair(number))
        kept.append(float(blurred / sharp))
    # Averaging cannot sharpen; noise of a camera and JPEG may add a little.
    assert max(kept) < 1.1
    assert sum(k < 0.9 for k in kept) > 30
    assert sum(k > 0.9 for k in kept) > 3
