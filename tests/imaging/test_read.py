"""Photos made here, one property each, come out of `read_photo` right."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from dinplug.errors import ReadError
from dinplug.imaging import probe_photo, profiles, read_photo, write_photo
from dinplug.imaging.colour import decode_srgb, encode_srgb
from dinplug.imaging.tiff import read_tiff

RNG = np.random.default_rng(7)
COLOUR_16 = RNG.integers(0, 65536, (11, 13, 3), dtype=np.uint16)
COLOUR_8 = RNG.integers(0, 256, (11, 13, 3), dtype=np.uint8)


def tiff_of(folder: Path, samples: Any, **tags: Any) -> Path:
    path = folder / "photo.tif"
    tifffile.imwrite(path, samples, metadata=None, **tags)
    return path


def test_dark_16_bit_file_stays_16_bit(tmp_path: Path) -> None:
    dark = (COLOUR_16 // 512).astype(np.uint16)  # no value above 127
    path = tiff_of(tmp_path, dark, photometric="rgb")
    photo = read_photo(path)
    assert photo.source.bits == 16 and float(photo.rgb.max()) < 128 / 65535
    write_photo(photo, tmp_path / "out.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), dark)


def test_bright_8_bit_file_is_scaled_by_its_type(tmp_path: Path) -> None:
    photo = read_photo(tiff_of(tmp_path, COLOUR_8, photometric="rgb"))
    np.testing.assert_array_equal(photo.rgb, COLOUR_8 / np.float32(255))
    assert photo.rgb.dtype == np.float32 and photo.alpha is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_orientation(orientation: int, tmp_path: Path) -> None:
    path = tiff_of(
        tmp_path, COLOUR_8, photometric="rgb", extratags=[(274, 3, 1, orientation, True)]
    )
    photo = read_photo(path)
    turned = Image.fromarray(COLOUR_8)
    turned.getexif()[274] = orientation
    np.testing.assert_array_equal(
        np.rint(photo.rgb * 255), np.asarray(ImageOps.exif_transpose(turned))
    )
    info = probe_photo(path)
    assert (info.width, info.height) == (photo.width, photo.height)
    write_photo(photo, tmp_path / "out.tif")
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages.first.tags.valueof(274) == 1


def test_linear_profile_is_encoded_and_float_without_one_too(tmp_path: Path) -> None:
    linear = RNG.uniform(-0.5, 4, (5, 6, 3)).astype(np.float32)
    photo = read_photo(tiff_of(tmp_path, linear, photometric="rgb"))
    assert photo.source.transfer == "linear"
    np.testing.assert_array_equal(photo.rgb, encode_srgb(linear))


def test_float_with_a_display_profile_is_left_as_it_is(tmp_path: Path) -> None:
    values = RNG.uniform(0, 1, (5, 6, 3)).astype(np.float32)
    profile = profiles.named_profile("display-p3")
    photo = read_photo(tiff_of(tmp_path, values, photometric="rgb", iccprofile=profile))
    assert photo.source.transfer == "display" and photo.source.profile == profile
    np.testing.assert_array_equal(photo.rgb, values)


def test_not_finite_pixels_do_not_spread_and_come_back(tmp_path: Path) -> None:
    linear = np.full((9, 9, 3), 0.5, np.float32)
    linear[4, 4], linear[0, 0, 1], linear[8, 8, 2] = np.nan, np.inf, -np.inf
    photo = read_photo(tiff_of(tmp_path, linear, photometric="rgb"))
    np.testing.assert_allclose(decode_srgb(photo.rgb), 0.5, rtol=1e-6)
    brighter = photo.restored(photo.rgb * np.float32(1.1))
    write_photo(brighter, tmp_path / "out.tif")
    result = tifffile.imread(tmp_path / "out.tif")
    odd = ~np.isfinite(linear).all(axis=2)
    np.testing.assert_allclose(result[odd], linear[odd], rtol=1e-6)
    assert (result[~odd] > 0.5).all()


def test_spot_channel_is_kept_and_is_no_alpha(tmp_path: Path) -> None:
    samples = np.concatenate([COLOUR_8, COLOUR_8[..., :1]], axis=2)
    path = tiff_of(tmp_path, samples, photometric="rgb", extrasamples=["unspecified"])
    photo = read_photo(path)
    assert photo.alpha is None
    write_photo(photo, tmp_path / "out.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), samples)
    double = photo.rgb.repeat(2, axis=0).repeat(2, axis=1)
    write_photo(photo.restored(double), tmp_path / "large.tif")
    expected = samples.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "large.tif"), expected)


def test_premultiplied_alpha_is_divided_out(tmp_path: Path) -> None:
    alpha = np.full((4, 4, 1), 128, np.uint8)
    samples = np.concatenate([np.full((4, 4, 3), 64, np.uint8), alpha], axis=2)
    path = tiff_of(tmp_path, samples, photometric="rgb", extrasamples=["assocalpha"])
    photo = read_photo(path)
    np.testing.assert_allclose(photo.rgb, 0.5, rtol=2**-22)
    assert photo.source.alpha == "premultiplied"
    write_photo(photo, tmp_path / "out.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), samples)


def test_clear_pixels_do_not_darken_the_edge(tmp_path: Path) -> None:
    samples = np.zeros((8, 8, 4), np.uint8)
    samples[:, :4] = [200, 180, 160, 255]
    path = tmp_path / "a.png"
    Image.fromarray(samples).save(path)
    photo = read_photo(path)
    np.testing.assert_array_equal(np.rint(photo.rgb * 255), np.full((8, 8, 3), [200, 180, 160]))
    write_photo(photo, tmp_path / "out.png")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out.png")), samples)


def test_damaged_profile_is_ignored_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(COLOUR_8).save(path, icc_profile=b"not a profile" * 30)
    photo = read_photo(path)
    assert photo.source.profile is None
    assert any("damaged" in note for note in photo.source.warnings)


def test_profile_of_another_colour_model_is_ignored_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(COLOUR_8[..., 0]).save(path, icc_profile=profiles.named_profile("srgb"))
    photo = read_photo(path)
    assert photo.source.profile is None
    assert any("for rgb" in note for note in photo.source.warnings)


def test_more_pages_are_never_lost_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as out:
        out.write(COLOUR_8, photometric="rgb", metadata=None)
        out.write(COLOUR_8[::-1], photometric="rgb", metadata=None)
        out.write(COLOUR_8[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
    photo = read_photo(path)
    assert photo.source.warnings == ("only the first of 2 pages is restored",)


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_animations_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(ReadError, match="animation of 3 frames"):
        read_photo(path)


@pytest.mark.parametrize("kind", ["gif", "bmp"])
def test_other_still_pictures_open(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    Image.new("RGB", (8, 5), (255, 0, 128)).save(path)
    photo = read_photo(path)
    np.testing.assert_array_equal(np.rint(photo.rgb * 255)[0, 0], [255, 0, 128])
    assert (photo.height, photo.width) == (5, 8)


def test_limits(tmp_path: Path) -> None:
    path = tiff_of(tmp_path, COLOUR_16, photometric="rgb")
    need = 11 * 13 * (3 * 2 + 12)
    assert read_photo(path, max_pixels=11 * 13, max_bytes=need).width == 13
    with pytest.raises(ReadError, match="more than the limit of 142"):
        read_photo(path, max_pixels=142)
    with pytest.raises(ReadError, match="decoding needs"):
        read_photo(path, max_bytes=need - 1)


def test_missing_strip_is_refused(tmp_path: Path) -> None:
    path = tiff_of(tmp_path, COLOUR_8, photometric="rgb", rowsperstrip=2)
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.pages.first.tags[279]
        tag.overwrite((*tag.value[:-1], 0))
    with pytest.raises(ReadError, match="pixel data are missing"):
        read_photo(path)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd"])
def test_damaged_samples_cost_the_photo_and_not_the_run(
    compression: str, seed: int, tmp_path: Path
) -> None:
    """Some of these crash a decoder; it must take nothing else down."""
    path = tiff_of(tmp_path, COLOUR_8 // 32, photometric="rgb", compression=compression)
    with tifffile.TiffFile(path) as file:
        start, size = file.pages.first.dataoffsets[0], file.pages.first.databytecounts[0]
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(seed)
    for at in noise.integers(start, start + size, 5):
        data[at] = noise.integers(256)
    path.write_bytes(data)
    try:
        photo = read_photo(path)
    except ReadError as error:
        assert str(error).startswith(f"{path}: damaged")
    else:
        assert photo.rgb.shape == COLOUR_8.shape


def test_crashing_tiff_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "decoder.py"
    script.write_text("import os; os.abort()")
    monkeypatch.setattr("dinplug.imaging.tiff._DECODER", script)
    with pytest.raises(ReadError, match="damaged file: its decoder broke off"):
        read_photo(tiff_of(tmp_path, COLOUR_8, photometric="rgb", compression="lzw"))
    # Samples that need no decoder are read here.
    assert read_photo(tiff_of(tmp_path, COLOUR_8, photometric="rgb")).width == 13


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.mkdir(), "folder"),
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_text("a letter"), "not a photo of a kind"),
    ],
)
def test_no_photo_at_all(make: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    make(path)
    for read in (read_photo, probe_photo):
        with pytest.raises(ReadError, match=reason):
            read(path)


def test_error_of_a_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(f"{read_tiff.__module__}.read_tiff", fail)
    with pytest.raises(ReadError, match="not enough memory"):
        read_photo(tiff_of(tmp_path, COLOUR_8, photometric="rgb"))


def test_restored_checks_shapes(tmp_path: Path) -> None:
    photo = read_photo(tiff_of(tmp_path, COLOUR_8, photometric="rgb"))
    with pytest.raises(ValueError, match="pixels must be"):
        photo.restored(photo.rgb[..., 0])
    with pytest.raises(ValueError, match="no alpha"):
        photo.restored(photo.rgb, photo.rgb[..., 0])


@pytest.mark.skipif(os.name != "posix", reason="pipes and links of Unix")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    for name, reason in (("pipe", "it is a device or a pipe"), ("circle", "leads in a circle")):
        with pytest.raises(ReadError, match=reason):
            read_photo(tmp_path / f"{name}.jpg")
        with pytest.raises(ReadError, match=reason):
            probe_photo(tmp_path / f"{name}.jpg")
