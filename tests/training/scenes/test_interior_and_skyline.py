"""Rendered interiors and skylines."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.training.scenes.interior import render_interior
from dinplug.training.scenes.skyline import add_sky

F32 = NDArray[np.float32]


def textures() -> list[F32]:
    return [np.random.default_rng(0).uniform(0, 1, (32, 40, 3)).astype(np.float32)]


@pytest.mark.parametrize("seed", range(5))
def test_interiors_are_in_range(seed: int) -> None:
    picture, depth = render_interior(np.random.default_rng(seed), 40, 56, textures())
    assert picture.shape == (40, 56, 3)
    assert picture.dtype == depth.dtype == np.float32
    assert 0 <= picture.min() < picture.max() <= 1
    assert 0 < depth.min() < depth.max() == 1


def test_interiors_are_deterministic() -> None:
    one, two = (render_interior(np.random.default_rng(4), 24, 24, textures()) for _ in range(2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


@pytest.mark.parametrize("seed", range(10))
def test_skies_are_bright_far_and_above(seed: int) -> None:
    black = np.zeros((60, 80, 3), np.float32)
    picture, depth = add_sky(np.random.default_rng(seed), black, np.ones((60, 80), np.float32))
    sky = depth == 1
    # Land keeps at most 0.85 of the range.
    assert depth[~sky].max() <= 0.85
    assert not sky[-1].any()
    if sky.any():
        rows = np.nonzero(sky)[0]
        assert rows.mean() < np.nonzero(~sky)[0].mean()
        assert picture[sky].mean() > 0.3
        assert picture[~sky].mean() < 0.1
