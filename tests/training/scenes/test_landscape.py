"""Rendered landscapes: determinism, ranges, and geometry that is right."""

from pathlib import Path

import numpy as np
import pytest

from dinplug.training.scenes.landscape import Landscape
from dinplug.training.scenes.noise import Noise
from dinplug.training.scenes.pool import landscape_pool, render_random
from dinplug.training.scenes.terrain import Relief, Terrain


def relief(water: float | None = None) -> Relief:
    return Relief(900, 900, 6000, 60, 1200, water, 120, 0.5, 0.4)


def test_the_same_seed_renders_the_same_pixels() -> None:
    one, two = (render_random(np.random.default_rng(3), 12, 18) for _ in range(2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pictures_and_depths_are_in_range(seed: int) -> None:
    picture, depth = render_random(np.random.default_rng(seed), 16, 24)
    assert picture.shape == (16, 24, 3)
    assert np.isfinite(picture).all()
    assert 0 <= picture.min() < picture.max() <= 1
    # From half of the lowest camera to the farthest air (metres).
    assert 20 <= depth.min() < depth.max() <= 40_000


def test_land_is_nearer_below() -> None:
    _, depth = render_random(np.random.default_rng(1), 24, 24)
    assert np.median(depth[-1]) < np.median(depth[0])


def test_water_is_level_and_covers_what_lies_below() -> None:
    terrain = Terrain(np.random.default_rng(5), relief(water=-60.0))
    z, x = np.meshgrid(np.linspace(10, 6000, 80), np.linspace(-2000, 2000, 60), indexing="ij")
    ground = terrain.ground(x.astype(np.float32), z.astype(np.float32), 0.0)
    assert ground.water.any()
    assert not ground.water.all()
    assert np.all(ground.height[ground.water] == -60)
    assert np.all(ground.bare[ground.water] < -60)
    assert np.all(ground.height >= ground.bare)


def test_things_stand_on_the_land() -> None:
    terrain = Terrain(np.random.default_rng(5), relief())
    z, x = np.meshgrid(np.arange(300, 900, 1.5), np.arange(-300, 300, 1.5), indexing="ij")
    ground = terrain.ground(x.astype(np.float32), z.astype(np.float32), 0.0)
    assert (ground.tree > 0).any()
    assert (ground.house > 0).any()
    taller = ground.height - ground.bare
    # The tallest tree has 15 m and a quarter for ragged tops, the tallest house 9.5 m.
    assert taller.min() >= 0
    assert taller.max() <= 15 * 1.25


def test_short_waves_fade_where_a_pixel_is_larger() -> None:
    noise = Noise(np.random.default_rng(2))
    x = np.linspace(0, 100, 4000, dtype=np.float32)
    fine = noise.fractal(x, 0 * x, 8.0, 6)
    coarse = noise.fractal(x, 0 * x, 8.0, 6, footprint=4.0)
    assert np.abs(fine).max() > 0.1
    assert np.abs(coarse).max() == 0


def test_scattered_points_are_where_distances_vanish() -> None:
    noise = Noise(np.random.default_rng(2))
    z, x = np.meshgrid(np.arange(0, 40, 0.25), np.arange(0, 40, 0.25), indexing="ij")
    distance, mark = noise.scattered(x.astype(np.float32), z.astype(np.float32), 5.0)
    # Each cell has its point within 0.4 of its middle: no place is farther than 1.28 cells away.
    assert distance.max() <= 5 * 0.9 * 2**0.5 + 1e-4
    assert distance.min() < 0.25
    assert 0 <= mark.min() < mark.max() <= 1


def test_a_pool_is_rendered_once(tmp_path: Path) -> None:
    file = tmp_path / "pool.npz"
    first = landscape_pool(file, 1, 6)
    written = file.read_bytes()
    again = landscape_pool(file, 1, 6)
    assert file.read_bytes() == written
    assert np.array_equal(first.pictures, again.pictures)
    picture, depth = first.window(np.random.default_rng(0), 32)
    assert picture.shape == (32, 32, 3)
    assert 0 <= depth.min() < depth.max() <= 1


def test_landscape_tells_its_sky() -> None:
    scene = Landscape(np.zeros((2, 2, 3), np.float32), np.ones((2, 2), np.float32), np.eye(2) > 0)
    assert scene.sky.sum() == 2
