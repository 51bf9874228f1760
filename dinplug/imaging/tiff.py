"""Read TIFF, BigTIFF included, with every sample type and compression tifffile knows."""

from __future__ import annotations

import mmap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from dinplug.imaging import ifd, isolated, metadata, xmp
from dinplug.imaging.decoded import Decoded, Limits, UnreadableError, check_size
from dinplug.imaging.metadata import Metadata
from dinplug.imaging.photo import AlphaKind, ColourModel, PhotoInfo, SampleFormat, Samples

_DECODER = Path(__file__).with_name("tiff_decoder.py")
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
_CIELAB, _ICCLAB = 8, 9
_CHANNELS = {
    _MIN_IS_WHITE: 1, _MIN_IS_BLACK: 1, _RGB: 3, _PALETTE: 1, _SEPARATED: 4, _YCBCR: 3,
    _CIELAB: 3, _ICCLAB: 3,
}  # fmt: skip
OLD_JPEG = 6
_YCBCR_CODECS = (7, 34712, 33003, 33005, 50001)  # codecs that hand over RGB themselves
_COMPRESSION_NAMES = {
    1: "none",
    5: "lzw",
    8: "deflate",
    32946: "deflate",
    32773: "packbits",
    50000: "zstd",
}
_XMP, _IPTC, _RESOURCES, _ICC, _INK_SET = 700, 33723, 34377, 34675, 332


def open_tiff(path: Path) -> tifffile.TiffFile:
    """Open a TIFF by its content, whatever its name."""
    return tifffile.TiffFile(path, name=path.name)


def tiff_info(path: Path) -> PhotoInfo:
    """Read size and sample type of the first page; raises UnreadableError or tifffile's errors."""
    with open_tiff(path) as file:
        page: Any = file.pages.first
        _check_form(page)
        width, height = int(page.imagewidth), int(page.imagelength)
        if metadata.orientation_of(_main_tags(path)[0]) in (5, 6, 7, 8):
            width, height = height, width
        return PhotoInfo(
            path, "tiff", width, height, int(page.samplesperpixel), int(page.bitspersample),
            _model(page), _sample(page),
        )  # fmt: skip


def read_tiff(path: Path, limits: Limits) -> Decoded:
    """Decode the first page; raises UnreadableError or the library's errors."""
    with open_tiff(path) as file:
        page: Any = file.pages.first
        _check_form(page)
        check_size(int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel),
                   int(page.bitspersample), limits)  # fmt: skip
        _check_data(page, path.stat().st_size)
        samples = _samples(path, page, limits)
        pages = _count_pictures(file)
        decoded = _decoded(page, samples)
        decoded.big = bool(file.is_bigtiff)
    main, about = _main_tags(path)
    profile = main.get(_ICC)
    decoded.profile = profile.data if profile else None
    decoded.metadata = about
    decoded.orientation = metadata.orientation_of(main) or _xmp_orientation(about) or 1
    if pages > 1:
        decoded.warnings.append(f"only the first of {pages} pages is restored")
    return decoded


def _check_form(page: Any) -> None:
    if page.photometric not in _CHANNELS:
        raise UnreadableError(f"TIFF colour model {int(page.photometric)} is not supported")
    if not isinstance(page.bitspersample, int) or page.dtype is None:
        raise UnreadableError("its sample type is not supported")
    if page.imagedepth != 1:
        raise UnreadableError("it is a volume, not a picture")
    if page.samplesperpixel < _CHANNELS[page.photometric]:
        raise UnreadableError("it has too few channels for its colour model")
    if page.photometric == _SEPARATED and page.tags.valueof(_INK_SET, default=1) != 1:
        raise UnreadableError("its inks are not CMYK")
    if page.photometric == _YCBCR and page.compression not in (*_YCBCR_CODECS, OLD_JPEG):
        raise UnreadableError("YCbCr outside JPEG compression is not supported; save it as RGB")
    if page.dtype.kind not in "buif":
        raise UnreadableError("complex samples are not supported")


def _check_data(page: Any, file_size: int) -> None:
    """Raise where strips or tiles are missing: tifffile would give black for them."""
    offsets, counts = page.dataoffsets, page.databytecounts
    if not offsets or len(offsets) != len(counts) or not all(offsets) or not all(counts):
        raise UnreadableError("pixel data are missing")
    if any(o + c > file_size for o, c in zip(offsets, counts, strict=True)):
        raise UnreadableError("the file is cut short")
    if page.compression == 1:
        need = page.imagewidth * page.imagelength * page.samplesperpixel * page.bitspersample // 8
        if sum(counts) < need:
            raise UnreadableError("pixel data are missing")


def _samples(path: Path, page: Any, limits: Limits) -> Samples:
    """Return the samples (H, W, C); whatever needs a decoder goes to a process of its own."""
    if page.axes not in ("YX", "SYX", "YXS"):
        raise UnreadableError(f"its dimensions {page.axes} are not those of a picture")
    samples: Samples | None
    if page.compression == 1 and page.bitspersample in (8, 16, 32, 64):
        samples = page.asarray()
        samples = np.moveaxis(samples, 0, 2) if page.axes == "SYX" else samples
    else:
        facts, samples, _ = isolated.decode(_DECODER, [str(path.absolute())], limits)
        if samples is None:
            raise UnreadableError(f"damaged or unsupported file ({facts.get('error')})")
    samples = samples if samples.ndim == 3 else samples[..., None]
    wanted = (page.imagelength, page.imagewidth, page.samplesperpixel)
    if samples.shape != wanted:
        raise UnreadableError("its samples do not match its header")
    return samples


def _count_pictures(file: tifffile.TiffFile) -> int:
    count = 0
    for page in list(file.pages)[:1000]:
        reduced_or_mask = int(getattr(page, "subfiletype", 0) or 0) & 5
        count += not reduced_or_mask
    return max(count, 1)


def _model(page: Any) -> ColourModel:
    models: dict[int, ColourModel] = {_PALETTE: "palette", _SEPARATED: "cmyk", _CIELAB: "lab",
                                      _ICCLAB: "lab", _RGB: "rgb", _YCBCR: "rgb"}  # fmt: skip
    if page.photometric != _PALETTE and page.bitspersample == 1 and page.samplesperpixel == 1:
        return "bilevel"
    return models.get(int(page.photometric), "grey")


def _sample(page: Any) -> SampleFormat:
    names: dict[str, SampleFormat] = {"f": "float", "i": "int"}
    return names.get(page.dtype.kind, "uint")


def _decoded(page: Any, samples: Samples) -> Decoded:
    bits, sample, model = int(page.bitspersample), _sample(page), _model(page)
    if model == "cmyk" and sample == "int":
        # Ink is never negative: such files are unsigned samples under a wrong label.
        samples, sample = samples.view(samples.dtype.str.replace("i", "u")), "uint"
    count = _CHANNELS[page.photometric]
    colour, rest = samples[..., :count], samples[..., count:]
    white = 1.0 if sample == "float" else float(2 ** (bits - (sample == "int")) - 1)
    if page.photometric == _MIN_IS_WHITE:
        colour = (colour.dtype.type(white) - colour).astype(colour.dtype)
    if model == "palette":
        colour = _looked_up(colour[..., 0], page.colormap)
        bits = 16 if bits > 8 else 8
        white = float(2**bits - 1)
    if model == "lab":
        colour = _lab_units(colour, sample, bits, signed=page.photometric == _CIELAB)
    alpha, kind, extras = _extra_channels(page, rest)
    return Decoded(
        colour, model, bits, white, sample, alpha, kind, extras,
        compression=_COMPRESSION_NAMES.get(int(page.compression), "deflate"),
    )  # fmt: skip


def _looked_up(index: Samples, table: Any) -> Samples:
    """Return the colours of palette indices (H, W): uint8, or uint16 for 16-bit indices."""
    if table is None or len(table) != 3:
        raise UnreadableError("its palette is missing")
    entries = np.asarray(table, np.float64).T
    if index.size and int(index.max()) >= len(entries):
        raise UnreadableError("its palette is too short")
    # Entries are 16-bit; old writers left them 8-bit, or 8-bit shifted (libtiff knows both).
    top = 255.0 if entries.max() < 256 else 65535.0
    if top == 65535 and not (entries.astype(np.int64) & 255).any():
        top = 65280.0
    wide = index.dtype.itemsize > 1
    scale = 65535 if wide else 255
    colours = np.rint(entries / top * scale).astype(np.uint16 if wide else np.uint8)
    return colours[index]


def _lab_units(colour: Samples, sample: SampleFormat, bits: int, *, signed: bool) -> Samples:
    """Turn stored Lab into L 0..100 and a, b in their own units, float32 (TIFF 6.0, section 23)."""
    if sample == "float":
        return colour.astype(np.float32)
    if bits not in (8, 16):
        raise UnreadableError(f"Lab of {bits} bits is not supported")
    unit = 2 ** (bits - 8)
    out = np.empty(colour.shape, np.float32)
    out[..., 0] = colour[..., 0].astype(np.float32) * np.float32(100 / (2**bits - 1))
    chroma = np.ascontiguousarray(colour[..., 1:])
    if signed:
        out[..., 1:] = chroma.view(f"i{bits // 8}").astype(np.float32) / unit
    else:
        out[..., 1:] = chroma.astype(np.float32) / unit - 128
    return out


def _extra_channels(page: Any, rest: Samples) -> tuple[Samples | None, AlphaKind, Samples | None]:
    kinds = [int(kind) for kind in page.extrasamples][-rest.shape[2] :] if rest.shape[2] else []
    kinds += [0] * (rest.shape[2] - len(kinds))
    at = next((i for i, kind in enumerate(kinds) if kind in (1, 2)), None)
    if at is None:
        return None, "none", rest if rest.shape[2] else None
    others = np.delete(rest, at, axis=2) if rest.shape[2] > 1 else None
    return rest[..., at], "premultiplied" if kinds[at] == 1 else "straight", others


def _main_tags(path: Path) -> tuple[ifd.Tags, Metadata]:
    """Read the first directory's tags and the metadata under it; empty where damaged."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        reader = ifd.TagReader(view)
        main = reader.directory(reader.first).tags
        about = metadata.read_exif_tags(reader, main)
    return main, tiff_metadata(main, about)


def tiff_packet(path: Path) -> bytes | None:
    """Return the XMP packet of the first directory; raises ValueError where there is none."""
    return _main_tags(path)[1].xmp


def tiff_metadata(main: ifd.Tags, about: Metadata) -> Metadata:
    """Add the XMP, IPTC and Photoshop tags of a TIFF directory to its metadata."""
    packet, iptc, resources = main.get(_XMP), main.get(_IPTC), main.get(_RESOURCES)
    found_iptc, kept = metadata.parse_resources(resources.data) if resources else (None, None)
    return replace(
        about,
        xmp=packet.data if packet else None,
        iptc=_iptc_bytes(iptc.data) if iptc else found_iptc,
        resources=kept,
    )


def _iptc_bytes(data: bytes) -> bytes:
    """Undo the swap of an IPTC block that a big-endian file calls 32-bit integers."""
    if data[:1] != b"\x1c" and data[3:4] == b"\x1c":
        return np.frombuffer(data, ">u4").astype("<u4").tobytes()
    return data


def _xmp_orientation(about: Metadata) -> int | None:
    return xmp.orientation(about.xmp) if about.xmp else None
