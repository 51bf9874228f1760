"""The classical methods against their equations, on pictures whose answer is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.evaluation.baselines import (
    airlight,
    classical_methods,
    dark_channel,
    dark_channel_prior,
    enlarge_bicubic,
    median,
    unsharp_mask,
    wiener,
)
from dinplug.evaluation.metrics import U8Image, psnr, to_uint8
from dinplug.evaluation.resize import resize_bicubic_8bit
from dinplug.specs import Task


def noise(height: int, width: int, seed: int = 5) -> U8Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blurred_by(picture: U8Image, sigma: float) -> NDArray[np.float64]:
    """The picture (0..1) under a sampled Gaussian far wider than it needs, borders mirrored."""
    reach = int(np.ceil(6 * sigma))
    taps = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    values = picture / 255
    for axis in (0, 1):
        margin = [(reach, reach) if one == axis else (0, 0) for one in (0, 1, 2)]
        padded = np.pad(values, margin, mode="symmetric")
        values = sum(
            tap * np.take(padded, range(start, start + picture.shape[axis]), axis)
            for start, tap in enumerate(taps)
        )
    return np.asarray(values, np.float64)


def smooth_picture() -> U8Image:
    """A picture of sine waves of 12 pixels and more, which a blur of 1.5 pixels weakens."""
    y, x = np.mgrid[0:48, 0:60]
    waves = [
        np.sin(2 * np.pi * (x / wide + y / high)) for wide, high in ((12, 30), (20, 15), (60, 12))
    ]
    return to_uint8(np.stack([0.5 + 0.3 * wave for wave in waves], axis=-1))


@pytest.mark.parametrize(("height", "width", "radius"), [(9, 14, 2), (5, 6, 7), (20, 17, 0)])
def test_the_dark_channel_is_the_least_of_each_patch(height: int, width: int, radius: int) -> None:
    pixels = noise(height, width).astype(np.float32)
    dark = dark_channel(pixels, radius)
    for y in range(height):
        for x in range(width):
            rows = slice(max(0, y - radius), y + radius + 1)
            columns = slice(max(0, x - radius), x + radius + 1)
            assert dark[y, x] == pixels[rows, columns].min()


def test_the_airlight_is_bright_where_all_is_bright() -> None:
    pixels = np.full((100, 100, 3), 0.2, np.float32)
    pixels[0, 50] = 1  # a white dot amid dark is a lamp, no haze
    # Ten pixels are 0.1 %: of this block, as many are further than 7 pixels from its sides.
    pixels[60:76, 60:79] = (0.7, 0.75, 0.8)
    pixels[67, 70] = (0.72, 0.77, 0.82)
    np.testing.assert_array_equal(airlight(pixels, 7), pixels[67, 70])


def test_even_haze_over_a_dark_channel_of_zero_is_undone() -> None:
    # Every patch has a black sample, so that the prior holds; a corner of pure airlight shows A.
    clean = np.random.default_rng(1).uniform(0, 1, (90, 90, 3))
    clean[::3, ::3] = 0
    light, transmission = np.array([0.8, 0.82, 0.85]), 0.6
    hazy = clean * transmission + light * (1 - transmission)
    hazy[:30, :30] = light
    restored = dark_channel_prior(to_uint8(hazy), omega=1.0, filter_radius=3)
    away = (slice(50, None), slice(50, None))  # beyond the corner's patches and the filter
    # Rounding to 8 bit moves I and A by half a level; t = 1 - min I/A is then off by at most
    # (0.5 / 255) (1 + 1) / 0.8, and (I - A) / t by that share of it and by a level / t.
    t_error = (1 / 255) / 0.8
    bound = (1 / 255) / (transmission - t_error) + t_error / (transmission - t_error) + 1 / 255
    difference = np.abs(restored[away] / 255 - np.clip(clean[away], 0, 1))
    assert difference.max() <= bound
    assert np.abs(hazy[away] - clean[away]).max() > 5 * bound


def test_a_hazeless_picture_keeps_its_transmission() -> None:
    clean = noise(64, 64)
    clean[::4, ::4] = 0
    clean[32, 32] = 255
    # The dark channel is 0 everywhere: t = 1, and the picture comes back as it was.
    np.testing.assert_array_equal(dark_channel_prior(clean), clean)


@pytest.mark.parametrize("radius", [1, 2])
def test_the_median_removes_thin_bright_lines(radius: int) -> None:
    y, x = np.mgrid[0:30, 0:40]
    clean = np.stack([3 * y, 2 * x, y + x], axis=-1).astype(np.uint8)
    lined = clean.copy()
    lined[:, 10] = lined[:, 25] = 255
    inner = slice(3, -3)
    restored = median(lined, radius)[inner, inner].astype(int)
    # Next to a line, the median moves by at most one rank into the ramp: two pixels of slope 3.
    assert np.abs(restored - clean[inner, inner]).max() <= 6
    np.testing.assert_array_equal(
        median(clean, radius)[inner, inner], clean[inner, inner]
    )  # of a ramp, the middle


def test_wiener_undoes_its_own_blur() -> None:
    clean = smooth_picture()
    blurred = to_uint8(blurred_by(clean, 1.5))
    ratio = 1e-3
    restored = wiener(blurred, sigma=1.5, noise_to_signal=ratio)
    # The waves' transfer is above exp(-2 (pi 1.5 / 10)²) = 0.64: of an amplitude of 77 levels at
    # most ratio / 0.64² is lost. Rounding, 1 / sqrt(12) of a level, is amplified by at most
    # 1 / (2 sqrt(ratio)), and happens once more at the end.
    rounding = 12**-0.5
    error = 77 * ratio / 0.64**2 + rounding / (2 * ratio**0.5) + rounding
    assert psnr(blurred, clean) < 20 * np.log10(255 / error) < psnr(restored, clean)


def test_wiener_without_blur_scales_by_the_ratio() -> None:
    flat = np.full((12, 10, 3), 204, np.uint8)
    assert (wiener(flat, sigma=0.0, noise_to_signal=0.02) == round(204 / 1.02)).all()


def test_the_unsharp_mask_adds_what_the_blur_takes() -> None:
    picture = smooth_picture()
    expected = to_uint8(2 * (picture / 255) - blurred_by(picture, 1.5))
    difference = np.abs(unsharp_mask(picture, sigma=1.5).astype(int) - expected)
    assert difference.max() <= 1  # the sampled Gaussian and the exact one round apart
    np.testing.assert_array_equal(unsharp_mask(picture, amount=0.0), picture)


def test_bicubic_is_the_papers() -> None:
    small = noise(11, 8)
    np.testing.assert_array_equal(enlarge_bicubic(small, 3), resize_bicubic_8bit(small, 33, 24))


@pytest.mark.parametrize("task", list(Task))
def test_every_task_has_a_method_of_the_right_size(task: Task) -> None:
    scale = 2 if task is Task.SR else 1
    methods = classical_methods(task, scale)
    assert methods
    for method in methods.values():
        restored = method(noise(21, 34))
        assert restored.shape == (21 * scale, 34 * scale, 3) and restored.dtype == np.uint8
