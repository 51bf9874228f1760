"""Encode composed samples as TIFF, JPEG, PNG or WebP, with the metadata each can hold."""

from __future__ import annotations

import io
import mmap
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from dinplug.errors import WriteError
from dinplug.imaging import history, ifd, iptc, metadata, png_chunks
from dinplug.imaging.compose import Composed
from dinplug.imaging.metadata import Metadata
from dinplug.imaging.options import TIFF_COMPRESSIONS, WriteOptions
from dinplug.imaging.photo import Photo, Samples

_DEFAULT_QUALITY = 95
# A restored photo is a second generation; below this the first one's blocks come back.
_LEAST_QUALITY = 90
# JPEG segments hold 65533 bytes, of which EXIF's heading takes 6.
_MAX_SEGMENT = 65533 - 6
_MAX_XMP = 65502  # bytes, beside the segment's heading
_YCBCR_POSITIONING = 0x0213
# A quarter of the time of zlib's usual 6, for files some 5 % larger.
_PNG_LEVEL = 4
_BIG_TIFF_BYTES = 4 * 2**30 - 64 * 2**20


def encode_tiff(
    path: Path, photo: Photo, composed: Composed, about: Metadata, options: WriteOptions
) -> list[str]:
    """Write a TIFF (BigTIFF where the source was, or size asks for it); return notes."""
    wish = options.compression or photo.source.compression or "deflate"
    compression = TIFF_COMPRESSIONS[wish]
    layers = [composed.colour]
    kinds: list[str] = []
    if composed.alpha is not None:
        layers.append(composed.alpha[..., None])
        kinds.append("assocalpha" if photo.source.alpha == "premultiplied" else "unassalpha")
    if composed.extras is not None:
        layers.append(composed.extras)
        kinds += ["unspecified"] * composed.extras.shape[2]
    samples = np.concatenate(layers, axis=2) if len(layers) > 1 else composed.colour
    if samples.shape[2] == 1:
        samples = samples[..., 0]
    predictor = compression in ("lzw", "zlib", "zstd") and composed.bits < 64
    photometric = {"grey": "minisblack", "rgb": "rgb", "cmyk": "separated", "lab": "cielab"}
    tifffile.imwrite(
        path,
        np.ascontiguousarray(samples),
        bigtiff=photo.source.big or samples.nbytes > _BIG_TIFF_BYTES,
        byteorder="<",
        photometric=photometric[composed.model],
        planarconfig="contig" if samples.ndim == 3 else None,
        extrasamples=kinds or None,
        compression=compression,
        predictor=predictor,
        rowsperstrip=_strip_rows(samples),
        resolution=about.dpi or (72.0, 72.0),
        resolutionunit="inch",
        software=False,
        metadata=None,
    )
    _describe(path, about, composed.profile)
    return []


def _strip_rows(samples: Samples) -> int:
    """Return the rows of strips of about a mebibyte, which decoders can take one by one."""
    return max(1, min(len(samples), 2**20 // max(1, int(samples[0].nbytes))))


def _describe(path: Path, about: Metadata, profile: bytes | None) -> None:
    """Give a TIFF a new main directory at its end, with metadata and their directories.

    tifffile writes no EXIF and GPS directories. Its own directory stays behind unused, a few
    hundred bytes.
    """
    with path.open("r+b") as out:
        with mmap.mmap(out.fileno(), 0, access=mmap.ACCESS_READ) as view:
            reader = ifd.TagReader(view)
            tags = reader.directory(reader.first).tags
            big = reader.big
        tags |= about.main | {metadata.ORIENTATION: ifd.short_field(1)}
        blocks = ((700, 1, about.xmp), (33723, 7, about.iptc), (34675, 7, profile),
                  (34377, 1, about.resources))  # fmt: skip
        for tag, kind, data in blocks:
            if data:
                tags[tag] = ifd.Field(kind, len(data), data)
        at = out.seek(0, 2)
        at += out.write(bytes(at % 2))
        out.write(ifd.write_tree(ifd.Tree(tags, metadata.exif_children(about)), at, big=big))
        out.seek(8 if big else 4)
        out.write(struct.pack("<Q" if big else "<I", at))


def encode_jpeg(
    path: Path, photo: Photo, composed: Composed, about: Metadata, options: WriteOptions
) -> list[str]:
    """Write a JPEG; quality and chroma subsampling follow a JPEG source, else 95 and 4:4:4."""
    source = photo.source
    mode = {"grey": "L", "rgb": "RGB", "cmyk": "CMYK"}[composed.model]
    image = Image.frombytes(mode, (photo.width, photo.height), composed.colour.tobytes())
    notes: list[str] = []
    settings: dict[str, Any] = {
        "quality": _quality(photo, options),
        "subsampling": source.jpeg_subsampling or 0,
        "optimize": True,
    }
    if about.has_exif:
        settings["exif"] = _jpeg_exif(about, photo.width, photo.height, notes)
    resources = metadata.build_resources(about)
    if resources and len(resources) + 14 <= 65533:
        block = b"Photoshop 3.0\0" + resources
        settings["extra"] = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    elif resources:
        notes.append("the Photoshop data are too large for JPEG and are left out")
    if composed.profile:
        settings["icc_profile"] = composed.profile
    packet = about.xmp
    if packet and len(packet) > _MAX_XMP:
        packet = history.only_history(packet)
        notes.append("the XMP data are too large for JPEG and are left out")
    if packet and len(packet) <= _MAX_XMP:
        settings["xmp"] = packet
    if about.dpi:
        settings["dpi"] = (round(about.dpi[0]), round(about.dpi[1]))
    if "Comment" in about.comments:
        settings["comment"] = about.comments["Comment"]
    # Pillow writes JPEG past Python and takes a write cut short by a full disk for a success.
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", **settings)
    path.write_bytes(encoded.getbuffer())
    return notes


def _quality(photo: Photo, options: WriteOptions) -> int:
    if options.quality is not None:
        return options.quality
    own = photo.source.jpeg_quality
    return _DEFAULT_QUALITY if own is None else max(own, _LEAST_QUALITY)


def _jpeg_exif(about: Metadata, width: int, height: int, notes: list[str]) -> bytes:
    """Serialise EXIF with what it needs in a JPEG (Exif 2.32, table 17), cut to one segment."""
    main = {_YCBCR_POSITIONING: ifd.short_field(1)} | about.main
    exif = about.exif
    if exif:
        sizes = {metadata.PIXEL_X: ifd.long_field(width), metadata.PIXEL_Y: ifd.long_field(height)}
        exif = exif | sizes
    block = metadata.exif_block(replace(about, main=main, exif=exif))
    if len(block) > _MAX_SEGMENT:
        slim = {tag: value for tag, value in exif.items() if len(value.data) < 4096}
        block = metadata.exif_block(replace(about, main=main, exif=slim))
        notes.append("EXIF values of 4 KiB and more (maker notes) are too large for JPEG")
    return b"Exif\0\0" + block


def encode_webp(
    path: Path, photo: Photo, composed: Composed, about: Metadata, options: WriteOptions
) -> list[str]:
    """Write a WebP: lossless where it was one or quality is 100, else of quality 95."""
    colour = composed.colour
    if composed.model == "grey":
        colour = np.repeat(colour, 3, axis=2)
    if composed.alpha is not None:
        colour = np.concatenate([colour, composed.alpha[..., None]], axis=2)
    if max(colour.shape[:2]) > 16383:
        raise WriteError(f"{photo.source.path}: WebP holds 16383 pixels a side; use --format png")
    quality = _quality(photo, options)
    was_lossless = photo.source.kind == "webp" and photo.source.lossless
    settings: dict[str, Any] = {
        "quality": quality,
        "lossless": quality == 100 or (options.quality is None and was_lossless),
        "exact": True,
    }
    if about.has_exif or about.dpi:
        settings["exif"] = metadata.exif_block(about)
    if composed.profile and composed.model == "rgb":
        settings["icc_profile"] = composed.profile
    packet = iptc.as_xmp(about.xmp, about.iptc) if about.iptc else about.xmp
    if packet:
        settings["xmp"] = packet
    with path.open("wb") as out:
        Image.fromarray(np.ascontiguousarray(colour)).save(out, "WEBP", **settings)
    return ["WebP holds no IPTC data; their texts are in the XMP"] if about.iptc else []


def encode_png(
    path: Path, photo: Photo, composed: Composed, about: Metadata, options: WriteOptions
) -> list[str]:
    """Write a PNG of 8 or 16 bits; metadata chunks go before the pixels."""
    samples = composed.colour
    if composed.alpha is not None:
        samples = np.concatenate([samples, composed.alpha[..., None]], axis=2)
    if samples.shape[2] == 1:
        samples = samples[..., 0]
    encoded = imagecodecs.png_encode(np.ascontiguousarray(samples), level=_PNG_LEVEL)
    with path.open("wb") as out:
        out.write(encoded[: png_chunks.SIGNATURE_AND_HEADER])
        for name, data in _png_chunks(photo, composed, about):
            png_chunks.write_chunk(out, name, data)
        out.write(encoded[png_chunks.SIGNATURE_AND_HEADER :])
    return []


def _png_chunks(photo: Photo, composed: Composed, about: Metadata) -> list[tuple[bytes, bytes]]:
    chunks = []
    if composed.profile:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(composed.profile)))
    elif composed.same_space:
        chunks += photo.source.colour_chunks
    if about.dpi:
        x, y = (round(value / 0.0254) for value in about.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", x, y, 1)))
    if about.has_exif:
        chunks.append((b"eXIf", metadata.exif_block(about)))
    if about.xmp:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + about.xmp))
    if about.iptc:
        chunks.append((b"zTXt", png_chunks.wrap_profile(b"iptc", about.iptc)))
    for name, text in about.comments.items():
        keyword = name.encode("latin-1", "replace")[:79]
        chunks.append((b"iTXt", keyword + b"\0\0\0\0\0" + text.encode("utf-8")))
    return chunks
