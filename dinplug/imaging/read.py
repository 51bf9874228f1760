"""Read a photo of any kind: find the kind by content, decode, make display-encoded RGB."""

from __future__ import annotations

import errno
import mmap
import stat
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from PIL import UnidentifiedImageError

from dinplug.errors import ReadError
from dinplug.imaging import colour, ifd, kinds, pixels, png_chunks, profiles, raster, raw, tiff
from dinplug.imaging.decoded import Decoded, Limits, UnreadableError
from dinplug.imaging.photo import (
    ColourModel,
    F32Image,
    Kind,
    Photo,
    PhotoInfo,
    Samples,
    Source,
    Transfer,
)
from dinplug.imaging.quiet import one_line, quiet_libraries

MAX_PIXELS = 500_000_000

# What the decoders raise on damaged or hostile files, found by feeding them such files.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tifffile.TiffFileError,
    zlib.error,
)

# Messages about a library's own use of another one, not about the file.
_IDLE_TALK = ("Interlace handling should be turned on",)


def read_photo(path: Path, *, max_pixels: int = MAX_PIXELS, max_bytes: int | None = None) -> Photo:
    """Read one photo, upright, as display-encoded float RGB.

    Pictures of more than `max_pixels`, or whose decoding needs more than `max_bytes` of
    memory, are refused before anything is allocated. What a person should know about the
    file (pages left out, a damaged profile) is in `source.warnings`. Raises ReadError.
    """
    path = Path(path)
    limits = Limits(max_pixels, max_bytes)
    with quiet_libraries() as messages:
        try:
            kind = _kind(path)
            decoded = _decode(path, kind, limits)
            photo = photo_of(path, kind, decoded)
        except UnreadableError as error:
            raise ReadError(f"{path}: {error}") from error
        except _FAILURES as error:
            raise ReadError(f"{path}: {_reason(error)}") from error
    told = dict.fromkeys(m for m in messages if not any(part in m for part in _IDLE_TALK))
    notes = (*photo.source.warnings, *told)
    return replace(photo, source=replace(photo.source, warnings=notes))


def photo_kind(path: Path) -> Kind:
    """Tell a photo's kind by its first bytes, or a RAW's by its name. Raises ReadError."""
    try:
        return _kind(path)
    except UnreadableError as error:
        raise ReadError(f"{path}: {error}") from error
    except _FAILURES as error:
        raise ReadError(f"{path}: {_reason(error)}") from error


def probe_photo(path: Path) -> PhotoInfo:
    """Read a photo's kind, upright size, channels and depth from its header; no pixels.

    For RAW this starts LibRaw in a process of its own (about a third of a second). The size
    is what the header claims; it may be huge. Raises ReadError.
    """
    path = Path(path)
    with quiet_libraries():
        try:
            kind = _kind(path)
            if kind == "raw":
                return raw.raw_info(path, Limits(2**62))
            if kind == "tiff":
                return tiff.tiff_info(path)
            return raster.raster_info(path, kind)
        except UnreadableError as error:
            raise ReadError(f"{path}: {error}") from error
        except _FAILURES as error:
            raise ReadError(f"{path}: {_reason(error)}") from error


def read_xmp(path: Path) -> bytes | None:
    """Read the XMP packet that lies in a JPEG, PNG, WebP or TIFF; no pixels. Raises ReadError."""
    path = Path(path)
    with quiet_libraries():
        try:
            kind = _kind(path)
            if kind == "png":
                return png_chunks.xmp_packet(path)
            if kind == "tiff":
                return tiff.tiff_packet(path)
            return raster.raster_packet(path, kind) if kind in ("jpeg", "webp") else None
        except UnreadableError as error:
            raise ReadError(f"{path}: {error}") from error
        except _FAILURES as error:
            raise ReadError(f"{path}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a link that leads in a circle"
    if isinstance(error, IsADirectoryError):
        return "it is a folder, not a photo"
    if isinstance(error, UnidentifiedImageError):
        return "damaged or unsupported file (its header cannot be read)"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    return f"damaged or unsupported file ({one_line(error) or type(error).__name__})"


def _kind(path: Path) -> Kind:
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        raise UnreadableError("it is a device or a pipe, not a file")
    with path.open("rb") as file:
        head = file.read(kinds.HEAD_BYTES)
        if not head:
            raise UnreadableError("the file is empty")
        kind = kinds.sniff(head)
        named_raw = path.suffix.lower() in kinds.RAW_SUFFIXES
        if kind == "tiff" and not named_raw:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                if kinds.holds_sensor_data(ifd.TagReader(view)):
                    return "raw"
    if named_raw and kind in (None, "tiff"):
        return "raw"
    if named_raw and kind != "raw":
        raise UnreadableError("named as a camera RAW, but it holds only a preview picture")
    if kind is None:
        raise UnreadableError("it is not a photo of a kind dinplug reads")
    return kind


def _decode(path: Path, kind: Kind, limits: Limits) -> Decoded:
    if kind == "raw":
        return raw.read_raw(path, limits)
    if kind != "tiff":
        return raster.read_raster(path, kind, limits)
    return tiff.read_tiff(path, limits)


def photo_of(
    path: Path, kind: Kind, decoded: Decoded, *, transfer: Transfer | None = None
) -> Photo:
    """Make a photo of decoded samples: upright, display-encoded, unseen pixels set aside.

    `transfer` says whether the samples are linear light; None leaves that to the profile, and
    takes floats without one for linear.
    """
    notes = list(decoded.warnings)
    profile = _checked_profile(decoded, notes)
    alpha = None
    if decoded.alpha is not None:
        white = 1.0 if decoded.sample == "float" else decoded.white
        alpha = np.clip(np.nan_to_num(pixels.to_float(decoded.alpha, white)), 0, 1)
    linear = decoded.linear or (profile is not None and profiles.is_linear(profile))
    if decoded.sample == "float" and profile is None and decoded.model != "lab":
        linear = True
    if transfer is not None:
        linear = transfer == "linear"
    rgb, model, profile = _rgb(decoded, alpha, profile, linear=linear, notes=notes)
    rgb = np.ascontiguousarray(pixels.upright(rgb, decoded.orientation))
    if alpha is not None:
        alpha = np.ascontiguousarray(pixels.upright(alpha, decoded.orientation))
    extras = decoded.extras
    if extras is not None:
        extras = np.ascontiguousarray(pixels.upright(extras, decoded.orientation))
    rgb, held = pixels.set_aside(rgb, alpha)
    source = Source(
        path=path,
        kind=kind,
        width=rgb.shape[1],
        height=rgb.shape[0],
        model=decoded.model,
        output_model=model,
        sample=decoded.sample,
        bits=decoded.bits,
        alpha=decoded.alpha_kind,
        transfer="linear" if linear else "display",
        profile=profile,
        compression=decoded.compression,
        jpeg_quality=decoded.jpeg_quality,
        jpeg_subsampling=decoded.jpeg_subsampling,
        lossless=decoded.lossless,
        big=decoded.big,
        colour_chunks=decoded.colour_chunks,
        extras=extras,
        held=held,
        metadata=decoded.metadata,
        warnings=tuple(notes),
    )
    return Photo(rgb, alpha, source)


def _checked_profile(decoded: Decoded, notes: list[str]) -> bytes | None:
    """Return the profile if it is sound and fits the samples; note why not otherwise."""
    if not decoded.profile:
        return None
    space = profiles.space_of(decoded.profile)
    wanted = {"grey": "grey", "bilevel": "grey", "cmyk": "cmyk", "lab": "lab"}
    if space is None:
        notes.append("its ICC profile is damaged and is ignored")
    elif space != wanted.get(decoded.model, "rgb"):
        notes.append(f"its ICC profile is for {space}, not its own pixels, and is ignored")
    else:
        return decoded.profile
    return None


def _rgb(
    decoded: Decoded,
    alpha: Samples | None,
    profile: bytes | None,
    *,
    linear: bool,
    notes: list[str],
) -> tuple[F32Image, ColourModel, bytes | None]:
    """Return display-encoded RGB, the model a result takes, and the profile it keeps."""
    if decoded.model == "lab":
        return colour.lab_to_rgb(decoded.colour), "lab", profile
    values = pixels.to_float(decoded.colour, decoded.white)
    if alpha is not None and decoded.alpha_kind == "premultiplied":
        values = pixels.unpremultiplied(values, alpha)
    if decoded.model == "cmyk":
        if profile is not None:
            srgb = profiles.named_profile("srgb")
            return profiles.convert(values, profile, "cmyk", srgb, "rgb"), "cmyk", profile
        notes.append("CMYK without a usable profile: the result is sRGB")
        return colour.cmyk_to_rgb(values), "rgb", profiles.named_profile("srgb")
    if linear:
        values = colour.encode_srgb(values)
    if decoded.model in ("grey", "bilevel"):
        if decoded.model == "bilevel":
            notes.append("black and white of one bit: the result is 8-bit grey")
        return colour.grey_to_rgb(values[..., 0]), "grey", profile
    if decoded.model == "palette":
        notes.append("palette colours: the result is RGB")
    return values, "rgb", profile
