"""Curves and colour models come back, values outside 0..1 included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dinplug.imaging import colour
from dinplug.imaging.photo import F32Image

EPSILON = 2.0**-24  # half a unit in the last place of float32, relative

pixels = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=3, max_dims=3, max_side=4).map(lambda s: (*s[:2], 3)),
    elements=st.floats(-64, 64, width=32),
)


@given(pixels)
def test_decoding_undoes_encoding(linear: F32Image) -> None:
    back = colour.decode_srgb(colour.encode_srgb(linear))
    # One rounding to float32 between the two, which the slope of the decoding (2.4 times
    # relative at most, and more near the foot of the curve's offset) spreads, and one after.
    np.testing.assert_allclose(back, linear, rtol=(1 + 2.4 * 1.055) * 2 * EPSILON, atol=1e-38)


def test_curve_is_that_of_iec_61966_2_1() -> None:
    linear = np.array([[[0.0, 0.0031308, 0.18], [0.5, 1.0, -0.5]]], np.float32)
    expected = [[[0.0, 0.04045, 0.46135613], [0.73535698, 1.0, -0.73535698]]]
    # The standard gives its constants to 5 digits or fewer.
    np.testing.assert_allclose(colour.encode_srgb(linear), expected, atol=1e-6)


def test_values_that_are_not_finite_stay_so() -> None:
    odd = np.array([[[np.nan, np.inf, -np.inf]]], np.float32)
    np.testing.assert_array_equal(colour.decode_srgb(colour.encode_srgb(odd)), odd)


@given(arrays.arrays(np.float32, (3, 5), elements=st.floats(-4, 4, width=32)))
def test_grey_comes_back_from_three_equal_channels(grey: F32Image) -> None:
    # The weights add up to 1 in double precision but for one rounding.
    back = colour.rgb_to_grey(colour.grey_to_rgb(grey))
    np.testing.assert_allclose(back, grey, rtol=2 * EPSILON, atol=1e-38)


def test_lab_codes_come_back() -> None:
    """All 8-bit codes, out of the gamut of any RGB included, within a tenth of a code."""
    codes = np.stack(np.meshgrid(*[np.linspace(0, 255, 18)] * 3), axis=-1).reshape(18 * 18, 18, 3)
    lab = (codes * [100 / 255, 1, 1] - [0, 128, 128]).astype(np.float32)
    back = colour.rgb_to_lab(colour.lab_to_rgb(lab))
    # float32 values up to about 3 carry 2**-22; the cube root's slope at the darkest codes and
    # the factor 500 make that 0.02 at most.
    np.testing.assert_allclose(back, lab, atol=0.1)


def test_lab_white_and_black() -> None:
    lab = np.array([[[100, 0, 0], [0, 0, 0], [50, 0, 0]]], np.float32)
    rgb = colour.lab_to_rgb(lab)
    # The colorants of the sRGB profile are given to 7 digits and add up to D50 within 1e-4.
    np.testing.assert_allclose(rgb[0, 0], 1, atol=2e-4)
    np.testing.assert_allclose(rgb[0, 1], 0, atol=1e-6)
    np.testing.assert_allclose(
        rgb[0, 2],
        colour.encode_srgb(np.full((1, 1, 1), 0.18418652, np.float32))[0, 0, 0],
        atol=2e-4,
    )


@pytest.mark.parametrize(
    ("ink", "expected"),
    [
        ((0, 0, 0, 0), (1, 1, 1)),
        ((0, 0, 0, 1), (0, 0, 0)),
        ((1, 0, 0, 0), (0, 1, 1)),
        ((0.5, 0, 0, 0.5), (0.25, 0.5, 0.5)),
    ],
)
def test_ink_without_a_profile(ink: tuple[float, ...], expected: tuple[float, ...]) -> None:
    result = colour.cmyk_to_rgb(np.array([[ink]], np.float32))
    np.testing.assert_array_equal(result, np.array([[expected]], np.float32))
