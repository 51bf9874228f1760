"""Results are written whole or not at all, as wished, and never over the original."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from dinplug.errors import WriteError
from dinplug.imaging import Photo, WriteOptions, profiles, read_photo, write_photo
from dinplug.imaging.colour import decode_srgb, lab_to_rgb
from tests.imaging.cmyk_profile import cmyk_profile, lab_of

RNG = np.random.default_rng(11)


def smooth(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return colours (H, W, 3) within 0.2..0.8 that change slowly."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    return np.stack([0.2 + 0.6 * y, 0.2 + 0.6 * x, 0.5 + 0.3 * np.sin(3 * (x + y))], -1)


def photo_of(folder: Path, samples: Any, **tags: Any) -> Photo:
    path = folder / "original.tif"
    tifffile.imwrite(path, samples, metadata=None, **tags)
    return read_photo(path)


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    return photo_of(tmp_path, np.rint(smooth(24, 33) * 65535).astype(np.uint16), photometric="rgb")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_original_is_never_overwritten(photo: Photo, tmp_path: Path) -> None:
    before = photo.source.path.read_bytes()
    link = tmp_path / "link.tif"
    link.hardlink_to(photo.source.path)
    for path in (photo.source.path, link):
        with pytest.raises(WriteError, match="original"):
            write_photo(photo, path, overwrite=True)
    assert photo.source.path.read_bytes() == before


def test_what_exists_is_replaced_only_on_wish(photo: Photo, out: Path) -> None:
    path = out / "a.tif"
    path.write_bytes(b"precious")
    with pytest.raises(WriteError, match="exists already"):
        write_photo(photo, path)
    assert path.read_bytes() == b"precious"
    write_photo(photo, path, overwrite=True)
    assert read_photo(path).width == photo.width
    assert os.listdir(out) == ["a.tif"]


def test_name_taken_meanwhile_is_left_alone(
    photo: Photo, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = out / "a.tif"
    real = os.fsync

    def taken(handle: int) -> None:
        path.write_bytes(b"precious")
        real(handle)

    monkeypatch.setattr(os, "fsync", taken)
    with pytest.raises(WriteError, match="exists already"):
        write_photo(photo, path)
    assert path.read_bytes() == b"precious" and os.listdir(out) == ["a.tif"]


def test_file_system_without_links(
    photo: Photo, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write_photo(photo, out / "a.tif")
    assert os.listdir(out) == ["a.tif"] and read_photo(out / "a.tif").width == photo.width
    with pytest.raises(WriteError, match="exists already"):
        write_photo(photo, out / "a.tif")


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EIO, "cannot be")],
)
def test_failing_disk_leaves_nothing(
    number: int, reason: str, photo: Photo, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(WriteError, match=reason) as caught:
        write_photo(photo, out / "a.tif")
    assert os.listdir(out) == [] and "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError) and caught.value.__cause__.errno == number


_TOO_LARGE = """
import resource, signal, sys
from pathlib import Path
from dinplug.errors import WriteError
from dinplug.imaging import WriteOptions, read_photo, write_photo
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
photo = read_photo(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
for format in ("tiff", "jpeg", "png", "webp"):
    try:
        write_photo(photo, Path(sys.argv[2]) / f"a.{format}", WriteOptions(format=format))
    except WriteError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits file sizes as POSIX does")
def test_disk_that_takes_no_more_in_the_middle_of_a_file(photo: Photo, out: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", _TOO_LARGE, str(photo.source.path), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = run.stdout.splitlines()
    assert len(lines) == 4 and run.stderr == ""
    assert all(line.startswith(str(out)) for line in lines)
    assert os.listdir(out) == []


def test_folder_that_is_none(photo: Photo, out: Path) -> None:
    with pytest.raises(WriteError, match="folder does not exist"):
        write_photo(photo, out / "none" / "a.tif")
    (out / "file").write_text("")
    with pytest.raises(WriteError, match="not a folder"):
        write_photo(photo, out / "file" / "a.tif")
    with pytest.raises(WriteError, match="name is too long"):
        write_photo(photo, out / ("a" * 300 + ".tif"))
    assert os.listdir(out) == ["file"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(photo: Photo, out: Path) -> None:
    out.chmod(0o500)
    with pytest.raises(WriteError, match="no permission"):
        write_photo(photo, out / "a.tif")
    out.chmod(0o700)
    assert os.listdir(out) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_result_has_the_permissions_of_any_new_file(photo: Photo, out: Path) -> None:
    write_photo(photo, out / "a.tif")
    (out / "b").write_text("")
    assert (out / "a.tif").stat().st_mode == (out / "b").stat().st_mode


@pytest.mark.parametrize("format", ["tiff", "jpeg", "png", "webp"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4"])
def test_every_depth_to_every_format(dtype: str, format: str, tmp_path: Path, out: Path) -> None:
    values = smooth(40, 40)
    white = 1 if dtype[0] == "f" else 2 ** (8 * int(dtype[1])) - 1
    stored = (values * white if dtype[0] == "f" else np.rint(values * white)).astype(dtype)
    photo = photo_of(tmp_path, stored, photometric="rgb")
    quality = 100 if format in ("jpeg", "webp") else None
    write_photo(photo, out / "a", WriteOptions(format=format, quality=quality))
    result = read_photo(out / "a")
    expected = {"tiff": stored.dtype.itemsize * 8, "png": 8 if dtype == "u1" else 16}.get(format, 8)
    assert result.source.bits == expected
    # The lossless ones are off by half a quantum at most; JPEG of quality 100 has steps of 1
    # and so half a level for each of its 64 coefficients and colour conversions.
    bound = {"tiff": 0.5 / white, "png": 0.5 / (2**expected - 1)}.get(format, 4 / 255)
    before, after = photo.rgb, result.rgb
    if result.source.transfer == "linear":
        before, after = decode_srgb(before), decode_srgb(after)
    assert float(np.abs(before - after).max()) <= bound + 2**-22
    linear_lost = dtype[0] == "f" and format != "tiff"
    assert (result.source.profile == profiles.named_profile("srgb")) == linear_lost


def test_bit_depths(photo: Photo, out: Path) -> None:
    for bits, dtype in ((8, "u1"), (16, "u2"), (32, "f4")):
        write_photo(photo, out / f"{bits}.tif", WriteOptions(bit_depth=bits))
        samples = tifffile.imread(out / f"{bits}.tif")
        assert samples.dtype == np.dtype(dtype)
    with pytest.raises(WriteError, match="JPEG holds 8 bits"):
        jpeg = out / "a.jpg"
        write_photo(photo, jpeg, WriteOptions(format="jpeg"))
        write_photo(read_photo(jpeg), out / "b.jpg", WriteOptions(bit_depth=16))


def test_float_result_of_a_display_photo_is_no_linear_light(photo: Photo, out: Path) -> None:
    """Without a profile it would be read as linear, so it gets one."""
    write_photo(photo, out / "a.tif", WriteOptions(bit_depth=32))
    result = read_photo(out / "a.tif")
    assert result.source.transfer == "display"
    np.testing.assert_array_equal(result.rgb, photo.rgb)
    grey = photo_of(out, np.full((4, 4), 40000, np.uint16), photometric="minisblack")
    write_photo(grey, out / "b.tif", WriteOptions(bit_depth=32))
    # The curve there and back costs a few roundings of 24 bits.
    np.testing.assert_allclose(read_photo(out / "b.tif").rgb, grey.rgb, rtol=2**-20)


@pytest.mark.parametrize("name", ["none", "lzw", "deflate", "zstd", "packbits"])
def test_compressions_are_lossless(name: str, photo: Photo, out: Path) -> None:
    write_photo(photo, out / "a.tif", WriteOptions(compression=name))
    result = read_photo(out / "a.tif")
    assert result.source.compression == name
    np.testing.assert_array_equal(result.rgb, photo.rgb)


def test_quality(photo: Photo, out: Path) -> None:
    sizes = []
    for quality in (30, 60, 90):
        path = out / f"{quality}.jpg"
        write_photo(photo, path, WriteOptions(format="jpeg", quality=quality))
        sizes.append(path.stat().st_size)
        assert read_photo(path).source.jpeg_quality == pytest.approx(quality, abs=1)
    assert sizes == sorted(sizes)
    assert read_photo(out / "60.jpg").source.jpeg_subsampling == 0


@pytest.mark.parametrize(("own", "result"), [(50, 90), (93, 93), (98, 98)])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_follows_its_original(
    own: int, result: int, subsampling: int, tmp_path: Path, out: Path
) -> None:
    path = tmp_path / "a.jpg"
    image = Image.fromarray(np.rint(smooth(32, 32) * 255).astype(np.uint8))
    image.save(path, quality=own, subsampling=subsampling)
    write_photo(read_photo(path), out / "a.jpg")
    source = read_photo(out / "a.jpg").source
    assert source.jpeg_quality == pytest.approx(result, abs=1)
    assert source.jpeg_subsampling == subsampling


@pytest.mark.parametrize("name", profiles.PROFILE_NAMES)
def test_output_profile(name: str, photo: Photo, out: Path) -> None:
    write_photo(photo, out / "a.tif", WriteOptions(output_profile=name))
    result = read_photo(out / "a.tif")
    assert result.source.profile == profiles.named_profile(name)
    srgb = profiles.named_profile("srgb")
    back = profiles.convert(result.rgb, profiles.named_profile(name), "rgb", srgb, "rgb")
    # Half a 16-bit quantum, stretched by the matrix to the smaller gamut (at most 3 times a
    # channel) and by the difference of the curves' slopes (at most twice in 0.2..0.8).
    np.testing.assert_allclose(back, photo.rgb, atol=6 * 0.5 / 65535 + 1e-5)


def test_transparency_is_not_lost_to_jpeg(tmp_path: Path, out: Path) -> None:
    samples = np.full((8, 8, 4), 255, np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(samples).save(path)
    write_photo(read_photo(path), out / "solid.jpg", WriteOptions(format="jpeg"))
    samples[0, 0, 3] = 254
    Image.fromarray(samples).save(path)
    with pytest.raises(WriteError, match="transparency"):
        write_photo(read_photo(path), out / "clear.jpg", WriteOptions(format="jpeg"))
    assert os.listdir(out) == ["solid.jpg"]


def test_extra_channels_only_in_tiff(tmp_path: Path, out: Path) -> None:
    samples = RNG.integers(0, 256, (8, 8, 4), dtype=np.uint8)
    photo = photo_of(tmp_path, samples, photometric="rgb", extrasamples=["unspecified"])
    with pytest.raises(WriteError, match="extra channels"):
        write_photo(photo, out / "a.png", WriteOptions(format="png"))
    write_photo(photo, out / "a.tif", WriteOptions(bit_depth=16))
    np.testing.assert_array_equal(tifffile.imread(out / "a.tif"), samples.astype(np.uint16) * 257)


def test_grey_stays_grey(tmp_path: Path, out: Path) -> None:
    grey = np.rint(smooth(16, 16)[..., 2] * 65535).astype(np.uint16)
    photo = photo_of(tmp_path, grey, photometric="minisblack")
    for name, options in (("a.tif", WriteOptions()), ("a.png", WriteOptions(format="png"))):
        notes = write_photo(photo, out / name, options)
        assert notes == () and read_photo(out / name).source.model == "grey"
    tinted = photo.restored(photo.rgb * np.array([1.0, 0.9, 0.8], np.float32))
    notes = write_photo(tinted, out / "b.tif", WriteOptions(output_profile="srgb"))
    assert "grey" in notes[0] and tifffile.imread(out / "b.tif").shape == (16, 16)


def test_larger_result_states_its_size(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "a.jpg"
    image = Image.fromarray(np.rint(smooth(16, 24) * 255).astype(np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0xA002: 24, 0xA003: 16, 0x9003: "2024:01:02 03:04:05"})
    image.save(path, exif=exif)
    photo = read_photo(path)
    assert photo.rgb.shape == (24, 16, 3)
    large = photo.restored(photo.rgb.repeat(2, axis=0).repeat(2, axis=1))
    for format in ("jpeg", "tiff", "png", "webp"):
        write_photo(large, out / format, WriteOptions(format=format))
        result = read_photo(out / format)
        assert result.rgb.shape == (48, 32, 3)
        about = result.source.metadata
        assert about.exif[0xA002].integers() == (32,) and about.exif[0xA003].integers() == (48,)
        assert about.exif[0x9003].data == b"2024:01:02 03:04:05\0"


def test_inks_with_a_profile_go_there_and_back(tmp_path: Path, out: Path) -> None:
    ink = np.concatenate([smooth(20, 20), np.zeros((20, 20, 1))], -1)
    stored = np.rint(ink * 65535).astype(np.uint16)
    profile = cmyk_profile()
    photo = photo_of(tmp_path, stored, photometric="separated", iccprofile=profile)
    expected = lab_to_rgb(lab_of(stored / 65535).astype(np.float32))
    # The profile's Lab has 16 bits for a range of 256, 2e-3 of a or b at most half a step off
    # in each of its corners; sRGB's white has four digits.
    np.testing.assert_allclose(photo.rgb, expected, atol=5e-4)
    write_photo(photo, out / "a.tif")
    result = read_photo(out / "a.tif")
    assert (result.source.model, result.source.profile) == ("cmyk", profile)
    # 2e-3 of a or b is 5e-5 of the ink.
    np.testing.assert_allclose(tifffile.imread(out / "a.tif") / 65535, ink, atol=2e-4)
    write_photo(photo, out / "a.png", WriteOptions(format="png"))
    assert read_photo(out / "a.png").source.profile == profiles.named_profile("srgb")
    write_photo(photo, out / "a.jpg", WriteOptions(format="jpeg", quality=100))
    assert read_photo(out / "a.jpg").source.model == "cmyk"


def test_wide_gamut_samples_are_not_converted(tmp_path: Path, out: Path) -> None:
    samples = RNG.integers(0, 65536, (9, 9, 3), dtype=np.uint16)
    profile = profiles.named_profile("prophoto")
    photo = photo_of(tmp_path, samples, photometric="rgb", iccprofile=profile)
    np.testing.assert_array_equal(np.rint(photo.rgb * 65535), samples)
    write_photo(photo, out / "a.png", WriteOptions(format="png"))
    result = read_photo(out / "a.png")
    assert result.source.profile == profile
    np.testing.assert_array_equal(np.rint(result.rgb * 65535), samples)
