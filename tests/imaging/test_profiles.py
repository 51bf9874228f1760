"""ICC profiles are made, judged and applied as ICC.1 and the colour spaces' standards say."""

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import ImageCms

from dinplug.errors import UsageError
from dinplug.imaging import profiles

# Colorants under D50 (Bradford), as published with each space; the last digit is rounded.
COLORANTS = {
    "srgb": ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)),
    "display-p3": ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)),
    "adobe-rgb": ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)),
    "prophoto": ((0.7977, 0.2880, 0.0000), (0.1352, 0.7119, 0.0000), (0.0313, 0.0001, 0.8249)),
}


@pytest.mark.parametrize("name", profiles.PROFILE_NAMES)
def test_named_profile(name: str) -> None:
    data = profiles.named_profile(name)
    assert profiles.space_of(data) == "rgb"
    assert not profiles.is_linear(data)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(data)).profile
    found = (profile.red_colorant, profile.green_colorant, profile.blue_colorant)
    for colorant, expected in zip(found, COLORANTS[name], strict=True):
        assert colorant is not None
        # Half of the published last digit, and as much for the white points' four digits.
        assert colorant[0] == pytest.approx(expected, abs=2e-4)


def test_own_srgb_is_that_of_littlecms() -> None:
    ramp = np.linspace(0, 1, 3 * 64, dtype=np.float32).reshape(8, 8, 3)
    theirs = imagecodecs.cms_profile("srgb")
    result = profiles.convert(ramp, profiles.named_profile("srgb"), "rgb", theirs, "rgb")
    # s15Fixed16 colorants are good for 2**-17, the white point's four digits for 1e-4.
    np.testing.assert_allclose(result, ramp, atol=2e-4)


@pytest.mark.parametrize("name", profiles.PROFILE_NAMES)
def test_conversion_comes_back_beyond_the_gamut(name: str) -> None:
    # Adobe RGB's curve is a plain power, which means nothing below zero; the others' are straight
    # there. (0.25..1 keeps colours inside its gamut.)
    low, high = (0.25, 1.0) if name == "adobe-rgb" else (-0.2, 1.5)
    pixels = np.random.default_rng(1).uniform(low, high, (9, 7, 3)).astype(np.float32)
    srgb, other = profiles.named_profile("srgb"), profiles.named_profile(name)
    there = profiles.convert(pixels, srgb, "rgb", other, "rgb")
    back = profiles.convert(there, other, "rgb", srgb, "rgb")
    # A 16-bit step is 1.5e-5: the way through LittleCMS must be finer than that.
    np.testing.assert_allclose(back, pixels, atol=1e-5)


def trc(name: str, curve: bytes) -> bytes:
    """Return the sRGB profile with another tone curve."""
    data = profiles.named_profile("srgb")
    own = struct.pack(">4s4xHxx", b"para", 3)
    at = data.index(own)
    assert len(curve) <= 32
    return data[:at] + curve.ljust(32, b"\0") + data[at + 32 :]


@pytest.mark.parametrize(
    ("curve", "linear"),
    [
        (struct.pack(">4s4xI", b"curv", 0), True),
        (struct.pack(">4s4xIH", b"curv", 1, 256), True),
        (struct.pack(">4s4xIH", b"curv", 1, 563), False),
        (struct.pack(">4s4xI3H", b"curv", 3, 0, 32768, 65535), True),
        (struct.pack(">4s4xI3H", b"curv", 3, 0, 20000, 65535), False),
        (struct.pack(">4s4xHxxi", b"para", 0, 65536), True),
        (struct.pack(">4s4xHxxi", b"para", 0, 2 * 65536), False),
        (struct.pack(">4s4xI", b"curv", 1000), False),
    ],
)
def test_linear_curves_are_found(curve: bytes, linear: bool) -> None:
    assert profiles.is_linear(trc("test", curve)) is linear


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 200, profiles.named_profile("srgb")[:300], profiles.named_profile("srgb")[:131]],
)
def test_damaged_profiles_are_found(data: bytes) -> None:
    assert profiles.space_of(data) is None


def test_load_profile(tmp_path: Path) -> None:
    assert profiles.load_profile("Display-P3") == profiles.named_profile("display-p3")
    path = tmp_path / "own.icc"
    path.write_bytes(profiles.named_profile("prophoto"))
    assert profiles.load_profile(str(path)) == profiles.named_profile("prophoto")
    path.write_bytes(imagecodecs.cms_profile("gray"))
    with pytest.raises(UsageError, match="not an ICC profile for RGB"):
        profiles.load_profile(str(path))
    with pytest.raises(UsageError, match=r"srgb, display-p3, adobe-rgb, prophoto or an \.icc"):
        profiles.load_profile("cinema")


def test_pair_that_littlecms_refuses() -> None:
    pixels = np.zeros((2, 2, 3), np.float32)
    with pytest.raises(ValueError, match=r"."):
        profiles.convert(pixels, imagecodecs.cms_profile("gray"), "rgb", b"nothing", "rgb")
