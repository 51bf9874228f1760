"""PNG chunks beside the pixels."""

import struct
import zlib
from pathlib import Path

import pytest

from dinplug.imaging import png_chunks

HEADER = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", 1, 1, 16, 2, 0, 0, 0, 0)


def file_of(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    with path.open("wb") as out:
        out.write(HEADER)
        for name, data in chunks:
            png_chunks.write_chunk(out, name, data)
    return path


def test_colour_chunks_before_the_pixels(tmp_path: Path) -> None:
    colour = ((b"gAMA", struct.pack(">I", 45455)), (b"sRGB", b"\0"))
    path = file_of(
        tmp_path / "a.png", (b"tEXt", b"x" * 500), *colour, (b"IDAT", b""), (b"cICP", b"\1\1\0\1")
    )
    assert png_chunks.colour_chunks(path) == colour
    assert png_chunks.header_bits(path) == 16


def test_cut_file_ends_the_search(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(HEADER + struct.pack(">I4s", 4, b"gAMA") + b"\0")
    assert png_chunks.colour_chunks(path) == ((b"gAMA", b"\0"),)


GAMMA_1 = (b"gAMA", struct.pack(">I", 100000))


@pytest.mark.parametrize(
    ("chunks", "linear"),
    [
        ((), False),
        ((GAMMA_1,), True),
        (((b"gAMA", struct.pack(">I", 45455)),), False),
        ((GAMMA_1, (b"sRGB", b"\0")), False),
        ((GAMMA_1, (b"cICP", b"\x09\x10\0\1")), False),
        (((b"cICP", b"\x09\x08\0\1"), (b"sRGB", b"\0")), True),
    ],
)
def test_which_chunk_tells(chunks: png_chunks.Chunks, linear: bool) -> None:
    assert png_chunks.says_linear(chunks) is linear


def test_wrapped_profile_comes_back() -> None:
    block = bytes(range(256))
    wrapped = png_chunks.wrap_profile(b"iptc", block)
    keyword, _, packed = wrapped.partition(b"\0\0")
    assert keyword == b"Raw profile type iptc"
    text = zlib.decompress(packed).decode()
    assert png_chunks.unwrap_profile(text) == block
    assert png_chunks.unwrap_profile(text[:-9]) is None
    assert png_chunks.unwrap_profile("iptc 2 zz") is None
