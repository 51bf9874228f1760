"""Made-up depth: range, determinism, and steps where the picture has them."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.evaluation.smoothing import box_mean, guided_filter
from dinplug.training.degradations import depth as kinds
from dinplug.training.degradations.depth import add_segments, follow_edges, sample_depth
from dinplug.training.degradations.filters import smooth_field
from dinplug.training.degradations.rooms import cast_room

F32 = NDArray[np.float32]


@pytest.fixture
def picture() -> F32:
    """Dark left half, bright right half, a little texture."""
    rng = np.random.default_rng(4)
    half = np.where(np.arange(48) < 24, 0.2, 0.8)[None, :, None]
    return (half + rng.uniform(-0.02, 0.02, (40, 48, 3))).astype(np.float32)


@pytest.mark.parametrize("seed", range(30))
def test_any_depth_is_in_range(picture: F32, seed: int) -> None:
    depth = sample_depth(np.random.default_rng(seed), picture)
    assert depth.shape == (40, 48)
    assert depth.dtype == np.float32
    assert depth.min() >= 0
    assert depth.max() <= 1


def test_the_same_seed_gives_the_same_depth(picture: F32) -> None:
    one, two = (sample_depth(np.random.default_rng(7), picture) for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("kind", [kinds.ground_plane, kinds.slope, kinds.room])
def test_kinds_reach_the_far_end(kind: Callable[[np.random.Generator, int, int], F32]) -> None:
    depth = kind(np.random.default_rng(1), 30, 40)
    assert depth.shape == (30, 40)
    assert 0 <= depth.min() < depth.max() <= 1


def test_ground_gets_nearer_downwards() -> None:
    for seed in range(10):
        depth = kinds.ground_plane(np.random.default_rng(seed), 64, 64)
        assert depth[-1].mean() <= depth[0].mean()


def test_segments_step_where_the_picture_does(picture: F32) -> None:
    across = []
    along = []
    for seed in range(20):
        flat = np.full((40, 48), 0.5, np.float32)
        depth = add_segments(np.random.default_rng(seed), flat, picture)
        across.append(np.abs(depth[:, 27] - depth[:, 20]).mean())
        along.append(np.abs(depth[:, 20] - depth[:, 13]).mean())
    assert np.mean(across) > 2 * np.mean(along)


def test_edges_of_the_depth_move_to_those_of_the_picture(picture: F32) -> None:
    rng = np.random.default_rng(2)
    # The step in depth is two pixels off the picture's.
    depth = np.where(np.arange(48) < 26, 0.0, 1.0)[None].repeat(40, 0).astype(np.float32)
    followed = follow_edges(rng, depth, picture)
    step = np.abs(np.diff(followed, axis=1)).mean(0)
    assert int(step.argmax()) == 23


def test_guided_filter_keeps_what_is_linear_in_its_guide() -> None:
    guide = np.random.default_rng(5).uniform(0, 1, (20, 24)).astype(np.float32)
    filtered = guided_filter(guide, 0.5 * guide + 0.2, 3, 1e-12)
    # Exact but for eps against a variance of about 1/12, and float32 sums of 49 values.
    assert np.abs(filtered - (0.5 * guide + 0.2)).max() < 1e-5


def test_box_mean_at_the_border_averages_what_is_there() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert box_mean(values, 1)[0, 0] == np.float32((0 + 1 + 4 + 5) / 4)
    assert box_mean(values, 1)[1, 2] == np.float32(values[0:3, 1:4].mean())


def test_smooth_fields_are_smooth_and_in_range() -> None:
    field = smooth_field(np.random.default_rng(0), 60, 80, 4)
    assert field.shape == (60, 80)
    assert 0 <= field.min() < field.max() <= 1
    # Cosine easing rises by at most pi/2 of a cell's step per cell; a cell is 20 pixels.
    assert np.abs(np.diff(field, axis=1)).max() <= np.pi / 2 / 20 + 1e-6


def test_rooms_have_walls_and_furniture_in_front_of_them() -> None:
    view = cast_room(np.random.default_rng(8), 48, 64)
    assert view.depth.min() > 0
    # 9 m of room at most, seen at most 0.6 rad askew, and 3.5 m to either side.
    assert view.depth.max() < 10.5
    assert set(np.unique(view.surface)) & set(range(6))
    assert view.position.shape == (48, 64, 2)
