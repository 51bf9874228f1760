"""Kinds are told by content when reading and by name when walking."""

from pathlib import Path

import pytest

from dinplug.errors import UsageError
from dinplug.imaging import PhotoInfo, WriteOptions, is_photo_name, kinds, output_suffix
from dinplug.imaging.photo import Kind


@pytest.mark.parametrize("name", ["a.JPG", "b.c.nef", ".hidden.png", "x.tiff", "y.CR3", "z.webp"])
def test_photo_names(name: str) -> None:
    assert is_photo_name(name) and is_photo_name(Path("folder.txt") / name)


@pytest.mark.parametrize("name", ["a.xmp", "Thumbs.db", "png", "photo", "a.jpg.part", "a.svg", ""])
def test_other_names(name: str) -> None:
    assert not is_photo_name(name)


def test_pictures_that_are_not_read_are_known() -> None:
    assert kinds.is_foreign_name("a.HEIC") and kinds.is_foreign_name(Path("x/b.jp2"))
    assert not kinds.is_foreign_name("a.txt")
    assert not kinds.FOREIGN_SUFFIXES & kinds.PHOTO_SUFFIXES


@pytest.mark.parametrize(
    ("name", "kind", "format", "suffix"),
    [
        ("a.NEF", "raw", None, ".tif"),
        ("a.dng", "raw", "jpeg", ".jpg"),
        ("a.JPEG", "jpeg", None, ".JPEG"),
        ("a.png", "jpeg", None, ".jpg"),
        ("a.mpo", "jpeg", None, ".jpg"),
        ("a.tiff", "tiff", None, ".tiff"),
        ("a.tiff", "tiff", "png", ".png"),
        ("a.gif", "gif", None, ".png"),
        ("a.bmp", "bmp", None, ".png"),
        ("none", "webp", None, ".webp"),
    ],
)
def test_output_suffix(name: str, kind: Kind, format: str | None, suffix: str) -> None:
    assert output_suffix(PhotoInfo(Path(name), kind, 1, 1, 3, 8), format) == suffix


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe1", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8L", "webp"),
        (b"II*\0\x10\0\0\0CR\x02\0", "raw"),
        (b"MM\0*\0\0\0\x08", "tiff"),
        (b"II+\0\x08\0\0\0", "tiff"),
        (b"\0\0\0\x18ftypcrx isom", "raw"),
        (b"FUJIFILMCCD-RAW 0201", "raw"),
        (b"II\x1a\0\0\0HEAPCCDR", "raw"),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"BM", None),
        (b"", None),
        (b"<svg>", None),
    ],
)
def test_sniff(head: bytes, kind: str | None) -> None:
    assert kinds.sniff(head) == kind


@pytest.mark.parametrize(
    "wish",
    [
        {"format": "gif"},
        {"quality": 0},
        {"quality": 101},
        {"compression": "jpeg"},
        {"bit_depth": 12},
        {"format": "jpeg", "bit_depth": 16},
        {"format": "png", "bit_depth": 32},
        {"output_profile": "cinema"},
    ],
)
def test_wishes_that_cannot_be_met_are_refused_at_once(wish: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        WriteOptions(**wish)  # type: ignore[arg-type]
