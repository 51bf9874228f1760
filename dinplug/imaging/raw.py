"""Read camera RAW: camera white balance, 16 bit, sRGB, with the camera's own metadata.

Exposure is what the camera set (LibRaw's automatic brightening is off), so that frames of
a series stay alike. LibRaw turns the picture upright.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

from dinplug.imaging import ciff, ifd, isolated, metadata, profiles
from dinplug.imaging.decoded import Decoded, Limits, UnreadableError
from dinplug.imaging.metadata import Metadata
from dinplug.imaging.photo import PhotoInfo, Samples
from dinplug.imaging.tiff import tiff_metadata

_DECODER = Path(__file__).with_name("raw_decoder.py")
_DNG_LENS, _LENS = 0xC630, 0xA432
_CANON_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_DAMAGE = ("unexpected end of file", "data corrupted", "data error")


def raw_info(path: Path, limits: Limits) -> PhotoInfo:
    """Read the developed picture's size; raises UnreadableError."""
    facts, _ = _run(path, limits, "info")
    return PhotoInfo(path, "raw", facts["width"], facts["height"], 3, 16)


def read_raw(path: Path, limits: Limits) -> Decoded:
    """Develop a RAW; raises UnreadableError where LibRaw cannot or sensor data are missing."""
    truncated = _cut_short(path)
    if truncated:
        raise UnreadableError("the file is cut short")
    facts, samples = _run(path, limits, "decode")
    if samples is None:
        raise UnreadableError("LibRaw gives no picture for it")
    return Decoded(
        samples,
        "rgb",
        16,
        65535.0,
        profile=profiles.named_profile("srgb"),
        compression="deflate",
        metadata=raw_metadata(path, facts),
    )


def _run(path: Path, limits: Limits, wish: str) -> tuple[dict[str, Any], Samples | None]:
    arguments = [str(path.absolute()), str(limits.pixels), wish]
    facts, samples, said = isolated.decode(_DECODER, arguments, limits)
    if any(word in said.lower() for word in _DAMAGE):
        raise UnreadableError("its sensor data are damaged or cut short")
    if "error" in facts:
        raise UnreadableError(f"it cannot be developed: {facts['error'] or 'unknown reason'}")
    return facts, samples


def _cut_short(path: Path) -> bool:
    """Say whether a TIFF-based RAW declares strips or tiles beyond its own end."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        try:
            reader = ifd.TagReader(view)
        except ValueError:
            return False
        for tags in reader.all_directories():
            for offset_tag, count_tag in ((0x0111, 0x0117), (0x0144, 0x0145)):
                if offset_tag in tags and count_tag in tags:
                    offsets, counts = tags[offset_tag].integers(), tags[count_tag].integers()
                    ends = [o + c for o, c in zip(offsets, counts, strict=False)]
                    if ends and max(ends) > len(view):
                        return True
    return False


def raw_metadata(path: Path, facts: dict[str, Any]) -> Metadata:
    """Collect the camera's EXIF from the RAW's container, or else what LibRaw reports."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        try:
            found = _container_metadata(view)
        except (ValueError, struct.error):
            found = Metadata()
    return _completed(found, facts)


def _container_metadata(view: mmap.mmap) -> Metadata:
    head = view[:16]
    if head.startswith(b"FUJIFILMCCD-RAW"):
        offset, length = struct.unpack(">II", view[84:92])
        return _jpeg_exif(view[offset : offset + length])
    if head[4:12] == b"ftypcrx ":
        return _cr3_metadata(view)
    if head[6:14] == b"HEAPCCDR":
        return _crw_metadata(view)
    reader = ifd.TagReader(view)
    main = reader.directory(reader.first).tags
    about = tiff_metadata(main, metadata.read_exif_tags(reader, main))
    return replace(_with_lens(about, main), resources=None)


def _with_lens(about: Metadata, main: ifd.Tags) -> Metadata:
    """Give EXIF the lens's range that a DNG keeps in its main directory, in the same form."""
    if _DNG_LENS not in main or _LENS in about.exif:
        return about
    return replace(about, exif=about.exif | {_LENS: main[_DNG_LENS]})


def _jpeg_exif(data: bytes) -> Metadata:
    at = data.find(b"Exif\0\0", 0, 4096)
    if at < 6:
        return Metadata()
    length = struct.unpack(">H", data[at - 2 : at])[0]
    return metadata.parse_exif(data[at : at + length - 2])[0]


def _crw_metadata(view: mmap.mmap) -> Metadata:
    tags = {"make": 0x010F, "model": 0x0110, "owner": 0x013B}
    found = ciff.texts(view)
    return Metadata(main={tags[name]: ifd.ascii_field(text) for name, text in found.items()})


def _cr3_metadata(view: mmap.mmap) -> Metadata:
    """Read Canon's CMT1 (main), CMT2 (Exif) and CMT4 (GPS) boxes, each a TIFF structure."""
    parts: dict[bytes, ifd.Tags] = {}
    for name in (b"CMT1", b"CMT2", b"CMT4"):
        at = view.find(name, 0, 65536)
        if at >= 4:
            size = struct.unpack(">I", view[at - 4 : at])[0]
            try:
                reader = ifd.TagReader(view[at + 4 : at - 4 + size])
                parts[name] = reader.directory(reader.first).tags
            except ValueError:
                continue
    kept = metadata.descriptive(parts.get(b"CMT1", {}))
    exif, gps = parts.get(b"CMT2", {}), parts.get(b"CMT4", {})
    return Metadata(main=kept, exif=exif, gps=gps, xmp=_cr3_packet(view))


def _cr3_packet(view: mmap.mmap) -> bytes | None:
    """Read the XMP box that follows the header: Canon's rating, or what other programs noted."""
    at = view.find(b"uuid" + _CANON_XMP, 0, 2**20)
    if at < 4:
        return None
    size = struct.unpack(">I", view[at - 4 : at])[0]
    return view[at + 20 : at - 4 + size].rstrip(b"\0 \r\n\t") or None


def _completed(found: Metadata, facts: dict[str, Any]) -> Metadata:
    """Add to the EXIF tags what LibRaw knows and the container did not tell."""
    main, exif = dict(found.main), dict(found.exif)
    if facts["artist"]:
        main.setdefault(0x013B, ifd.ascii_field(facts["artist"]))
    for tag, value in ((0x829A, facts["exposure"]), (0x829D, facts["aperture"]),
                       (0x920A, facts["focal_length"])):  # fmt: skip
        if 0 < value < 1e6:
            exif.setdefault(tag, _fraction(value))
    if 0 < facts["iso"] < 65536:
        exif.setdefault(0x8827, ifd.short_field(round(facts["iso"])))
    if facts["taken"]:
        exif.setdefault(0x9003, ifd.ascii_field(facts["taken"]))
    return replace(found, main=main, exif=exif)


def _fraction(value: float) -> ifd.Field:
    if value < 1:
        return ifd.rational_field(1, round(1 / value)) if value > 1e-6 else ifd.rational_field(0, 1)
    return ifd.rational_field(round(value * 100), 100)
