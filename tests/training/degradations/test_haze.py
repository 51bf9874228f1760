"""Haze: the scattering equation, its limits, and what is drawn."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.training.degradations.haze import (
    Haze,
    apply_haze,
    linear_to_srgb,
    sample_haze,
    srgb_to_linear,
    transmission,
)

F32 = NDArray[np.float32]

GREY = (0.8, 0.8, 0.8)
# A product and a sum of values below 1 in float32: two roundings of 2^-24 each side.
ROUNDING = 4 * 2.0**-24


@pytest.fixture
def clean() -> F32:
    return np.random.default_rng(1).uniform(0, 1, (6, 5, 3)).astype(np.float32)


@pytest.fixture
def depth() -> F32:
    return np.random.default_rng(2).uniform(0, 1, (6, 5)).astype(np.float32)


def test_display_encoded_haze_is_the_scattering_equation(clean: F32, depth: F32) -> None:
    haze = Haze(1.3, (0.9, 0.8, 0.7))
    t = np.exp(-1.3 * depth.astype(np.float64))[..., None]
    expected = clean * t + np.array([0.9, 0.8, 0.7]) * (1 - t)
    assert np.abs(apply_haze(clean, depth, haze) - expected).max() <= ROUNDING


def test_linear_haze_is_the_scattering_equation_in_linear_light(clean: F32, depth: F32) -> None:
    haze = Haze(0.7, (0.9, 0.8, 0.7), linear=True)
    t = transmission(depth, 0.7)[..., None]
    light: F32 = srgb_to_linear(clean) * t + srgb_to_linear(
        np.array([0.9, 0.8, 0.7], np.float32)
    ) * (1 - t)
    assert np.array_equal(apply_haze(clean, depth, haze), linear_to_srgb(light))


@pytest.mark.parametrize("linear", [False, True])
def test_no_haze_leaves_the_picture(clean: F32, depth: F32, linear: bool) -> None:
    # sRGB there and back: powers of 2.4 and 1/2.4 in float32, a few units in the last place.
    assert np.abs(apply_haze(clean, depth, Haze(0, GREY, linear)) - clean).max() <= 1e-6


@pytest.mark.parametrize("linear", [False, True])
def test_endless_haze_leaves_only_airlight(clean: F32, linear: bool) -> None:
    far = np.full((6, 5), 1e3, np.float32)
    assert np.abs(apply_haze(clean, far, Haze(1, GREY, linear)) - 0.8).max() <= 1e-6


def test_transmission_limits() -> None:
    assert transmission(np.zeros((1, 1), np.float32), 2.0) == 1
    assert transmission(np.full((1, 1), 1e4, np.float32), 2.0) == 0
    depth = np.linspace(0, 3, 50, dtype=np.float32)[None]
    assert np.all(np.diff(transmission(depth, 0.9)) < 0)


def test_srgb_agrees_with_the_standard() -> None:
    # IEC 61966-2-1: mid grey 0.5 is 0.21404 in linear light; the two pieces meet at 0.04045.
    values = srgb_to_linear(np.array([0, 0.04045, 0.5, 1], np.float32))
    assert np.allclose(values, [0, 0.0031308, 0.2140411, 1], atol=1e-7)


def test_drawn_hazes_stay_in_range_and_let_something_through(depth: F32) -> None:
    rng = np.random.default_rng(3)
    hazes = [sample_haze(rng, depth) for _ in range(500)]
    assert all(0 <= h.beta <= 3.5 and all(0 <= a <= 1 for a in h.airlight) for h in hazes)
    assert min(float(transmission(depth, h.beta).mean()) for h in hazes) >= 0.16
    # One in six has none: of 500 draws 83, give or take four standard deviations of 8.3.
    assert 50 <= sum(h.beta == 0 for h in hazes) <= 117
    assert {h.linear for h in hazes} == {False, True}


def test_drawing_is_deterministic(depth: F32) -> None:
    drawn = [sample_haze(np.random.default_rng(9), depth) for _ in range(2)]
    assert drawn[0] == drawn[1]
