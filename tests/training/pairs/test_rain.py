"""Rainy pairs: numbered, repeatable, in range, aligned."""

from pathlib import Path

from dinplug.training.pairs.rain import RainPairs
from tests.training.pairs.contract import (
    check_alignment,
    check_numbering,
    check_shape_and_range,
    psnr,
)


def test_shape_and_range(photos: list[Path]) -> None:
    check_shape_and_range(RainPairs(photos, 48, 5), 48, 48)


def test_numbering(photos: list[Path]) -> None:
    check_numbering(lambda seed: RainPairs(photos, 48, seed))


def test_alignment(photos: list[Path]) -> None:
    check_alignment(RainPairs(photos, 48, 5))


def test_some_pairs_have_no_rain_and_most_have(photos: list[Path]) -> None:
    pairs = RainPairs(photos, 48, 5)
    alike = [psnr(*pairs.pair(number)) for number in range(60)]
    assert any(a > 30 for a in alike)
    assert sum(a < 30 for a in alike) > 30
