"""Read JPEG, PNG, WebP, GIF, BMP, and the TIFF that tifffile does not decode.

Pillow reads them, except for the samples of 16-bit PNG, which it would cut to 8 bits;
those come from libpng through imagecodecs.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image, ImageFile

from dinplug.imaging import metadata, profiles, xmp
from dinplug.imaging.decoded import Decoded, Limits
from dinplug.imaging.metadata import Metadata
from dinplug.imaging.photo import ColourModel, Kind, PhotoInfo
from dinplug.imaging.tiff import Refused, check_size

_PILLOW_NAMES: dict[Kind, tuple[str, ...]] = {
    "jpeg": ("JPEG", "MPO"), "png": ("PNG",), "webp": ("WEBP",), "gif": ("GIF",),
    "bmp": ("BMP",), "tiff": ("TIFF",),
}  # fmt: skip
_MODELS: dict[str, ColourModel] = {
    "1": "bilevel", "L": "grey", "LA": "grey", "I;16": "grey", "P": "palette", "PA": "palette",
    "RGB": "rgb", "RGBA": "rgb", "RGBX": "rgb", "CMYK": "cmyk", "YCbCr": "rgb",
}  # fmt: skip
# IJG's sample luminance table (ITU-T T.81, K.1), rows of the 8x8 block.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69,
    56, 14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81,
    104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


def open_raster(path: Path, kind: Kind) -> ImageFile.ImageFile:
    """Open a file with the one plugin that its content calls for."""
    return Image.open(path, formats=list(_PILLOW_NAMES[kind]))


def raster_info(path: Path, kind: Kind) -> PhotoInfo:
    """Read the size and sample type; raises Refused or the library's errors."""
    with open_raster(path, kind) as image:
        width, height = image.size
        if _orientation(image) in (5, 6, 7, 8):
            width, height = height, width
        bits = _bits(image, path, kind)
        return PhotoInfo(path, kind, width, height, len(image.getbands()), bits, _model(image))


def read_raster(path: Path, kind: Kind, limits: Limits) -> Decoded:
    """Decode the first picture; raises Refused or the library's errors."""
    with open_raster(path, kind) as image:
        bits = _bits(image, path, kind)
        check_size(*image.size, len(image.getbands()), bits, limits)
        notes = _frame_notes(image, kind)
        model = _model(image)
        image.load()
        decoded = _decoded(image, path, kind, model, bits)
        decoded.orientation = _orientation(image)
        decoded.profile = image.info.get("icc_profile") or None
        decoded.metadata, damaged = _metadata(image)
        decoded.warnings = notes + damaged
        if kind == "jpeg":
            decoded.jpeg_quality, decoded.jpeg_subsampling = _jpeg_settings(image)
        elif kind == "webp":
            decoded.lossless = b"VP8L" in path.read_bytes()[:64]
        elif kind == "png":
            _png_colour(image, decoded)
        elif kind == "tiff":
            decoded.compression = "deflate"
    return decoded


def _model(image: Image.Image) -> ColourModel:
    if image.mode not in _MODELS:
        raise Refused(f"pixels of type {image.mode} are not supported")
    return _MODELS[image.mode]


def _bits(image: Image.Image, path: Path, kind: Kind) -> int:
    if kind == "png":
        with path.open("rb") as file:
            return file.read(25)[24]
    return {"1": 1, "I;16": 16}.get(image.mode, 8)


def _frame_notes(image: Image.Image, kind: Kind) -> list[str]:
    frames = int(getattr(image, "n_frames", 1))
    if frames == 1:
        return []
    if kind in ("webp", "gif"):
        raise Refused(f"it is an animation of {frames} frames, not a photo")
    if kind == "png":
        return [f"only the still picture of an animated PNG ({frames} frames) is restored"]
    return [f"only the first of {frames} pictures is restored"]


def _decoded(
    image: ImageFile.ImageFile, path: Path, kind: Kind, model: ColourModel, bits: int
) -> Decoded:
    if kind == "png" and bits == 16 and image.mode != "I;16":
        samples = imagecodecs.png_decode(path.read_bytes())
        if samples.dtype != np.uint16 or samples.shape[:2] != image.size[::-1]:
            raise Refused("its 16-bit samples do not match its header")
        if samples.ndim == 2:
            samples = samples[..., None]
        grey = samples.shape[2] < 3
        colour, rest = np.split(samples, [1 if grey else 3], axis=2)
        alpha = rest[..., 0] if rest.shape[2] else None
        return Decoded(
            colour, "grey" if grey else "rgb", 16, 65535.0, alpha=alpha,
            alpha_kind="none" if alpha is None else "straight",
        )  # fmt: skip
    pixels: Image.Image = image
    clear = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA")
    if model == "palette":
        pixels = image.convert("RGBA" if clear else "RGB")
    elif model == "bilevel" or (model == "grey" and bits < 8):
        pixels = image.convert("LA" if clear else "L")
        model, bits = ("bilevel", 1) if image.mode == "1" else (model, 8)
    elif clear and image.mode in ("L", "RGB"):
        pixels = image.convert(image.mode + "A")
    elif image.mode in ("RGBX", "YCbCr"):
        pixels = image.convert("RGB")
    samples = np.asarray(pixels)
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.dtype == np.dtype(">u2"):
        samples = samples.astype(np.uint16)
    alpha = samples[..., -1] if samples.shape[2] in (2, 4) and model != "cmyk" else None
    colour = samples if alpha is None else samples[..., :-1]
    white = 65535.0 if samples.dtype == np.uint16 else 255.0
    return Decoded(
        colour, model, max(bits, 8) if model != "bilevel" else 1, white, alpha=alpha,
        alpha_kind="none" if alpha is None else "straight",
    )  # fmt: skip


def _orientation(image: Image.Image) -> int:
    about, _ = _metadata(image)
    block = image.info.get("exif")
    found: int | None = None
    if isinstance(block, bytes):
        try:
            _, found = metadata.parse_exif(block)
        except ValueError:
            found = None
    if found is None and about.xmp:
        found = xmp.orientation(about.xmp)
    if found is None and image.format == "TIFF":
        found = int(image.getexif().get(metadata.ORIENTATION, 1))
    return found if found in range(1, 9) else 1


def _metadata(image: Image.Image) -> tuple[Metadata, list[str]]:
    """Collect the metadata, and a note for each part that is damaged and left out."""
    info: dict[Any, Any] = image.info
    about, notes = Metadata(), []
    block = info.get("exif")
    if isinstance(block, bytes) and block:
        try:
            about, _ = metadata.parse_exif(block)
        except ValueError:
            notes.append("damaged EXIF data are left out")
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8")
    iptc, resources = _app13(image)
    dpi = info.get("dpi")
    if image.format in ("JPEG", "MPO") and info.get("jfif_unit", 1) == 0 and not about.dpi:
        dpi = None
    return (
        replace(
            about,
            xmp=packet or None,
            iptc=iptc,
            resources=resources,
            dpi=_sane_dpi(dpi) or about.dpi,
            comments=_comments(info),
        ),
        notes,
    )


def _sane_dpi(dpi: Any) -> tuple[float, float] | None:
    try:
        x, y = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    return (x, y) if 0 < x < 1e6 and 0 < y < 1e6 else None


def _app13(image: Image.Image) -> tuple[bytes | None, bytes | None]:
    segments = [
        data for name, data in getattr(image, "applist", []) if name == "APP13"
        and data.startswith(b"Photoshop 3.0\0")
    ]  # fmt: skip
    return metadata.parse_resources(b"".join(data[14:] for data in segments))


def _comments(info: dict[Any, Any]) -> dict[str, str]:
    comment = info.get("comment")
    if isinstance(comment, bytes):
        return {"Comment": comment.decode("utf-8", "replace")}
    skip = ("xmp", "XML:com.adobe.xmp")
    return {
        str(name): str(value)
        for name, value in info.items()
        if isinstance(value, str) and name not in skip and not str(name).startswith("Raw profile")
    }


def _jpeg_settings(image: Image.Image) -> tuple[int | None, int | None]:
    """Estimate IJG quality from the luminance table, and name the chroma subsampling."""
    tables = getattr(image, "quantization", None) or {}
    layers = getattr(image, "layer", None) or []
    quality = None
    if 0 in tables and len(tables[0]) == 64:
        # IJG scales its table by 200 - 2 q per cent from q = 50 up, by 5000 / q below.
        scale = 100 * sum(tables[0]) / sum(_LUMINANCE)
        quality = round((200 - scale) / 2 if scale <= 100 else 5000 / scale)
        quality = min(max(quality, 1), 100)
    if len(layers) < 3:
        return quality, 0
    horizontal, vertical = layers[0][1:3]
    return quality, {(1, 1): 0, (2, 1): 1}.get((horizontal, vertical), 2)


def _png_colour(image: Image.Image, decoded: Decoded) -> None:
    """Keep the gAMA and cHRM chunks where they are what tells the colour space."""
    gamma, chroma = image.info.get("gamma"), image.info.get("chromaticity")
    if decoded.profile and profiles.space_of(decoded.profile) is not None:
        return
    if "srgb" in image.info:
        return
    if gamma:
        decoded.gamma_chunk = struct.pack(">I", round(float(gamma) * 100000))
        # PNG, 11.3.3.2: a gamma of 1 means that samples are linear light.
        decoded.linear = abs(float(gamma) - 1) < 5e-4
    if chroma:
        values = (round(float(v) * 100000) for v in chroma)
        decoded.chroma_chunk = struct.pack(">8I", *values)
