"""RAW is developed in a process of its own, whose failures become one line."""

import struct
from pathlib import Path

import numpy as np
import pytest

from dinplug.errors import ReadError
from dinplug.imaging import (
    WriteOptions,
    ifd,
    isolated,
    probe_photo,
    profiles,
    raw,
    read_photo,
    write_photo,
)

DECODERS = {
    "crashes": ("import os; os.abort()", "broke off"),
    "says nothing": ("pass", "broke off"),
    "says nonsense": ("print('hello')", "broke off"),
    "is cut off": (
        "import json; print(json.dumps({'shape': [9, 9, 3], 'dtype': 'u2'}))",
        "broke off",
    ),
    "lies about its size": (
        "import json; print(json.dumps({'shape': [10**6, 10**6, 3], 'dtype': 'u2'}))",
        "more than the limit",
    ),
    "gives a reason": ("import json; print(json.dumps({'error': 'no decoder'}))", "no decoder"),
    "complains": (
        "import sys; sys.stderr.write('a.nef: Unexpected end of file'); print('{}')",
        "damaged or cut short",
    ),
    "hangs": ("import time; time.sleep(600)", "broke off"),
}


@pytest.mark.parametrize("case", DECODERS)
def test_failing_decoder(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, reason = DECODERS[case]
    script = tmp_path / "decoder.py"
    script.write_text(code)
    monkeypatch.setattr(raw, "_DECODER", script)
    if case == "hangs":
        monkeypatch.setattr(isolated, "_PATIENCE_SECONDS", 0.5)
    path = tmp_path / "photo.crw"
    path.write_bytes(b"II\x1a\0\0\0HEAPCCDR" + bytes(100))
    with pytest.raises(ReadError, match=reason) as caught:
        read_photo(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_developed_upright_in_srgb_at_16_bits(shared: Path) -> None:
    folder = shared / "data" / "files" / "raw"
    photo = read_photo(folder / "synthetic_bggr_12bit_orient6.dng")
    assert (photo.width, photo.height) == (432, 576)  # 576 x 432 on the sensor
    assert (photo.source.sample, photo.source.bits, photo.source.kind) == ("uint", 16, "raw")
    assert photo.source.profile == profiles.named_profile("srgb")
    codes = photo.rgb * 65535
    np.testing.assert_allclose(codes, np.rint(codes), atol=2**-8)  # float32 near 65535
    assert len(np.unique(photo.rgb)) > 256


def test_camera_data_go_to_tiff_and_jpeg(shared: Path, tmp_path: Path) -> None:
    photo = read_photo(shared / "data" / "files" / "raw" / "canon_g1.crw")
    for name, options in (("a.tif", None), ("a.jpg", WriteOptions(format="jpeg"))):
        write_photo(photo, tmp_path / name, options)
        about = read_photo(tmp_path / name).source.metadata
        assert about.main[0x010F].data == b"Canon\0"
        assert about.main[0x0110].data == b"Canon PowerShot G1\0"
        assert about.exif[0x8827].integers() == (200,)
        assert about.exif[0x829A].numbers() == (8.0,)
        assert about.exif[0x9003].data == b"2007:11:25 20:27:54\0"
        assert about.exif[0xA001].integers() == (1,)


def test_tiff_named_as_other_kinds_is_raw_by_its_tags(shared: Path, tmp_path: Path) -> None:
    data = (shared / "data" / "files" / "raw" / "synthetic_rggb_14bit.dng").read_bytes()
    path = tmp_path / "photo.tif"
    path.write_bytes(data)
    info = probe_photo(path)
    assert (info.kind, info.width, info.height, info.bits) == ("raw", 576, 576, 16)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_cut_anywhere_is_refused(share: float, shared: Path, tmp_path: Path) -> None:
    data = (shared / "data" / "files" / "raw" / "synthetic_rggb_14bit.dng").read_bytes()
    path = tmp_path / "cut.dng"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ReadError, match=r"cut\.dng: "):
        read_photo(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_crw_is_refused(share: float, shared: Path, tmp_path: Path) -> None:
    """Its directory is at the end, so a cut one is no CRW any more."""
    data = (shared / "data" / "files" / "raw" / "canon_g1.crw").read_bytes()
    path = tmp_path / "cut.crw"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ReadError, match=r"cut\.crw: "):
        read_photo(path)


def test_limit_counts_before_development(shared: Path) -> None:
    path = shared / "data" / "files" / "raw" / "synthetic_rggb_14bit.dng"
    with pytest.raises(ReadError, match="more than the limit of 1000"):
        read_photo(path, max_pixels=1000)


FACTS = {
    "iso": 100.0,
    "exposure": 0.004,
    "aperture": 2.8,
    "focal_length": 35.0,
    "taken": None,
    "artist": "",
}


def exif_of(name: bytes, tags: ifd.Tags) -> bytes:
    block = b"II*\0" + struct.pack("<I", 8) + ifd.write_tree(ifd.Tree(tags), 8)
    return struct.pack(">I", len(block) + 8) + name + block


def test_cr3_boxes(tmp_path: Path) -> None:
    boxes = exif_of(b"CMT1", {0x0110: ifd.ascii_field("Canon EOS"), 0x0100: ifd.long_field(1)})
    boxes += exif_of(b"CMT2", {0x829D: ifd.rational_field(4, 1)})
    boxes += exif_of(b"CMT4", {1: ifd.ascii_field("N")})
    path = tmp_path / "a.cr3"
    path.write_bytes(struct.pack(">I", 24) + b"ftypcrx " + bytes(12) + boxes)
    about = raw.raw_metadata(path, FACTS)
    assert about.main == {0x0110: about.main[0x0110]}
    assert about.exif[0x829D].numbers() == (4.0,)  # the camera's own goes before LibRaw's
    assert about.exif[0x829A].numbers() == (1 / 250,)
    assert about.gps[1].data == b"N\0"


def test_raf_holds_a_jpeg_with_exif(tmp_path: Path) -> None:
    tags = {0x0110: ifd.ascii_field("X-T1")}
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + ifd.write_tree(ifd.Tree(tags), 8)
    jpeg = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(block) + 2) + block + b"\xff\xd9"
    head = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 92, len(jpeg))
    path = tmp_path / "a.raf"
    path.write_bytes(head + jpeg)
    assert raw.raw_metadata(path, FACTS).main[0x0110].data == b"X-T1\0"


def test_damaged_container_leaves_what_libraw_knows(tmp_path: Path) -> None:
    path = tmp_path / "a.crw"
    path.write_bytes(b"II\x1a\0\0\0HEAPCCDR" + b"\xff" * 50)
    about = raw.raw_metadata(path, FACTS)
    assert about.main == {} and about.exif[0x8827].integers() == (100,)


def test_decoder_needs_nothing_of_the_package() -> None:
    """It starts in a fraction of a second because it imports neither dinplug nor torch."""
    source = Path(raw.__file__).with_name("raw_decoder.py").read_text()
    assert "dinplug" not in source and "torch" not in source
