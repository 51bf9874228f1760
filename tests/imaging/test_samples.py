"""Samples in memory become the photo that a TIFF of them becomes, and come back the same."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from dinplug.imaging import profiles, read_photo, write_photo
from dinplug.imaging.samples import SAMPLE_TYPES, photo_from_samples, samples_from_photo

LINEAR = imagecodecs.cms_profile("rgb", gamma=1.0)
PROFILES = {"none": None, "srgb": profiles.named_profile("srgb"), "linear": LINEAR}
FORMS = [(n, "none") for n in (1, 2, 3, 4)] + [(n, p) for n in (3, 4) for p in ("srgb", "linear")]
"""Channels and profiles that go together."""


def random_samples(dtype: str, channels: int, size: tuple[int, int] = (13, 17)) -> NDArray[Any]:
    """Samples of the whole range, floats a little beyond, with clear pixels where alpha is."""
    rng = np.random.default_rng(channels)
    unit = rng.random((*size, channels))
    if dtype.startswith("float"):
        samples: NDArray[Any] = (unit * 1.5 - 0.2).astype(dtype)
    else:
        samples = np.rint(unit * np.iinfo(dtype).max).astype(dtype)
    if channels in (2, 4):
        samples[..., -1] = np.clip(samples[..., -1], 0, None)
        samples[2:4, 3:6, -1] = 0
        if dtype.startswith("float"):
            samples[..., -1] = samples[..., -1].clip(0, 1)
    return samples


def as_tiff(path: Path, samples: NDArray[Any], profile: bytes | None) -> Path:
    """A TIFF of the samples."""
    channels = samples.shape[2]
    tifffile.imwrite(
        path,
        samples[..., 0] if channels == 1 else samples,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        iccprofile=profile,
        metadata=None,
    )
    return path


@pytest.mark.parametrize(("channels", "profile"), FORMS)
@pytest.mark.parametrize("dtype", SAMPLE_TYPES)
def test_they_take_the_way_of_a_tiff(
    dtype: str, channels: int, profile: str, tmp_path: Path
) -> None:
    samples, icc = random_samples(dtype, channels), PROFILES[profile]
    there = photo_from_samples(samples, icc)
    path = as_tiff(tmp_path / "photo.tif", samples, icc)
    file = read_photo(path)
    assert np.array_equal(there.rgb, file.rgb)
    if there.alpha is None or file.alpha is None:
        assert there.alpha is file.alpha and channels in (1, 3)
    else:
        assert np.array_equal(there.alpha, file.alpha)
    assert there.source.transfer == file.source.transfer
    assert there.source.warnings == ()
    changed = there.rgb * np.float32(0.75) + np.float32(0.1)
    write_photo(file.restored(changed), tmp_path / "result.tif")
    stored = tifffile.imread(tmp_path / "result.tif").reshape(samples.shape)
    back = samples_from_photo(there.restored(changed))
    assert back.dtype == samples.dtype
    assert np.array_equal(back, stored)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", SAMPLE_TYPES)
def test_the_plugin_may_say_what_is_linear(dtype: str, channels: int) -> None:
    samples = random_samples(dtype, channels)
    display = photo_from_samples(samples, transfer="display")
    linear = photo_from_samples(samples, transfer="linear")
    colours = samples[..., : channels - (channels in (2, 4))].astype(np.float64)
    white = 1.0 if dtype.startswith("float") else np.iinfo(dtype).max
    seen = samples[..., -1] > 0 if channels in (2, 4) else np.ones(samples.shape[:2], bool)
    # One rounding to float32 of values below 2.
    assert np.abs(display.rgb - colours / white)[seen].max() <= 2**-24 * 2
    assert linear.rgb[seen].mean() > display.rgb[seen].mean()
    for photo in (display, linear):
        back = samples_from_photo(photo)
        if dtype in ("uint8", "uint16"):
            assert np.array_equal(back, samples)
        else:
            # The curve there and back in float32: a few roundings of values below 2.
            rounding = np.float16 if dtype == "float16" else np.float32
            bound = 8 * float(np.finfo(rounding).eps) * white
            assert np.abs(back.astype(np.float64) - samples.astype(np.float64)).max() <= bound


def test_pixels_that_are_no_numbers_come_back() -> None:
    samples = random_samples("float32", 3)
    samples[1, 2] = np.nan
    samples[3, 4, 0] = np.inf
    photo = photo_from_samples(samples, transfer="display")
    assert np.isfinite(photo.rgb).all()
    assert np.array_equal(samples_from_photo(photo), samples, equal_nan=True)


def test_a_profile_that_does_not_fit_is_told_of() -> None:
    photo = photo_from_samples(random_samples("uint8", 1), profiles.named_profile("srgb"))
    assert photo.source.profile is None and "is for rgb" in photo.source.warnings[0]
    photo = photo_from_samples(random_samples("uint8", 3), b"damaged")
    assert photo.source.profile is None and "damaged" in photo.source.warnings[0]


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.int16),
        np.zeros((4, 4, 3), np.complex64),
    ],
    ids=lambda a: f"{a.shape}-{a.dtype}",
)
def test_other_arrays_are_refused(samples: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match="samples must be"):
        photo_from_samples(samples)
