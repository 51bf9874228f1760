"""Every file of the collection is restored with everything kept, or refused for its reason."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dinplug.errors import ReadError
from dinplug.imaging import (
    Photo,
    Provenance,
    is_photo_name,
    output_suffix,
    probe_photo,
    read_photo,
    write_photo,
)
from dinplug.imaging.colour import decode_srgb
from dinplug.imaging.compose import stored_depth
from dinplug.imaging.metadata import COLOUR_SPACE, PIXEL_X, PIXEL_Y, SOFTWARE
from dinplug.imaging.photo import F32Image

MADE = Provenance("dehaze", "din-small", "ab" * 32, "strength=1", "0.1.0")


def _folder() -> Path:
    beside = Path(__file__).resolve().parents[3] / "shared"
    return Path(os.environ.get("DINPLUG_SHARED", beside)) / "data" / "files"


def _rows(*expected: str) -> list[str]:
    table = _folder() / "files.csv"
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as lines:
        return [row["file"] for row in csv.DictReader(lines) if row["expect"] in expected]


@pytest.fixture
def files(shared: Path) -> Path:
    return shared / "data" / "files"


def _restored(path: Path, folder: Path) -> tuple[Photo, Photo, Path]:
    photo = read_photo(path)
    target = folder / f"result{output_suffix(photo.source, None)}"
    write_photo(photo.restored(photo.rgb, photo.alpha, provenance=MADE), target)
    return photo, read_photo(target), target


@pytest.mark.parametrize("name", _rows("ok"))
def test_restored_with_everything_kept(
    name: str, files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = files / name
    info = probe_photo(path)
    photo, result, target = _restored(path, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert (info.width, info.height, info.kind) == (photo.width, photo.height, photo.source.kind)
    assert [entry.name for entry in tmp_path.iterdir()] == [target.name]
    assert (result.source.sample, result.source.bits) == stored_depth(photo)
    assert result.source.profile == photo.source.profile
    assert result.source.transfer == photo.source.transfer
    assert np.isfinite(photo.rgb).all()
    _same_alpha(photo, result)
    _same_metadata(photo, result)
    if target.suffix in (".jpg", ".jpeg"):
        _within_jpeg_quantisation(photo, target)
    elif target.suffix == ".webp":
        _as_encoded_once(photo, result)
    else:
        _same_pixels(photo, result)
    if target.suffix in (".tif", ".tiff"):
        with tifffile.TiffFile(target) as file:
            assert file.pages.first.tags.valueof(0x0112) == 1
    else:
        with Image.open(target) as image:
            assert image.getexif().get(0x0112, 1) == 1


def _same_pixels(photo: Photo, result: Photo) -> None:
    """Half a quantum of the result's depth, in the space in which its samples are stored."""
    before, after = photo.rgb, result.rgb
    if photo.source.transfer == "linear":
        before, after = decode_srgb(before), decode_srgb(after)
    sample, bits = stored_depth(photo)
    half = 0.0 if sample == "float" else 0.5 / (2 ** (bits - (sample == "int")) - 1)
    if photo.source.model == "lab":
        half = 0.0  # the same codes come back, decoded by the same arithmetic
    # Float32 carries 24 bits, and each way takes a few roundings of the largest value.
    slack = 8 * 2.0**-24 * max(1.0, float(np.abs(before).max()))
    seen = np.ones(before.shape[:2], bool) if photo.alpha is None else photo.alpha > 0
    assert float(np.abs(before - after)[seen].max()) <= half + slack


def _same_alpha(photo: Photo, result: Photo) -> None:
    assert (photo.alpha is None) == (result.alpha is None)
    if photo.alpha is not None and result.alpha is not None:
        np.testing.assert_array_equal(photo.alpha, result.alpha)


def _same_metadata(photo: Photo, result: Photo) -> None:
    before, after = photo.source.metadata, result.source.metadata
    changed = {PIXEL_X, PIXEL_Y, COLOUR_SPACE}
    for old, new in ((before.main, after.main), (before.exif, after.exif), (before.gps, after.gps)):
        kept = {tag: (f.type, f.data) for tag, f in new.items()}
        for tag, value in old.items():
            if tag not in changed and tag != SOFTWARE:
                assert kept[tag] == (value.type, value.data), hex(tag)
    assert after.main[SOFTWARE].data == b"dinplug 0.1.0\0"
    for tag, size in ((PIXEL_X, photo.width), (PIXEL_Y, photo.height)):
        if tag in before.exif:
            assert after.exif[tag].integers() == (size,)
    assert after.iptc == before.iptc
    assert after.xmp is not None and MADE.weights.encode() in after.xmp
    if before.dpi is not None:
        assert after.dpi == pytest.approx(before.dpi, abs=0.5)  # JFIF counts whole dots an inch
    comments = {name: text for name, text in before.comments.items() if name != "Software"}
    assert comments.items() <= after.comments.items()


def _bytes(rgb: F32Image) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.clip(np.rint(rgb.astype(np.float64) * 255), 0, 255).astype(np.uint8)


def _within_jpeg_quantisation(photo: Photo, target: Path) -> None:
    """Each coefficient of the orthonormal DCT is off by half its step at most.

    So the luma, which is not subsampled, has a root mean square error of at most that of the
    half steps, and half a level more for each of its two roundings.
    """
    with Image.open(target) as image:
        steps = np.array(image.quantization[0], np.float64)  # type: ignore[attr-defined]
        image.draft("L", image.size)
        luma = np.asarray(image.convert("L"), np.float64)
    wanted = _bytes(photo.rgb).astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    error = float(np.sqrt(np.mean((luma - wanted) ** 2)))
    assert error <= float(np.sqrt(np.mean((steps / 2) ** 2))) + 1


def _as_encoded_once(photo: Photo, result: Photo) -> None:
    """The encoder got the photo's own pixels: encoding them directly gives the same ones."""
    pixels = _bytes(photo.rgb)
    if photo.source.held is not None:
        held = photo.source.held
        pixels.reshape(-1, 3)[held.index] = _bytes(held.values)
    if photo.alpha is not None:
        pixels = np.concatenate([pixels, _bytes(photo.alpha)[..., None]], axis=2)
    buffer = io.BytesIO()
    lossless = photo.source.lossless
    Image.fromarray(pixels).save(buffer, "WEBP", quality=95, lossless=lossless, exact=True)
    again = np.asarray(Image.open(buffer).convert("RGB"))
    visible = slice(None) if photo.alpha is None else photo.alpha > 0
    np.testing.assert_array_equal(again[visible], _bytes(result.rgb)[visible])


@pytest.mark.parametrize("name", [n for n in _rows("ok") if n.startswith("tiff/")])
def test_tiff_samples_come_back_exactly(name: str, files: Path, tmp_path: Path) -> None:
    path = files / name
    photo, _, target = _restored(path, tmp_path)
    source = photo.source
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        stored_alike = source.model == source.output_model and source.bits in (8, 16, 32)
        if not stored_alike or page.tags.valueof(274, default=1) != 1 or page.compression == 6:
            return
        before = page.asarray()
        if page.axes == "SYX":
            before = np.moveaxis(before, 0, 2)
    after = tifffile.imread(target)
    assert after.dtype == before.dtype
    if before.dtype == np.uint32:
        # Float pixels hold 24 of the 32 bits.
        assert np.abs(after.astype(np.int64) - before.astype(np.int64)).max() <= 2**8
    elif before.dtype == np.float32:
        # Encoding and decoding the curve cost a few roundings of 24 bits each.
        np.testing.assert_allclose(after, before, rtol=16 * 2.0**-24, atol=2.0**-24)
    else:
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("name", _rows("clean-error", "refuse"))
def test_refused_with_one_line(name: str, files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ReadError) as caught:
        read_photo(files / name)
    message = str(caught.value)
    assert message.startswith(f"{files / name}: ")
    assert "\n" not in message and len(message) < 400 + len(str(files))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", _rows("ok?"))
def test_doubtful_files_open_or_are_refused(name: str, files: Path) -> None:
    try:
        photo = read_photo(files / name)
    except ReadError as error:
        assert str(files / name) in str(error)
    else:
        assert photo.rgb.min() < photo.rgb.max()


REASONS = {
    "bombs/decompression_bomb.gif": "more than the limit",
    "bombs/decompression_bomb.ico": "not a photo of a kind",
    "bombs/gray1_40000x40000.png": "more than the limit",
    "bombs/tiff_header_claims_60000x60000.tif": "more than the limit",
    "broken/libtiff_segfault.tif": "channels are no photo",
    "broken/zero_bytes.jpg": "empty",
    "broken/text_named.tif": "not a photo of a kind",
    "broken/tiff_overflow_rows_per_strip.tif": "pixel data are missing",
    "broken/truncated_image.png": "truncated",
    "broken/truncated_jpeg.jpg": "truncated",
    "broken/jpeg_cut_60pct.jpg": "truncated",
    "raw/truncated_half.dng": "cut short",
    "raw_stub/DNG.dng": "sensor data are missing",
    "raw_stub/Panasonic.rw2": "cut short",
    "raw_stub/Nikon.nef": "damaged or cut short",
    "raw_stub/issue247_1.nef": "only a preview",
    "tiff/planar-yuv420-jpeg-lzw.tif": "YCbCr",
}


@pytest.mark.parametrize("name", sorted(REASONS))
def test_refused_for_its_reason(name: str, files: Path) -> None:
    with pytest.raises(ReadError, match=REASONS[name]):
        read_photo(files / name)


_MEASURE = """
import json, resource, sys
from pathlib import Path
from dinplug.errors import ReadError
from dinplug.imaging import read_photo
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
told = []
for name in sys.argv[1:]:
    try:
        read_photo(Path(name))
    except ReadError as error:
        told.append(str(error))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([len(told), after - before]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures peak memory as Linux reports it")
def test_bombs_are_refused_before_memory_is_used(files: Path) -> None:
    names = [str(files / n) for n in (*_rows("refuse"), "broken/libtiff_segfault.tif")]
    run = subprocess.run(
        [sys.executable, "-c", _MEASURE, *names], capture_output=True, text=True, check=True
    )
    refused, kibibytes = json.loads(run.stdout)
    assert refused == len(names)
    # The smallest of these pictures would take 1.6 GiB as one byte a pixel.
    assert kibibytes < 200 * 1024


@pytest.mark.parametrize("number", range(1, 9))
def test_orientation_is_applied_once(number: int, files: Path) -> None:
    folder = files / "jpeg" / "orientation"
    upright = read_photo(folder / "landscape_1.jpg").rgb
    turned = read_photo(folder / f"landscape_{number}.jpg").rgb
    assert turned.shape == upright.shape
    # Of the eight ways to lay it, the one read must be the nearest to the upright one.
    others = [turned[::-1], turned[:, ::-1], turned[::-1, ::-1]]
    distance = float(np.abs(turned - upright).mean())
    assert all(distance < float(np.abs(other - upright).mean()) / 2 for other in others)


def test_mixed_names(files: Path, tmp_path: Path) -> None:
    base = (files / "names" / "base.png").read_bytes()
    expected = read_photo(files / "names" / "base.png").rgb
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    names = (files / "names" / "names.txt").read_text(encoding="utf-8").splitlines()
    for name in names:
        (tmp_path / "in" / name).write_bytes(base)
    for name in names:
        photo = read_photo(tmp_path / "in" / name)
        write_photo(photo, tmp_path / "out" / name)
        np.testing.assert_array_equal(read_photo(tmp_path / "out" / name).rgb, expected)
        assert is_photo_name(tmp_path / "in" / name) == (name != "no_extension")
        assert output_suffix(photo.source, None).lower() == ".png"
    assert sorted(entry.name for entry in (tmp_path / "out").iterdir()) == sorted(names)
