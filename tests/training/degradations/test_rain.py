"""Rain: the compositions, what happens to the picture behind, and what is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.training.degradations.filters import smooth_field
from dinplug.training.degradations.rain import Rain, add_rain, compose, sample_rain
from dinplug.training.degradations.streaks import StreakLayer, render_streaks

F32 = NDArray[np.float32]

LAYERS = (
    StreakLayer(20, 2, 15, density=0.6, brightness=0.5),
    StreakLayer(9, 1, -20, density=0.4, brightness=0.3, grain=True),
)
COLOUR = (0.95, 0.9, 1.0)
# Products and sums of values below 2 in float32: at most six roundings of half 2^-23 each.
ROUNDING = 6 * 2.0**-23
DRAWS = 600


@pytest.fixture
def clean() -> F32:
    return np.random.default_rng(1).uniform(0, 1, (40, 50, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def drawn() -> list[Rain]:
    return [sample_rain(np.random.default_rng(seed)) for seed in range(DRAWS)]


def light_of(seed: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    layers = [render_streaks(rng, shape[0], shape[1], layer) for layer in LAYERS]
    return np.minimum(np.sum(layers, 0, dtype=np.float64), 1)[..., None]


def common_picture(rng: np.random.Generator, side: int) -> F32:
    """A smooth coloured picture with a mean of 0.45, as photos have."""
    grey = smooth_field(rng, side, side, 4)[..., None] * np.float32(0.6)
    tint = np.stack([smooth_field(rng, side, side, 2) for _ in range(3)], -1)
    return (grey + np.float32(0.3) * tint).astype(np.float32)


def psnr(one: F32, other: F32) -> float:
    """PSNR in dB on the luma of BT.601, 16..235 of 255."""
    weights = np.array([65.481, 128.553, 24.966]) / 255
    error = float(np.mean(((one - other) @ weights) ** 2))
    return -10 * float(np.log10(error)) if error > 0 else float("inf")


def test_added_streaks_are_the_plain_sum(clean: F32) -> None:
    rainy = add_rain(np.random.default_rng(4), clean, Rain(LAYERS, "add", COLOUR))
    expected = np.minimum(clean + light_of(4, clean.shape) * np.array(COLOUR), 1)
    assert np.abs(rainy - expected).max() <= ROUNDING


def test_screened_streaks_are_the_product_of_what_lacks_to_white(clean: F32) -> None:
    rainy = add_rain(np.random.default_rng(4), clean, Rain(LAYERS, "screen", COLOUR))
    expected = 1 - (1 - clean) * (1 - light_of(4, clean.shape) * np.array(COLOUR))
    assert np.abs(rainy - expected).max() <= ROUNDING


def test_blended_streaks_are_the_weighted_mean(clean: F32) -> None:
    rainy = add_rain(np.random.default_rng(4), clean, Rain(LAYERS, "blend", COLOUR))
    light = light_of(4, clean.shape)
    expected = clean * (1 - light) + np.array(COLOUR) * light
    assert np.abs(rainy - expected).max() <= ROUNDING


def test_white_screen_and_white_blend_are_the_same(clean: F32) -> None:
    light = np.random.default_rng(2).uniform(0, 1, clean.shape[:2]).astype(np.float32)
    white = (1.0, 1.0, 1.0)
    screened, blended = (compose(clean, light, kind, white) for kind in ("screen", "blend"))
    assert np.abs(screened - blended).max() <= ROUNDING


def test_mist_and_tone_change_the_picture_behind(clean: F32) -> None:
    rain = Rain(veil=0.2, airlight=(0.7, 0.8, 0.9), gamma=1.3, contrast=0.4)
    rainy = add_rain(np.random.default_rng(0), clean, rain)
    b = clean.astype(np.float64)
    b = (0.6 * b + 0.4 * (3 * b**2 - 2 * b**3)) ** 1.3
    expected = 0.8 * b + 0.2 * np.array([0.7, 0.8, 0.9])
    # A power in float32 adds a few units in the last place to the products and sums.
    assert np.abs(rainy - expected).max() <= 2 * ROUNDING


def test_no_rain_leaves_every_value(clean: F32) -> None:
    assert np.array_equal(add_rain(np.random.default_rng(0), clean, Rain()), clean)


def test_rain_does_not_write_into_the_clean_picture(clean: F32) -> None:
    before = clean.copy()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        add_rain(rng, clean, sample_rain(rng))
    assert np.array_equal(clean, before)


def test_drawing_is_deterministic(clean: F32) -> None:
    for seed in range(20):
        pictures = []
        for _ in range(2):
            rng = np.random.default_rng(seed)
            pictures.append(add_rain(rng, clean, sample_rain(rng)))
        assert np.array_equal(pictures[0], pictures[1])


def test_rainy_pictures_stay_in_range(drawn: list[Rain]) -> None:
    for seed, rain in enumerate(drawn[:200]):
        rng = np.random.default_rng(seed)
        for picture in (common_picture(rng, 48), np.ones((48, 48, 3), np.float32)):
            rainy = add_rain(rng, picture, rain)
            assert rainy.dtype == np.float32
            assert rainy.min() >= 0
            assert rainy.max() <= 1


def test_one_in_six_has_no_rain_at_all(drawn: list[Rain]) -> None:
    none = sum(rain == Rain() for rain in drawn)
    # Four standard deviations of a binomial of 1/6.
    assert abs(none - DRAWS / 6) <= 4 * np.sqrt(DRAWS * 5 / 36)


def test_strengths_span_from_heavy_to_a_trace(drawn: list[Rain]) -> None:
    values = []
    for seed, rain in enumerate(drawn):
        rng = np.random.default_rng(seed)
        picture = common_picture(rng, 64)
        values.append(psnr(add_rain(rng, picture, rain), picture))
    decibels = np.array(values)
    # About a quarter of all draws in each band, and not below a fifth by chance (four standard
    # deviations of a binomial of 1/4 are 7 % of the draws).
    for low, high in ((0, 18), (18, 28), (28, 60)):
        assert 0.18 <= np.mean((low <= decibels) & (decibels < high)) <= 0.36
    assert np.mean(decibels < 12.5) > 0.02
    assert np.mean((decibels > 36) & (decibels < 60)) > 0.02


def test_shapes_span_what_falls(drawn: list[Rain]) -> None:
    layers = [layer for rain in drawn for layer in rain.layers]
    assert max(abs(layer.angle) for layer in layers) <= 70
    steep = np.mean([abs(layer.angle) > 45 for layer in layers])
    assert 0 < steep < 0.15
    for name, low, high in (("length", 7, 70), ("width", 0.8, 4.0), ("density", 0.02, 1.0)):
        values = [getattr(layer, name) for layer in layers]
        assert min(values) < low
        assert max(values) > high
    assert {layer.grain for layer in layers} == {False, True}
    assert {rain.composition for rain in drawn} == {"add", "screen", "blend"}
    assert {len(rain.layers) for rain in drawn} == {0, 1, 2, 3}
    spans = [np.ptp([layer.angle for layer in rain.layers]) for rain in drawn if rain.layers]
    assert max(spans) > 20


def test_every_layer_counts(clean: F32) -> None:
    both = add_rain(np.random.default_rng(4), clean, Rain(LAYERS))
    one = add_rain(np.random.default_rng(4), clean, replace(Rain(LAYERS), layers=LAYERS[:1]))
    assert np.all(both >= one)
    assert both.mean() > one.mean()
