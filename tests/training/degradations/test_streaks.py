"""Streaks: size and direction measured in the picture against what was asked for."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.training.degradations.streaks import STEEPEST, StreakLayer, render_streaks

F32 = NDArray[np.float32]

# A lattice places an end of a streak no better than half a pixel.
LATTICE = 0.5
SIDE = 512


def render(layer: StreakLayer, seed: int = 0, side: int = SIDE) -> F32:
    return render_streaks(np.random.default_rng(seed), side, side, layer)


def single_streak(layer: StreakLayer) -> F32:
    """A picture that holds exactly one whole streak: its light says so, and its empty border."""
    side = 200
    layer = replace(layer, density=layer.length * layer.width / side**2)
    light = layer.brightness * layer.length * layer.width
    for seed in range(500):
        picture = render(layer, seed, side)
        border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        if not border.any() and 0.5 < picture.sum() / light < 1.5:
            return picture
    raise AssertionError("no seed draws one streak")


def moments(picture: F32) -> tuple[float, float, float]:
    """Length and width (pixels) and angle (degrees) of a box of light, from second moments.

    A box of size s softened over a pixel has the variance (s^2 + 1) / 12.
    """
    y, x = np.nonzero(picture)
    weights = picture[y, x].astype(np.float64)
    across, along = np.linalg.eigvalsh(np.cov(np.stack([x, y]), aweights=weights, ddof=0))
    direction = np.linalg.eigh(np.cov(np.stack([x, y]), aweights=weights, ddof=0))[1][:, 1]
    angle = np.degrees(np.arctan(direction[0] / direction[1]))
    return float(np.sqrt(12 * along - 1)), float(np.sqrt(12 * across - 1)), float(angle)


def structure_angle(picture: F32) -> float:
    """Direction of the streaks in degrees from the vertical, by the structure tensor.

    The gradients' products are sums over the spectrum (Parseval), taken inside a circle of half
    the highest frequency, where no direction is preferred, under a window that hides the borders.
    """
    rows, columns = picture.shape
    window = np.hanning(rows)[:, None] * np.hanning(columns)
    power = np.abs(np.fft.fft2((picture - picture.mean()) * window)) ** 2
    down, right = np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)
    power = power * (down**2 + right**2 <= 0.25**2)
    products = (power * right * down).sum()
    difference = (power * (right**2 - down**2)).sum()
    return float(-np.degrees(np.arctan2(2 * products, difference)) / 2)


def direction_error(layer: StreakLayer, pixels: int) -> float:
    """Standard deviation, in degrees, of the mean direction of streaks in so many pixels.

    One streak fixes its direction to about its softened width over its length.
    """
    streaks = layer.density * pixels / (layer.length * layer.width)
    return float(np.degrees((layer.width + layer.blur) / layer.length) / np.sqrt(streaks))


@pytest.mark.parametrize("angle", [-70, -33, 0, 12, 45, 60])
@pytest.mark.parametrize(("length", "width"), [(20, 2), (41, 3.5), (80, 5)])
def test_one_streak_has_the_size_and_angle_asked_for(
    length: float, width: float, angle: float
) -> None:
    picture = single_streak(StreakLayer(length, width, angle, density=1, brightness=0.6))
    measured_length, measured_width, measured_angle = moments(picture)
    assert abs(measured_length - length) <= LATTICE
    assert abs(measured_width - width) <= LATTICE
    assert abs(measured_angle - angle) <= np.degrees(np.arctan(LATTICE / length))
    assert picture.max() == np.float32(0.6)


@pytest.mark.parametrize("grain", [False, True])
@pytest.mark.parametrize("angle", [-60, -25, 0, 10, 45, 70])
def test_a_layer_runs_in_the_direction_asked_for(angle: float, grain: bool) -> None:
    layer = StreakLayer(60, 3, angle, density=0.4, brightness=0.3, grain=grain)
    assert abs(structure_angle(render(layer)) - angle) <= 5 * direction_error(layer, SIDE**2)


@pytest.mark.parametrize("density", [0.05, 0.3, 1.0, 2.0])
def test_density_is_the_share_covered(density: float) -> None:
    layer = StreakLayer(40, 4, 20, density, brightness=0.2)
    covered = np.mean(render(layer) > 0.1)
    # Streaks fall independently: there are about pixels / (length width) independent places.
    deviation = 0.5 / np.sqrt(SIDE**2 / (40 * 4))
    assert abs(covered - (1 - np.exp(-density))) <= 5 * deviation
    noise = render(replace(layer, grain=True))
    # The level of noise is a quantile of the picture: exact but for the pixel it falls on.
    assert abs(np.mean(noise > 0) - (1 - np.exp(-density))) <= 2 / SIDE**2


def test_denser_layers_cover_more() -> None:
    for grain in (False, True):
        layers = [StreakLayer(30, 2, 10, d, 0.2, grain=grain) for d in (0, 0.1, 0.3, 0.9, 2.7)]
        covered = [np.count_nonzero(render(layer)) for layer in layers]
        assert covered[0] == 0
        assert all(less < more for less, more in pairwise(covered))


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, 1.0),
        ({"fade": 1.0}, 0.5),
        ({"fade": 0.4}, 0.8),
        ({"beading": 0.6}, 0.7),
        ({"tail": 2.0}, 1.0),
        ({"blur": 3.0}, 1.0),
        ({"spread": 0.6}, 1.0),
        ({"wander": 5.0}, 1.0),
    ],
)
def test_mean_light_is_density_times_brightness(change: dict[str, float], kept: float) -> None:
    layer = replace(StreakLayer(30, 3, -15, density=0.5, brightness=0.05), **change)  # type: ignore[arg-type]
    # Campbell: about n = density pixels / (length width) streaks of relative variance below
    # (1 + tail)^2 / (1 + 2 tail) - 1 + spread^2 (product of three) + 1, here at most 2.2.
    deviation = np.sqrt(2.2 / (0.5 * SIDE**2 / 90))
    assert abs(render(layer).mean() / (0.5 * 0.05 * kept) - 1) <= 5 * deviation


def test_unequal_streaks_have_the_same_mean_but_brighter_peaks() -> None:
    for grain in (False, True):
        plain = StreakLayer(30, 2, 0, density=0.3, brightness=0.05, grain=grain)
        assert render(replace(plain, tail=2)).max() > 1.5 * render(plain).max()


def test_brightness_of_noise_is_the_mean_over_what_it_covers() -> None:
    picture = render(StreakLayer(30, 2, 0, density=0.3, brightness=0.05, grain=True))
    # A mean of float32 values added pairwise: far below a thousandth.
    assert abs(picture[picture > 0].mean() - 0.05) <= 0.05 * 1e-3


def test_perspective_makes_streaks_larger_towards_the_bottom() -> None:
    layer = StreakLayer(20, 2, 0, density=0.5, brightness=0.05, perspective=1.0)
    picture = render(layer)
    # Light per streak grows with the square of 0.5..1.5: mean 1.58 below the middle, 0.58 above.
    ratio = picture[SIDE // 2 :].mean() / picture[: SIDE // 2].mean()
    # Each half holds some 1600 streaks: a ratio of two means of 1 / sqrt(1600) each, five times.
    assert abs(ratio / (1.5833 / 0.5833) - 1) <= 5 * np.sqrt(2 * 2.2 / 1600)


def test_a_fan_turns_from_left_to_right() -> None:
    layer = StreakLayer(40, 3, 0, density=0.4, brightness=0.2, fan=40)
    picture = render(layer)
    left, right = picture[:, : SIDE // 4], picture[:, -SIDE // 4 :]
    # The middle of an outer quarter stands 3/8 of the width, 15 degrees, off the picture's.
    error = 5 * direction_error(layer, left.size)
    assert abs(structure_angle(left) + 15) <= error
    assert abs(structure_angle(right) - 15) <= error


def test_unevenness_only_dims() -> None:
    layer = StreakLayer(30, 2, 10, density=0.8, brightness=0.2)
    even, uneven = render(layer), render(replace(layer, unevenness=0.7))
    assert np.all(uneven <= even)
    # One product in float32 off the exact share.
    assert np.all(uneven >= even * 0.3 * (1 - 1e-6))
    assert uneven.mean() < 0.9 * even.mean()


@pytest.mark.parametrize("grain", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (70, 1), (37, 53)])
def test_any_size_gives_values_in_range(shape: tuple[int, int], grain: bool) -> None:
    layer = StreakLayer(80, 5, STEEPEST, 4, 1, spread=1, wander=30, tail=3, grain=grain)
    picture = render_streaks(np.random.default_rng(5), *shape, layer)
    assert picture.shape == shape
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1


@pytest.mark.parametrize("grain", [False, True])
def test_rendering_is_deterministic(grain: bool) -> None:
    layer = StreakLayer(20, 2, 30, 0.5, 0.5, wander=3, unevenness=0.5, grain=grain)
    assert np.array_equal(render(layer, 7, 64), render(layer, 7, 64))
    assert not np.array_equal(render(layer, 7, 64), render(layer, 8, 64))
