"""What a photo says about itself survives every way, as exiftool writes and reads it."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinplug.imaging import (
    Provenance,
    WriteOptions,
    profiles,
    read_photo,
    read_provenance,
    write_photo,
)
from tests.imaging.exiftool import exiftool, tags_of
from tests.imaging.test_xmp import DEVELOPED

MADE = Provenance("sr", "imdn-x2", "ab" * 32, "strength=0.5", "0.1.0")
SOURCES = ("jpg", "tif", "png", "webp", "dng")
FORMATS = ("jpeg", "tiff", "png", "webp")
WIDTH, HEIGHT = 32, 20

# Values in exiftool's plainest form (-n), as it writes them and reads them back.
KEPT: dict[str, Any] = {
    "IFD0:Make": "Maker",
    "IFD0:Model": "Body 1",
    "IFD0:Artist": "Anna",
    "IFD0:Copyright": "(c) Anna",
    "IFD0:XResolution": 240,
    "IFD0:YResolution": 240,
    "IFD0:ResolutionUnit": 2,
    "ExifIFD:DateTimeOriginal": "2024:05:06 07:08:09",
    "ExifIFD:OffsetTimeOriginal": "+02:00",
    "ExifIFD:ExposureTime": 0.004,
    "ExifIFD:FNumber": 5.6,
    "ExifIFD:ISO": 400,
    "ExifIFD:FocalLength": 50,
    "ExifIFD:LensInfo": "24 70 2.8 2.8",
    "ExifIFD:LensMake": "Glass",
    "ExifIFD:LensModel": "Glass 24-70",
    "ExifIFD:LensSerialNumber": "L77",
    "ExifIFD:SerialNumber": "B123",
    "ExifIFD:UserComment": "an early ferry",
    "GPS:GPSLatitudeRef": "N",
    "GPS:GPSLatitude": 52.5,
    "GPS:GPSLongitudeRef": "E",
    "GPS:GPSLongitude": 13.25,
    "GPS:GPSAltitude": 34,
    "XMP-xmp:Rating": 4,
    "XMP-xmp:Label": "Red",
    "XMP-dc:Rights": "(c) Anna",
    "XMP-dc:Subject": ["sea", "harbour"],
    "XMP-lr:HierarchicalSubject": ["places|sea", "places|harbour"],
    "XMP-aux:Lens": "Glass 24-70",
    "XMP-xmpRights:Marked": True,
    "XMP-photoshop:Headline": "Fog & ferry",
}
IPTC: dict[str, Any] = {
    "IPTC:Keywords": ["sea", "harbour"],
    "IPTC:CopyrightNotice": "(c) Anna",
    "IPTC:By-line": "Anna",
    "IPTC:City": "Kiel",
    "IPTC:Caption-Abstract": "A ferry in fog",
    "IPTC:Headline": "Another headline",
}
IPTC_IN_XMP = {
    "XMP-dc:Creator": ["Anna"],
    "XMP-photoshop:City": "Kiel",
    "XMP-dc:Description": "A ferry in fog",
}
STALE = {
    "IFD0:Orientation": 6,
    "IFD0:Software": "Camera 1.0",
    "XMP-tiff:Orientation": 6,
    "XMP-tiff:Software": "Camera 1.0",
    "XMP-tiff:ImageWidth": WIDTH,
    "XMP-tiff:ImageHeight": HEIGHT,
    "ExifIFD:ExifImageWidth": WIDTH,
    "ExifIFD:ExifImageHeight": HEIGHT,
}


def assignments(tags: dict[str, Any]) -> list[str]:
    """The arguments that have exiftool write tags; a list is written value by value."""
    pairs = ((n, v) for n, values in tags.items() for v in
             (values if isinstance(values, list) else [values]))  # fmt: skip
    return [f"-{name}#={value}" for name, value in pairs]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small photo of each kind, full of metadata."""
    folder = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for suffix in ("jpg", "tif", "png", "webp"):
        profile = profiles.named_profile("display-p3")
        Image.fromarray(noise).save(folder / f"photo.{suffix}", icc_profile=profile)
    return folder


@pytest.fixture(scope="module")
def source(photos: Path, request: pytest.FixtureRequest) -> Path:
    """The photo of the kind that the test names, with everything written into it."""
    suffix = request.param
    path = photos / f"photo.{suffix}"
    if suffix == "dng":
        shared: Path = request.getfixturevalue("shared")
        made = shared / "data" / "files" / "raw" / "synthetic_bggr_12bit_orient6.dng"
        shutil.copyfile(made, path)
    iptc = {} if suffix == "webp" else IPTC
    exiftool("-q", "-m", "-overwrite_original", *assignments(KEPT | STALE | iptc), path)
    return path


@pytest.mark.parametrize("source", SOURCES, indirect=True)
@pytest.mark.parametrize("format", FORMATS)
def test_everything_survives(source: Path, format: str, tmp_path: Path) -> None:
    photo = read_photo(source)
    large = photo.restored(photo.rgb.repeat(2, axis=0).repeat(2, axis=1), provenance=MADE)
    target = tmp_path / f"result.{format}"
    write_photo(large, target, WriteOptions(format=format))
    tags = tags_of(target)
    before = tags_of(source)
    assert {name: tags.get(name) for name in KEPT} == KEPT
    has_iptc = source.suffix != ".webp"
    if has_iptc and format != "webp":
        assert {name: tags.get(name) for name in IPTC} == IPTC
        assert not [name for name in tags if name.startswith("IPTC2")]  # said once
    elif has_iptc:
        assert {name: tags.get(name) for name in IPTC_IN_XMP} == IPTC_IN_XMP
    # Turned upright: the sides change places, then each is doubled.
    width, height = photo.width * 2, photo.height * 2
    assert tags["IFD0:Orientation"] == tags["XMP-tiff:Orientation"] == 1
    assert tags["XMP-tiff:ImageWidth"] == tags["ExifIFD:ExifImageWidth"] == width
    assert tags["XMP-tiff:ImageHeight"] == tags["ExifIFD:ExifImageHeight"] == height
    assert exiftool("-s3", "-ImageSize", target).strip() == f"{width}x{height}"
    assert tags["IFD0:Software"] == tags["XMP-tiff:Software"] == "dinplug 0.1.0"
    if source.suffix != ".dng":
        name = "ICC_Profile:ProfileDescription"
        assert tags[name] == before[name] and before[name]
    (step,) = tags["XMP-dinplug:Restorations"]
    assert step == {
        "Task": "sr", "Network": "imdn-x2", "Weights": "ab" * 32, "Options": "strength=0.5",
        "Version": "0.1.0", "Source": source.name,
    }  # fmt: skip


@pytest.mark.parametrize("source", ["jpg", "dng"], indirect=True)
@pytest.mark.parametrize("format", FORMATS)
def test_results_are_the_same_bytes_again(source: Path, format: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        photo = read_photo(source)
        made = photo.restored(photo.rgb, provenance=MADE)
        write_photo(made, tmp_path / name, WriteOptions(format=format))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
def test_a_result_edited_by_another_program_keeps_its_history(
    suffix: str, photos: Path, tmp_path: Path
) -> None:
    photo = read_photo(photos / f"photo.{suffix}")
    first, second = tmp_path / f"first.{suffix}", tmp_path / f"second.{suffix}"
    write_photo(photo.restored(photo.rgb, provenance=MADE), first)
    exiftool("-q", "-overwrite_original", "-XMP-xmp:Rating=5", "-XMP-dc:Subject=fog", first)
    again = read_photo(first)
    write_photo(again.restored(again.rgb, provenance=MADE), second)
    steps = tags_of(second)["XMP-dinplug:Restorations"]
    assert [step["Source"] for step in steps] == [f"photo.{suffix}", f"first.{suffix}"]


def test_a_copied_sidecar_is_sound(photos: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    shutil.copyfile(photos / "photo.jpg", path)
    (tmp_path / "a.jpg.xmp").write_bytes(DEVELOPED)
    photo = read_photo(path)
    write_photo(photo, tmp_path / "b.jpg")
    assert tags_of(tmp_path / "b.jpg.xmp")["XMP-xmp:Rating"] == 4


def test_too_much_xmp_for_a_jpeg_leaves_how_it_was_made(photos: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    shutil.copyfile(photos / "photo.tif", source)
    # A TIFF holds XMP of any size, a JPEG what fits one segment of 64 KB.
    exiftool("-q", "-overwrite_original", f"-XMP-dc:Title={'x' * 70_000}", source)
    photo = read_photo(source)
    target = tmp_path / "b.jpg"
    notes = write_photo(
        photo.restored(photo.rgb, provenance=MADE), target, WriteOptions(format="jpeg")
    )
    assert notes == ("the XMP data are too large for JPEG and are left out",)
    (step,) = read_provenance(target)
    assert (step.model, step.source) == ("imdn-x2", "a.tif")
