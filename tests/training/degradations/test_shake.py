"""Camera shake: how far its paths go, and the point spread functions they leave."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.training.degradations.shake import PathKind, kernel, sample_trajectory

F32 = NDArray[np.float32]

PATHS: list[PathKind] = ["shake", "curved", "straight"]
# float32 keeps 2^-24 of a coordinate of at most 35 pixels.
COORDINATE = 35 * 2.0**-23


def centroid(psf: F32) -> F32:
    """(row, column) of the centroid, from the centre."""
    from_centre = np.arange(len(psf)) - len(psf) // 2
    whole = psf.astype(np.float64)
    return np.array([whole.sum(1) @ from_centre, whole.sum(0) @ from_centre], np.float32)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("extent", [0.4, 3.0, 35.0])
def test_a_path_is_as_long_as_asked(path: PathKind, extent: float) -> None:
    points = sample_trajectory(np.random.default_rng(1), extent, path, steps=100)
    assert points.shape == (100, 2)
    assert points.dtype == np.float32
    assert abs(float(np.ptp(points, axis=0).max()) - extent) <= COORDINATE
    assert np.abs(points.astype(np.float64).mean(0)).max() <= COORDINATE


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("extent", [0.0, 0.4, 3.0, 11.5, 35.0])
def test_a_kernel_is_a_centred_share_of_light(path: PathKind, extent: float) -> None:
    for seed in range(20):
        psf = kernel(sample_trajectory(np.random.default_rng(seed), extent, path))
        assert psf.dtype == np.float32
        assert psf.shape[0] == psf.shape[1]
        assert len(psf) % 2 == 1
        assert psf.min() >= 0
        # Each of the K^2 values is rounded by 2^-24 of itself; their sum is 1.
        assert abs(float(psf.sum(dtype=np.float64)) - 1) <= 2.0**-23
        assert np.abs(centroid(psf)).max() <= 1e-3


@pytest.mark.parametrize("path", PATHS)
def test_a_kernel_covers_the_extent(path: PathKind) -> None:
    for seed in range(20):
        psf = kernel(sample_trajectory(np.random.default_rng(seed), 20.0, path))
        sides = [int(np.ptp(np.nonzero(psf.sum(axis))[0])) + 1 for axis in (0, 1)]
        # 20 pixels from end to end touch 21 whole pixels, or 22 when they start between two.
        assert max(sides) in (21, 22)


def test_a_kernel_does_not_shift_by_where_the_path_lies() -> None:
    path = sample_trajectory(np.random.default_rng(2), 9.0)
    moved = kernel(path + np.array([3.25, -7.5], np.float32))
    # The positions themselves are rounded anew where they are larger, and so their weights.
    assert moved.shape == kernel(path).shape
    assert np.abs(moved - kernel(path)).max() <= 2 * COORDINATE


def test_resting_gives_a_single_pixel() -> None:
    psf = kernel(np.full((5, 2), 3.5, np.float32))
    assert psf.sum() == 1
    assert psf[len(psf) // 2, len(psf) // 2] == 1


def test_light_lands_where_the_path_is() -> None:
    psf = kernel(np.array([[0, -1], [0, 1], [0, -1], [0, 1]], np.float32))
    middle = len(psf) // 2
    assert psf[middle, middle - 1] == psf[middle, middle + 1] == 0.5


def test_a_straight_path_is_straight_and_a_shake_is_not() -> None:
    def thickness(path: PathKind) -> float:
        points = sample_trajectory(np.random.default_rng(4), 20.0, path).astype(np.float64)
        return float(np.linalg.svd(points - points.mean(0), compute_uv=False)[1])

    # 256 points, each rounded by COORDINATE at most.
    assert thickness("straight") <= 256 * COORDINATE
    assert thickness("shake") > 1
    assert thickness("curved") > 1


@pytest.mark.parametrize("path", PATHS)
def test_drawing_is_deterministic(path: PathKind) -> None:
    first, second = (sample_trajectory(np.random.default_rng(9), 12.0, path) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, sample_trajectory(np.random.default_rng(8), 12.0, path))
