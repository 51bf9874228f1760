"""Hazy pairs: numbered, repeatable, in range, aligned."""

from pathlib import Path

import numpy as np
import pytest

from dinplug.training.pairs.haze import HazePairs
from dinplug.training.scenes.pool import LandscapePool
from tests.training.pairs.contract import (
    check_alignment,
    check_numbering,
    check_shape_and_range,
    psnr,
)


@pytest.fixture
def pool() -> LandscapePool:
    rng = np.random.default_rng(0)
    return LandscapePool(
        rng.uniform(0, 1, (2, 216, 324, 3)).astype(np.float32),
        rng.uniform(10, 40_000, (2, 216, 324)).astype(np.float32),
    )


def test_shape_and_range(photos: list[Path], pool: LandscapePool) -> None:
    check_shape_and_range(HazePairs(photos, 32, 5, 0.3, 0.5, pool, 0.3), 32, 32)


def test_numbering(photos: list[Path], pool: LandscapePool) -> None:
    check_numbering(lambda seed: HazePairs(photos, 32, seed, 0.3, 0.5, pool, 0.3))


def test_alignment(photos: list[Path]) -> None:
    check_alignment(HazePairs(photos, 32, 5))


def test_some_pairs_have_no_haze_and_most_have(photos: list[Path]) -> None:
    pairs = HazePairs(photos, 32, 5)
    alike = [psnr(*pairs.pair(number)) for number in range(60)]
    # What a camera adds to a clear one leaves more than 30 dB of a crop this small.
    assert any(a > 30 for a in alike)
    assert sum(a < 30 for a in alike) > 30
