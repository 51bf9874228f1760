"""Small pictures and the large ones they were made from: repeatable, in range, aligned."""

from pathlib import Path

import numpy as np
import pytest

from dinplug.errors import UsageError
from dinplug.training.degradations.reduction import (
    NOISE_LEVEL,
    Reduction,
    reduce_bicubic,
    reduce_blurred,
)
from dinplug.training.pairs.reduced import ReducedPairs
from tests.training.pairs.contract import check_numbering, check_shape_and_range

INNER = (slice(4, -4), slice(4, -4))
"""Small pixels whose kernels see nothing beyond the clean crop: none looks farther than 4."""
METHODS: list[Reduction] = ["bicubic", "blur", "noise"]


@pytest.mark.parametrize("method", METHODS)
def test_shape_and_range(photos: list[Path], method: Reduction) -> None:
    check_shape_and_range(ReducedPairs(photos, 16, 3, 5, method), 16, 48)


@pytest.mark.parametrize("method", METHODS)
def test_numbering(photos: list[Path], method: Reduction) -> None:
    check_numbering(lambda seed: ReducedPairs(photos, 16, 2, seed, method))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_clean_crop_made_small_is_the_small_one(photos: list[Path], scale: int) -> None:
    pairs = ReducedPairs(photos, 16, scale, 5)
    rounded = 0
    for number in range(20):
        small, clean = pairs.pair(number)
        off = np.abs(reduce_bicubic(clean, scale) - small)[INNER].max()
        # Half of them are rounded to 8 bit; otherwise only float32 itself rounds.
        assert off <= 0.5 / 255 + 1e-6
        rounded += bool(off > 1e-5)
    assert 0 < rounded < 20


def test_the_blurred_one_too(photos: list[Path]) -> None:
    pairs = ReducedPairs(photos, 16, 3, 5, "blur")
    for number in range(10):
        small, clean = pairs.pair(number)
        assert np.array_equal(reduce_blurred(clean, 3)[INNER], small[INNER])


def test_the_noisy_one_but_for_its_noise(photos: list[Path]) -> None:
    small, clean = ReducedPairs(photos, 40, 3, 5, "noise").pair(1)
    before = reduce_bicubic(clean, 3)
    # Away from black and white, where noise is cut off at less than 2.5 deviations.
    safe = (np.abs(before - 0.5) < 0.5 - 2.5 * NOISE_LEVEL)[INNER]
    noise = (small - before)[INNER][safe]
    # The deviation's standard error is 1 / sqrt(2 n); cutting off takes 1 % at the most.
    assert noise.size > 300
    assert abs(noise.std() / NOISE_LEVEL - 1) < 5 / np.sqrt(2 * noise.size) + 0.01


def test_photos_smaller_than_a_crop_are_refused(photos: list[Path]) -> None:
    with pytest.raises(UsageError, match="smaller crop"):
        ReducedPairs(photos, 96, 4, 5).pair(0)
