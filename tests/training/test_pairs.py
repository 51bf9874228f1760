"""Training pairs: numbered, repeatable, in range."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dinplug.training.pairs import HazePairs
from dinplug.training.scenes.pool import LandscapePool
from dinplug.training.validation import psnr, validate


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"{n}.png" for n in range(3)]
    for number, file in enumerate(files):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(file)
    return files


@pytest.fixture
def pairs(photos: list[Path]) -> HazePairs:
    rng = np.random.default_rng(0)
    pool = LandscapePool(
        rng.uniform(0, 1, (2, 216, 324, 3)).astype(np.float32),
        rng.uniform(10, 40_000, (2, 216, 324)).astype(np.float32),
    )
    return HazePairs(photos, 32, 5, 0.3, 0.5, pool, 0.3)


def test_pairs_are_in_range(pairs: HazePairs) -> None:
    for number in range(25):
        for side in pairs.pair(number):
            assert side.shape == (32, 32, 3)
            assert side.dtype == np.float32
            assert 0 <= side.min() <= side.max() <= 1


def test_pairs_differ_by_number_and_seed_only(pairs: HazePairs, photos: list[Path]) -> None:
    hazy, clean = pairs.pair(7)
    assert np.array_equal(pairs.pair(7)[0], hazy)
    assert not np.array_equal(pairs.pair(8)[1], clean)
    assert not np.array_equal(HazePairs(photos, 32, 6).pair(7)[1], clean)


def test_batches_go_on_from_any_step(pairs: HazePairs) -> None:
    stream = pairs.batches(0, 2)
    next(stream)
    hazy, clean = next(stream)
    stream.close()
    later = pairs.batches(1, 2)
    again = next(later)
    later.close()
    assert hazy.shape == clean.shape == (2, 3, 32, 32)
    assert torch.equal(again[0], hazy)
    assert torch.equal(again[1], clean)


def test_psnr_of_a_known_error() -> None:
    clean = torch.full((1, 3, 4, 4), 0.5)
    assert float(psnr(clean + 0.1, clean)) == pytest.approx(20.0, abs=1e-4)
    assert float(psnr(clean, clean)) == 60.0


def test_validation_compares_input_and_output_with_the_clean_picture(pairs: HazePairs) -> None:
    score = validate(nn.Identity(), pairs, 2, 3)
    assert score.hazy == score.restored
    expected = [psnr(hazy, clean) for hazy, clean in (pairs.batch(0, 3), pairs.batch(3, 3))]
    assert score.hazy == pytest.approx(float(torch.cat(expected).mean()))
