"""What every source of training pairs is held to."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dinplug.training.pairs.numbered import NumberedPairs

F32 = NDArray[np.float32]

SHIFTS = [(dy, dx) for dy in (-3, 0, 3) for dx in (-3, 0, 3) if (dy, dx) != (0, 0)]


def check_shape_and_range(pairs: NumberedPairs, degraded: int, clean: int, count: int = 25) -> None:
    """Hold pairs to square RGB of the given sides, float32, in 0..1."""
    for number in range(count):
        for picture, side in zip(pairs.pair(number), (degraded, clean), strict=True):
            assert picture.shape == (side, side, 3)
            assert picture.dtype == np.float32
            assert 0 <= picture.min() <= picture.max() <= 1


def check_numbering(seeded: Callable[[int], NumberedPairs]) -> None:
    """Hold pairs to be the same for one number and seed, in any order, and others for others."""
    pairs = seeded(5)
    seventh = pairs.pair(7)
    eighth = pairs.pair(8)
    for again in (pairs.pair(7), seeded(5).pair(7)):
        for one, other in zip(seventh, again, strict=True):
            assert np.array_equal(one, other)
    for other_pair in (eighth, seeded(6).pair(7)):
        for one, other in zip(seventh, other_pair, strict=True):
            assert not np.array_equal(one, other)


def check_alignment(pairs: NumberedPairs, count: int = 30) -> None:
    """Hold both sides to lie on each other: they correlate less where one is moved.

    On average, because one blur or one streak may look like a shift.
    """
    at_rest = np.mean([correlation(*pairs.pair(number), (0, 0)) for number in range(count)])
    for shift in SHIFTS:
        moved = [correlation(*pairs.pair(number), shift) for number in range(count)]
        assert np.mean(moved) < at_rest, shift


def correlation(degraded: F32, clean: F32, shift: tuple[int, int]) -> float:
    """How alike the middles are, -1..1, where the degraded one is moved by (rows, columns)."""
    inner = (slice(4, -4), slice(4, -4))
    moved = np.roll(degraded, shift, axis=(0, 1))[inner]
    return float(np.corrcoef(moved.ravel(), clean[inner].ravel())[0, 1])


def psnr(one: F32, other: F32) -> float:
    """The likeness of two pictures in 0..1, in dB."""
    return float(-10 * np.log10(max(float(np.square(one - other).mean()), 1e-12)))
