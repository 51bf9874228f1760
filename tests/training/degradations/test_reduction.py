"""Photos made small: equal to published pictures, to their definitions, and never shifted."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dinplug.training.degradations.reduction import (
    NOISE_LEVEL,
    Reduction,
    reduce,
    reduce_bicubic,
    reduce_blurred,
)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bicubic_is_within_a_grey_level_of_the_published_pictures(
    shared: Path, factor: int
) -> None:
    large = sorted((shared / "reference" / "set5" / "HR").glob("*.png"))
    assert len(large) == 5
    for file in large:
        picture = np.asarray(Image.open(file).convert("RGB"), np.float32) / np.float32(255)
        height, width = (side - side % factor for side in picture.shape[:2])
        small = Image.open(file.parents[1] / f"LRx{factor}" / file.name).convert("RGB")
        off = np.round(reduce_bicubic(picture[:height, :width], factor) * 255) - np.asarray(small)
        # The published ones are rounded between the passes too, which may tip the second rounding.
        assert float(np.abs(off).max()) <= 1


def naive_blur(picture: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """BD by its definition: a 7x7 kernel at the middle of each block, one output at a time."""
    y, x = np.mgrid[-3:4, -3:4]
    kernel = np.exp(-(x**2 + y**2) / (2 * 1.6**2))
    kernel /= kernel.sum()
    height, width = picture.shape[:2]
    small = np.zeros((height // factor, width // factor, 3))
    for row in range(height // factor):
        for column in range(width // factor):
            for dy, dx in np.ndindex(7, 7):
                at_y = min(max(row * factor + factor // 2 + dy - 3, 0), height - 1)
                at_x = min(max(column * factor + factor // 2 + dx - 3, 0), width - 1)
                small[row, column] += kernel[dy, dx] * picture[at_y, at_x]
    return small


@pytest.mark.parametrize("factor", [3, 5])
def test_blur_agrees_with_its_definition(factor: int) -> None:
    picture = np.random.default_rng(0).uniform(0, 1, (6 * factor, 4 * factor, 3))
    small = reduce_blurred(picture.astype(np.float32), factor)
    # 14 float32 products and sums of values up to 1.
    assert np.abs(small - naive_blur(picture, factor)).max() <= 16 * np.finfo(np.float32).eps


def spot(side: int, row: float, column: float) -> NDArray[np.float32]:
    """A soft spot (side, side, 3) around a place, wide against the reductions' kernels."""
    y, x = np.mgrid[:side, :side]
    light = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * 9.0**2))
    return np.asarray(np.repeat(light[..., None], 3, 2), np.float32)


def centroid(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    """(row, column) of the mean light, in pixels from the corner of the first one."""
    light = picture[..., 0].astype(np.float64)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    moments = np.array([(light * (y + 0.5)).sum(), (light * (x + 0.5)).sum()], np.float64)
    return np.asarray(moments / light.sum(), np.float64)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("method", ["bicubic", "blur"])
def test_nothing_is_shifted(method: Reduction, factor: int) -> None:
    picture = spot(144, 70.3, 75.8)
    small = (
        reduce_bicubic(picture, factor) if method == "bicubic" else reduce_blurred(picture, factor)
    )
    # The light at the border is exp(-30) of the middle's and a spot of sigma 9 has nothing left
    # beyond half the sampling frequency; one pixel off would be 1.
    assert np.abs(centroid(small) * factor - centroid(picture)).max() < 0.01


def test_noise_has_the_published_level_and_no_memory() -> None:
    grey = np.full((360, 360, 3), 0.5, np.float32)
    small = reduce(np.random.default_rng(1), grey, 3, "noise")
    noise = small - np.float32(0.5)
    assert small.shape == (120, 120, 3)
    # 43,200 values: the deviation's own standard error is level / sqrt(2 n), the mean's
    # level / sqrt(n), a correlation's 1 / sqrt(n). Five of each; clipping at 4.25 deviations
    # takes away less than one part in 10,000.
    count = noise.size
    assert NOISE_LEVEL == 30 / 255
    assert abs(noise.std() / NOISE_LEVEL - 1) < 5 / np.sqrt(2 * count) + 1e-4
    assert abs(noise.mean()) < 5 * NOISE_LEVEL / np.sqrt(count)
    neighbours = np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]
    colours = np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(count)
    assert abs(colours) < 5 / np.sqrt(count / 3)


@pytest.mark.parametrize("method", ["bicubic", "blur", "noise"])
def test_results_are_floats_in_range_and_depend_on_the_generator_only(method: Reduction) -> None:
    # Black and white blocks: bicubic overshoots at their edges, noise goes beyond both.
    picture = np.kron(np.indices((6, 5)).sum(0) % 2, np.ones((6, 6)))[..., None].repeat(3, 2)
    picture = picture.astype(np.float32)
    before = picture.copy()
    small = reduce(np.random.default_rng(4), picture, 3, method)
    assert small.shape == (12, 10, 3)
    assert small.dtype == np.float32
    assert 0 <= small.min() <= small.max() <= 1
    assert np.array_equal(picture, before)
    assert np.array_equal(reduce(np.random.default_rng(4), picture, 3, method), small)


def test_half_of_the_bicubic_ones_come_as_an_8_bit_file() -> None:
    picture = np.random.default_rng(0).uniform(0, 1, (12, 12, 3)).astype(np.float32)
    exact = reduce_bicubic(picture, 3)
    rounded = 0
    for seed in range(400):
        small = reduce(np.random.default_rng(seed), picture, 3, "bicubic")
        if np.array_equal(small, exact):
            continue
        rounded += 1
        assert np.array_equal(small, np.round(exact * 255).astype(np.float32) / np.float32(255))
    # Binomial with n 400, p 1/2: five standard deviations of 10.
    assert abs(rounded - 200) <= 50
