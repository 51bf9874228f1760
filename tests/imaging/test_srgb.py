"""What a screen shows of a photo: its profile applied, transparency on white."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinplug.imaging import WriteOptions, read_photo, write_photo
from dinplug.imaging.profiles import named_profile
from dinplug.imaging.srgb import as_srgb


def test_srgb_pixels_stay_as_they_are(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (as_srgb(read_photo(tmp_path / "a.png")) == pixels).all()


def test_a_wide_gamut_photo_looks_the_same(tmp_path: Path) -> None:
    """The same colours, stored in three spaces of which one is linear light, give the same."""
    pixels = np.random.default_rng(4).integers(20, 230, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for profile in ("display-p3", "prophoto"):
        wide = tmp_path / f"{profile}.tif"
        options = WriteOptions("tiff", bit_depth=16, output_profile=profile)
        write_photo(read_photo(tmp_path / "a.png"), wide, options)
        photo = read_photo(wide)
        assert np.abs(photo.rgb * 255 - pixels).max() > 5, "stored with other numbers"
        assert np.abs(as_srgb(photo).astype(int) - pixels).max() <= 1


def test_grey_follows_its_own_curve(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert (as_srgb(read_photo(tmp_path / "a.png")) == grey[..., None]).all()


@pytest.mark.parametrize(("alpha", "seen"), [(0, 255), (255, 40), (51, 212)])
def test_what_is_transparent_lies_on_white(tmp_path: Path, alpha: int, seen: int) -> None:
    Image.new("RGBA", (3, 2), (40, 40, 40, alpha)).save(tmp_path / "a.png")
    assert (as_srgb(read_photo(tmp_path / "a.png")) == seen).all()


def test_cmyk_is_shown_in_srgb(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red, green, blue = as_srgb(read_photo(tmp_path / "a.jpg"))[0, 0]
    assert red > 240 and max(green, blue) < 15


def test_a_profile_of_srgb_changes_nothing(tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=named_profile("srgb"))
    assert np.abs(as_srgb(read_photo(tmp_path / "a.png")).astype(int) - pixels).max() <= 1
