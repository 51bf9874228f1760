"""Pairs for any factor: made small, enlarged again, and only for networks that take them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinplug.training.pairs.reduced import EnlargedPairs
from dinplug.training.recipe import EnlargedData, recipe_from

BASE: dict[str, Any] = {"task": "sr", "crop": 32, "batch": 1, "steps": 1, "rate": 1e-3}
ADAPTIVE = {"family": "imdn", "adaptive": True, "scale": 1}


def pairs_of_ramp(folder: Path, largest: float) -> EnlargedPairs:
    """Pairs of one photo that rises evenly along both sides, by a level a pixel."""
    rows, columns = np.mgrid[0:120, 0:120]
    ramp = np.stack([rows + columns, rows + 50, columns + 60], axis=2).astype(np.uint8)
    file = folder / "ramp.png"
    Image.fromarray(ramp).save(file)
    return EnlargedPairs([file], 24, 3, largest)


def test_both_pictures_have_one_size_and_range(tmp_path: Path) -> None:
    pairs = pairs_of_ramp(tmp_path, 3.5)
    for number in range(12):
        for picture in pairs.pair(number):
            assert picture.shape == (24, 24, 3)
            assert picture.dtype == np.float32
            assert 0 <= picture.min() <= picture.max() <= 1


def test_an_even_ramp_comes_back_where_it_was(tmp_path: Path) -> None:
    # Bicubic interpolation reproduces a ramp exactly; what remains is 8-bit rounding, up to half
    # a level of each sample, which weights of at most 1.25 in absolute sum a side can enlarge, and
    # a side that is not `shorter` times the factor exactly, which both ways share.
    pairs = pairs_of_ramp(tmp_path, 4.0)
    for number in range(12):
        enlarged, clean = pairs.pair(number)
        assert np.abs(enlarged - clean).max() <= 0.5 * 1.25**2 / 255 + 1e-6


def test_details_are_lost(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = tmp_path / "noise.png"
    Image.fromarray(rng.integers(0, 256, (120, 120, 3), np.uint8)).save(file)
    pairs = EnlargedPairs([file], 24, 3, 4.0)
    losses = [float(enlarged.std() / clean.std()) for enlarged, clean in map(pairs.pair, range(8))]
    assert max(losses) < 1
    assert len(set(losses)) == 8  # a factor of its own for each pair


def test_only_networks_of_any_factor_take_them() -> None:
    enlarged = {"kind": "enlarged", "largest": 3.0}
    recipe = recipe_from(BASE | {"network": ADAPTIVE, "data": enlarged})
    assert recipe.data == EnlargedData(3.0)
    with pytest.raises(ValueError, match="any factor"):
        recipe_from(BASE | {"network": {"family": "imdn", "scale": 2}, "data": enlarged})
    with pytest.raises(ValueError, match="enlarges"):
        recipe_from(BASE | {"network": ADAPTIVE, "data": {"kind": "reduced"}})
    with pytest.raises(ValueError, match="crop"):
        recipe_from(BASE | {"network": ADAPTIVE, "data": enlarged, "crop": 30})


@pytest.mark.parametrize("largest", [1.0, 9.0, float("nan")])
def test_impossible_factors_are_refused(largest: float) -> None:
    with pytest.raises(ValueError, match="factor"):
        EnlargedData(largest)
