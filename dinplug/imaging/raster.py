"""Read JPEG, PNG, WebP, GIF and BMP.

Pillow reads them, except for the samples of 16-bit PNG, which it would cut to 8 bits;
those come from libpng through imagecodecs.
"""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, ImageFile

from dinplug.imaging import png_chunks, raster_metadata
from dinplug.imaging.decoded import Decoded, Limits, UnreadableError, check_size
from dinplug.imaging.photo import ColourModel, Kind, PhotoInfo, Samples

_PILLOW_NAMES: dict[Kind, str] = {
    "jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "bmp": "BMP",
}  # fmt: skip
_MODELS: dict[str, ColourModel] = {
    "1": "bilevel", "L": "grey", "LA": "grey", "I;16": "grey", "P": "palette", "PA": "palette",
    "RGB": "rgb", "RGBA": "rgb", "RGBX": "rgb", "CMYK": "cmyk", "YCbCr": "rgb",
}  # fmt: skip


def open_raster(path: Path, kind: Kind) -> ImageFile.ImageFile:
    """Open a file with the one plugin that its content calls for."""
    return Image.open(path, formats=[_PILLOW_NAMES[kind]])


def raster_info(path: Path, kind: Kind) -> PhotoInfo:
    """Read the size and sample type; raises UnreadableError or the library's errors."""
    with open_raster(path, kind) as image:
        width, height = image.size
        _, orientation, _ = raster_metadata.collect(image)
        if orientation >= 5:
            width, height = height, width
        bits = _bits(image, path, kind)
        return PhotoInfo(path, kind, width, height, len(image.getbands()), bits, _model(image))


def read_raster(path: Path, kind: Kind, limits: Limits) -> Decoded:
    """Decode the first picture; raises UnreadableError or the library's errors."""
    with open_raster(path, kind) as image:
        bits = _bits(image, path, kind)
        check_size(*image.size, len(image.getbands()), bits, limits)
        notes = _frame_notes(image, kind)
        image.load()
        if kind == "png" and bits == 16 and image.mode != "I;16":
            decoded = _deep_png(path, image.size)
        else:
            decoded = _decoded(image, bits)
        decoded.metadata, decoded.orientation, damaged = raster_metadata.collect(image)
        decoded.profile = image.info.get("icc_profile") or None
        decoded.warnings = notes + damaged
        if kind == "jpeg":
            decoded.jpeg_quality, decoded.jpeg_subsampling = raster_metadata.jpeg_settings(image)
        elif kind == "webp":
            with path.open("rb") as file:
                decoded.lossless = b"VP8L" in file.read(64)
        elif kind == "png":
            decoded.colour_chunks = png_chunks.colour_chunks(path)
            decoded.linear = not decoded.profile and png_chunks.says_linear(decoded.colour_chunks)
    return decoded


def raster_packet(path: Path, kind: Kind) -> bytes | None:
    """Return the XMP packet in a file's header; raises the library's errors."""
    with open_raster(path, kind) as image:
        return raster_metadata.collect(image)[0].xmp


def _model(image: Image.Image) -> ColourModel:
    if image.mode not in _MODELS:
        raise UnreadableError(f"pixels of type {image.mode} are not supported")
    return _MODELS[image.mode]


def _bits(image: Image.Image, path: Path, kind: Kind) -> int:
    if kind == "png":
        return png_chunks.header_bits(path)
    return {"1": 1, "I;16": 16}.get(image.mode, 8)


def _frame_notes(image: Image.Image, kind: Kind) -> list[str]:
    frames = int(getattr(image, "n_frames", 1))
    if frames == 1:
        return []
    if kind in ("webp", "gif"):
        raise UnreadableError(f"it is an animation of {frames} frames, not a photo")
    if kind == "png":
        return [f"only the still picture of an animated PNG ({frames} frames) is restored"]
    return [f"only the first of {frames} pictures is restored"]


def _deep_png(path: Path, size: tuple[int, int]) -> Decoded:
    """Decode a 16-bit PNG that is more than plain grey, transparent colour keys included."""
    samples: Samples = imagecodecs.png_decode(path.read_bytes())
    if samples.dtype != np.uint16 or samples.shape[:2] != size[::-1]:
        raise UnreadableError("its 16-bit samples do not match its header")
    if samples.ndim == 2:
        samples = samples[..., None]
    return _split(samples, "grey" if samples.shape[2] < 3 else "rgb", 16)


def _decoded(image: Image.Image, bits: int) -> Decoded:
    model = _model(image)
    pixels: Image.Image = image
    clear = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA")
    if model == "palette":
        pixels = image.convert("RGBA" if clear else "RGB")
    elif model in ("bilevel", "grey") and image.mode not in ("I;16", "LA"):
        pixels = image.convert("LA" if clear else "L")
    elif clear and image.mode == "RGB":
        pixels = image.convert("RGBA")
    elif image.mode in ("RGBX", "YCbCr"):
        pixels = image.convert("RGB")
    samples = np.asarray(pixels)
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.dtype.itemsize == 2:
        samples = samples.astype(np.uint16)
    return _split(samples, model, 1 if model == "bilevel" else max(bits, 8))


def _split(samples: Samples, model: ColourModel, bits: int) -> Decoded:
    """Part colour from alpha, which in these kinds of file is the last and always straight."""
    clear = model != "cmyk" and samples.shape[2] in (2, 4)
    white = float(np.iinfo(samples.dtype).max)
    if not clear:
        return Decoded(samples, model, bits, white)
    alpha = samples[..., -1]
    return Decoded(samples[..., :-1], model, bits, white, alpha=alpha, alpha_kind="straight")
