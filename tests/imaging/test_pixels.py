"""Samples to floats and back, orientation, alpha, and pixels that are set aside."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageOps

from dinplug.imaging import pixels
from dinplug.imaging.photo import F32Image, SampleFormat


@pytest.mark.parametrize(
    ("dtype", "sample"),
    [(np.uint8, "uint"), (np.uint16, "uint"), (np.int8, "int"), (np.int16, "int")],
)
def test_every_integer_comes_back(dtype: Any, sample: SampleFormat) -> None:
    limits = np.iinfo(dtype)
    samples = np.arange(limits.min, limits.max + 1, dtype=dtype).reshape(-1, 64, 1)
    floats = pixels.to_float(samples, float(limits.max))
    np.testing.assert_array_equal(pixels.from_float(floats, sample, limits.bits), samples)
    assert floats.max() == 1


@pytest.mark.parametrize("bits", [16, 32, 64])
def test_floats_keep_values_outside(bits: int) -> None:
    values = np.array([[[-3.5, 0, 1, 7, np.inf, np.nan]]], np.float32)
    result = pixels.from_float(values, "float", bits)
    assert result.dtype.itemsize * 8 == bits
    np.testing.assert_array_equal(result, values)
    assert pixels.from_float(np.full((1, 1, 1), 1e5, np.float32), "float", 16)[0, 0, 0] == np.inf


def test_integers_are_clipped_and_never_wrap() -> None:
    values = np.array([[[-0.5, 1.5, np.nan, np.inf, -np.inf]]], np.float32)
    assert pixels.from_float(values, "uint", 8).tolist() == [[[0, 255, 0, 255, 0]]]
    top = 2**32 - 1
    assert pixels.from_float(values, "uint", 32).tolist() == [[[0, top, 0, top, 0]]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright_agrees_with_pillow(orientation: int) -> None:
    array = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    image = Image.fromarray(array)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(pixels.upright(array, orientation), expected)
    np.testing.assert_array_equal(pixels.upright(array[..., 0], orientation), expected[..., 0])


unit = st.floats(0, 1, width=32)


@given(
    arrays.arrays(np.float32, (3, 4, 3), elements=unit),
    arrays.arrays(np.float32, (3, 4), elements=st.sampled_from([0, 0.25, 0.5, 1 / 255, 1])),
)
def test_premultiplied_colour_comes_back(colour: F32Image, alpha: F32Image) -> None:
    stored = pixels.premultiplied(colour, alpha)
    back = pixels.premultiplied(pixels.unpremultiplied(stored, alpha), alpha)
    # One rounding each way; the smallest numbers have fewer digits.
    np.testing.assert_allclose(back, stored, rtol=2 * 2.0**-23, atol=1e-37)


def test_nothing_is_set_aside_from_a_sound_picture() -> None:
    rgb = np.ones((3, 4, 3), np.float32)
    same, held = pixels.set_aside(rgb, np.full((3, 4), 0.5, np.float32))
    assert same is rgb and held is None


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_hidden_pixels_are_filled_from_visible_ones_and_put_back(
    height: int, width: int, data: st.DataObject
) -> None:
    rgb = data.draw(arrays.arrays(np.float32, (height, width, 3), elements=unit))
    shown = data.draw(arrays.arrays(np.bool_, (height, width)))
    alpha = shown.astype(np.float32)
    rgb[~shown, 0] = np.nan
    seen, held = pixels.set_aside(rgb, alpha)
    assert np.isfinite(seen).all()
    np.testing.assert_array_equal(seen[shown], rgb[shown])
    if shown.any():
        # Means of visible pixels lie between them, but for the rounding of each level.
        lowest, highest = rgb[shown].min(axis=0), rgb[shown].max(axis=0)
        assert (seen >= lowest - 1e-6).all() and (seen <= highest + 1e-6).all()
    np.testing.assert_array_equal(pixels.put_back(seen * 2, held)[~shown], rgb[~shown])
    np.testing.assert_array_equal(pixels.put_back(seen, held)[shown], rgb[shown])


def test_a_hole_takes_the_colour_around_it() -> None:
    rgb = np.full((16, 16, 3), 0.75, np.float32)
    rgb[5:9, 6:11] = [np.inf, -np.inf, np.nan]
    seen, held = pixels.set_aside(rgb, None)
    np.testing.assert_array_equal(seen, np.full_like(rgb, 0.75))
    assert held is not None and len(held.index) == 4 * 5


def test_what_was_set_aside_stays_out_of_a_larger_result() -> None:
    rgb = np.full((4, 4, 3), 0.5, np.float32)
    rgb[1, 1] = np.nan
    _, held = pixels.set_aside(rgb, None)
    large = np.full((8, 8, 3), 0.25, np.float32)
    assert pixels.put_back(large, held) is large
