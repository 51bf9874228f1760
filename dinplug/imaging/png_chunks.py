"""The chunks of a PNG that Pillow does not hand over or does not write (PNG 3rd edition)."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

Chunks = tuple[tuple[bytes, bytes], ...]

SIGNATURE_AND_HEADER = 8 + 25  # bytes before the second chunk
_COLOUR = (b"cICP", b"mDCV", b"cLLI", b"sRGB", b"cHRM", b"gAMA")
_XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_LARGEST_TEXT = 16 * 2**20  # bytes, of XMP
_LARGEST = 64  # bytes of the largest chunk that tells about colour


def header_bits(path: Path) -> int:
    """Return the bit depth that a PNG's header gives."""
    with path.open("rb") as file:
        return file.read(SIGNATURE_AND_HEADER)[24]


def colour_chunks(path: Path) -> Chunks:
    """Return the chunks other than an ICC profile that tell the colour space."""
    found = []
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", head)
            if name in (b"IDAT", b"IEND"):
                break
            data = file.read(size) if name in _COLOUR and size <= _LARGEST else b""
            if data:
                found.append((name, data))
            file.seek(size - len(data) + 4, 1)
    return tuple(found)


def xmp_packet(path: Path) -> bytes | None:
    """Return the XMP packet of a PNG wherever it lies, before the pixels or behind them."""
    with path.open("rb") as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            size, name = struct.unpack(">I4s", head)
            if name == b"iTXt" and size <= _LARGEST_TEXT:
                data = file.read(size)
                file.seek(4, 1)
                if data.startswith(_XMP_KEYWORD):
                    return _international_text(data[len(_XMP_KEYWORD) :])
                continue
            file.seek(size + 4, 1)
    return None


def _international_text(data: bytes) -> bytes | None:
    """Return the text of an iTXt chunk after its keyword; None where it is damaged or a bomb."""
    if len(data) < 2:
        return None
    text = data[2:].split(b"\0", 2)[-1]
    if data[0] == 0:
        return text
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(text, _LARGEST_TEXT)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


def says_linear(chunks: Chunks) -> bool:
    """Say whether samples are linear light by chunks alone: cICP goes before sRGB before gAMA."""
    by_name = dict(chunks)
    if b"cICP" in by_name:
        return by_name[b"cICP"][1:2] == b"\x08"  # ITU-T H.273, transfer characteristic 8
    if b"sRGB" in by_name:
        return False
    return by_name.get(b"gAMA") == struct.pack(">I", 100000)


def wrap_profile(name: bytes, data: bytes) -> bytes:
    """Wrap a block as ImageMagick and exiftool do, for data that PNG has no chunk for."""
    text = b"\n" + name + b"\n%8d\n" % len(data) + data.hex().encode() + b"\n"
    return b"Raw profile type " + name + b"\0\0" + zlib.compress(text)


def unwrap_profile(text: str) -> bytes | None:
    """Undo `wrap_profile` on the text part; None where it is damaged."""
    parts = text.strip().split("\n", 2)  # a name, the size, the data
    if len(parts) != 3 or not re.fullmatch(r" *\d{1,9}", parts[1]):
        return None
    try:
        data = bytes.fromhex(parts[2])
    except ValueError:
        return None
    return data if len(data) == int(parts[1]) else None


def write_chunk(out: BinaryIO, name: bytes, data: bytes) -> None:
    """Append one chunk with its length and check sum."""
    out.write(struct.pack(">I", len(data)) + name + data)
    out.write(struct.pack(">I", zlib.crc32(name + data)))
