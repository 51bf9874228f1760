"""What a photo says about itself: EXIF, GPS, XMP, IPTC, resolution, comments.

Kept in one form for all kinds of file. Facts that the new pixels make untrue (size,
orientation, thumbnail, storage layout) are left out or set when the result is written.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dinplug.imaging import history, ifd, xmp
from dinplug.imaging.ifd import Tags

ORIENTATION, SOFTWARE = 0x0112, 0x0131
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
SOFTWARE_COMMENT = "Software"  # the keyword of PNG
PIXEL_X, PIXEL_Y, COLOUR_SPACE = 0xA002, 0xA003, 0xA001

# Tags of a main directory that describe the photo rather than how its pixels are stored.
_DESCRIPTIVE = frozenset(
    (0x000B, 0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0131, 0x0132, 0x013B, 0x013C, 0x0213,
     0x4746, 0x4749, 0x8298, 0x8830, 0x9211, 0xC4A5, 0xC62F, 0xC614, 0xA430, 0xA431,
     0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)
)  # fmt: skip
# Exif tags that raw converters and cameras write into a main directory by mistake or in TIFF/EP.
_MISPLACED = frozenset([0x829A, 0x829D, 0x8822, 0x8827, 0x9003, 0x9004, 0x920A, 0x9201, 0x9202])
# Resolution, channel names, layers, thumbnails, profile, EXIF, XMP: kept elsewhere or untrue.
_STALE_RESOURCES = frozenset(
    (0x03ED, 0x03EE, 0x03F0, 0x0400, 0x0402, 0x0404, 0x0409, 0x040C, 0x040F, 0x0410, 0x0411,
     0x0415, 0x041D, 0x0421, 0x0422, 0x0423, 0x0424, 0x0425, 0x0426, 0x042D, 0x0430, 0x0435)
)  # fmt: skip
_IPTC_RESOURCE = 0x0404
_HEAD = 8  # bytes before the first directory
_FARTHEST_NOTE = 16384  # bytes; a note farther back would cost too much empty room
# Focal plane resolution, subject area and location: numbers of the old pixel grid.
_GRID_BOUND = frozenset([0xA20E, 0xA20F, 0x9214, 0xA214])


@dataclass(frozen=True)
class Metadata:
    """Everything a photo says about itself, free of what is bound to its old pixels.

    `main`, `exif`, `gps`, `interop` are tags by number. `xmp` is a packet (UTF-8), `iptc`
    an IIM block, `resources` the Photoshop resources worth keeping (without the IPTC one),
    `dpi` pixels per inch (x, y), `comments` are text by keyword (PNG) or "Comment" (JPEG).
    `order` is the byte order of the EXIF block ("<" or ">"), which maker notes go by.
    """

    main: Tags = field(default_factory=dict)
    exif: Tags = field(default_factory=dict)
    gps: Tags = field(default_factory=dict)
    interop: Tags = field(default_factory=dict)
    xmp: bytes | None = None
    iptc: bytes | None = None
    resources: bytes | None = None
    dpi: tuple[float, float] | None = None
    comments: dict[str, str] = field(default_factory=dict)
    order: str = "<"

    @property
    def has_exif(self) -> bool:
        """Say whether there is any tag worth an EXIF block."""
        return bool(self.main or self.exif or self.gps)


def read_exif_tags(reader: ifd.TagReader, main: Tags) -> Metadata:
    """Collect the metadata of a main directory `main` and its EXIF and GPS directories."""
    exif = reader.child(main, ifd.EXIF_POINTER)
    gps = reader.child(main, ifd.GPS_POINTER)
    interop = reader.child(exif, ifd.INTEROP_POINTER)
    pointers = (ifd.INTEROP_POINTER, ifd.EXIF_POINTER, ifd.GPS_POINTER)
    for tag in _MISPLACED & main.keys():
        exif.setdefault(tag, main[tag])
    return Metadata(
        main=descriptive(main),
        exif={tag: value for tag, value in exif.items() if tag not in pointers},
        gps=gps,
        interop=interop,
        dpi=_dpi_of(main),
        order=reader.order,
    )


def parse_exif(block: bytes) -> tuple[Metadata, int | None]:
    """Read an EXIF block (with or without its "Exif" heading); return tags and orientation.

    Raises ValueError where the block is damaged beyond its head.
    """
    if block[:6] == b"Exif\0\0":
        block = block[6:]
    reader = ifd.TagReader(block)
    main = reader.directory(reader.first).tags
    return read_exif_tags(reader, main), orientation_of(main)


def orientation_of(main: Tags) -> int | None:
    """Return the EXIF orientation 1..8 of a main directory, or None."""
    value = main.get(ORIENTATION)
    numbers = value.integers() if value else ()
    return numbers[0] if numbers and 1 <= numbers[0] <= 8 else None


def _dpi_of(main: Tags) -> tuple[float, float] | None:
    found = []
    for tag in (X_RESOLUTION, Y_RESOLUTION):
        numbers = main[tag].numbers() if tag in main else ()
        if not numbers or not 0 < numbers[0] < 1e6:
            return None
        found.append(numbers[0])
    unit_field = main.get(RESOLUTION_UNIT)
    unit = (unit_field.integers() or (2,))[0] if unit_field else 2
    if unit == 1:
        return None
    scale = 2.54 if unit == 3 else 1.0
    return found[0] * scale, found[1] * scale


def parse_resources(block: bytes) -> tuple[bytes | None, bytes | None]:
    """Split Photoshop image resources into the IPTC block and the other ones worth keeping."""
    if block.startswith(b"Photoshop 3.0\0"):
        block = block[14:]
    iptc: bytes | None = None
    kept = bytearray()
    at = 0
    while at + 12 <= len(block) and block[at : at + 4] == b"8BIM":
        number = struct.unpack_from(">H", block, at + 4)[0]
        name = block[at + 6] + 1
        name += name % 2
        if at + 10 + name > len(block):
            break
        size = struct.unpack_from(">I", block, at + 6 + name)[0]
        start = at + 10 + name
        end = start + size + size % 2
        if start + size > len(block):
            break
        if number == _IPTC_RESOURCE:
            iptc = block[start : start + size]
        elif number not in _STALE_RESOURCES:
            kept += block[at : start + size] + bytes(size % 2)
        at = end
    return iptc or None, bytes(kept) or None


def build_resources(metadata: Metadata) -> bytes | None:
    """Put the Photoshop resources of a result together again, IPTC included."""
    block = bytearray(metadata.resources or b"")
    if metadata.iptc:
        block += b"8BIM" + struct.pack(">HHI", _IPTC_RESOURCE, 0, len(metadata.iptc))
        block += metadata.iptc + bytes(len(metadata.iptc) % 2)
    return bytes(block) or None


def for_result(
    metadata: Metadata,
    width: int,
    height: int,
    software: str | None,
    note: Mapping[str, str],
    *,
    resized: bool,
    developed: bool = False,
    colour_space: int | None = None,
) -> Metadata:
    """Set what a result of `width` x `height` pixels must say about itself.

    `software` replaces the Software tag; `note` goes to the XMP as provenance. Where the
    photo was resized, what is bound to its pixel grid is left out; where it was `developed` from
    sensor data, the settings of other RAW converters. `colour_space` is EXIF's number for the
    result's (1 sRGB, 65535 another), where it is not the photo's own.
    """
    exif = dict(metadata.exif)
    for tag, size in ((PIXEL_X, width), (PIXEL_Y, height)):
        if tag in exif:
            exif[tag] = ifd.long_field(size)
    if colour_space is not None and exif:
        exif[COLOUR_SPACE] = ifd.short_field(colour_space)
    main = dict(metadata.main)
    if software:
        main[SOFTWARE] = ifd.ascii_field(software)
    comments = dict(metadata.comments)
    if software and SOFTWARE_COMMENT in comments:
        comments[SOFTWARE_COMMENT] = software
    if resized:
        for tag in _GRID_BOUND:
            exif.pop(tag, None)
    packet = metadata.xmp
    if packet is not None:
        packet = xmp.with_size(xmp.as_utf8(packet), width, height)
        if software:
            packet = xmp.with_value(packet, "tiff:Software", software)
        if colour_space is not None:
            packet = xmp.with_value(packet, "exif:ColorSpace", colour_space)
        if developed:
            packet = xmp.without_development(packet)
    if note:
        packet = history.with_history(packet, note)
    return replace(metadata, main=main, exif=exif, xmp=packet, comments=comments)


def exif_block(metadata: Metadata) -> bytes:
    """Serialise the EXIF block of a JPEG, PNG or WebP result, without its "Exif" heading.

    Maker notes often hold offsets from the block's start, so the note keeps its place and
    the byte order stays: the directories go behind it.
    """
    main = dict(metadata.main)
    main[ORIENTATION] = ifd.short_field(1)
    if metadata.dpi:
        x, y = metadata.dpi
        main[X_RESOLUTION], main[Y_RESOLUTION] = _dpi_field(x), _dpi_field(y)
        main[RESOLUTION_UNIT] = ifd.short_field(2)
    order = metadata.order
    note = metadata.exif.get(ifd.MAKER_NOTE)
    front, pinned = b"", {}
    if note and note.offset is not None and _HEAD <= note.offset <= _FARTHEST_NOTE:
        front = bytes(note.offset - _HEAD) + note.data + bytes((note.offset + note.count) % 2)
        pinned[ifd.MAKER_NOTE] = note.offset
    start = _HEAD + len(front)
    tree = ifd.Tree(main, exif_children(metadata))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(order + "I", start)
    return head + front + ifd.write_tree(tree, start, order=order, pinned=pinned)


def exif_children(metadata: Metadata) -> dict[int, ifd.Tree]:
    """Return the EXIF and GPS directories under their pointer tags."""
    interop = {ifd.INTEROP_POINTER: ifd.Tree(metadata.interop)}
    return {
        ifd.EXIF_POINTER: ifd.Tree(metadata.exif, interop),
        ifd.GPS_POINTER: ifd.Tree(metadata.gps),
    }


def _dpi_field(value: float) -> ifd.Field:
    return ifd.rational_field(round(value * 1000), 1000)


def descriptive(main: Tags) -> Tags:
    """Keep of a main directory what describes the photo rather than its storage."""
    return {tag: value for tag, value in main.items() if tag in _DESCRIPTIVE}
