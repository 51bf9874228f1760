"""Collect what Pillow has read about a JPEG, PNG or WebP beside its pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PIL import Image

from dinplug.imaging import metadata, png_chunks, xmp
from dinplug.imaging.metadata import Metadata

_RAW_PROFILE = "Raw profile type "
# IJG's sample luminance table (ITU-T T.81, K.1), rows of the 8x8 block.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69,
    56, 14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81,
    104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip


def collect(image: Image.Image) -> tuple[Metadata, int, list[str]]:
    """Return the metadata, the orientation 1..8, and a note for each part that is left out."""
    info: dict[Any, Any] = image.info
    profiles = _raw_profiles(info)
    about, orientation, notes = Metadata(), None, []
    block = info.get("exif") or profiles.get("exif") or profiles.get("APP1")
    if isinstance(block, bytes) and block:
        try:
            about, orientation = metadata.parse_exif(block)
        except ValueError:
            notes.append("its EXIF data are damaged and are left out")
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or profiles.get("xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8")
    if packet and b"HasExtendedXMP" in packet:
        notes.append("its extended XMP data are left out")
    iptc, resources = _app13(image)
    if profiles.get("iptc"):
        wrapped, _ = metadata.parse_resources(profiles["iptc"])
        iptc = wrapped or profiles["iptc"]
    about = replace(
        about,
        xmp=packet or None,
        iptc=iptc,
        resources=resources,
        dpi=_sane_dpi(info.get("dpi")) or about.dpi,
        comments=_comments(image),
    )
    if orientation is None and about.xmp:
        orientation = xmp.orientation(about.xmp)
    return about, orientation or 1, notes


def jpeg_settings(image: Image.Image) -> tuple[int | None, int | None]:
    """Estimate IJG quality from the luminance table, and name the chroma subsampling.

    Subsampling is 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0 and coarser.
    """
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
    luma, chroma = layers[0][1:3], layers[1][1:3]
    ratio = (luma[0] // max(chroma[0], 1), luma[1] // max(chroma[1], 1))
    return quality, {(1, 1): 0, (2, 1): 1}.get(ratio, 2)


def _raw_profiles(info: dict[Any, Any]) -> dict[str, bytes]:
    found = {}
    for name, text in info.items():
        if isinstance(name, str) and name.startswith(_RAW_PROFILE) and isinstance(text, str):
            data = png_chunks.unwrap_profile(text)
            if data:
                found[name[len(_RAW_PROFILE) :]] = data
    return found


def _sane_dpi(dpi: Any) -> tuple[float, float] | None:
    try:
        x, y = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, IndexError, ZeroDivisionError):
        return None
    if not (0 < x < 1e6 and 0 < y < 1e6):
        return None
    # PNG counts whole pixels a metre, so 300 an inch comes back as 299.9994.
    return _snapped(x), _snapped(y)


def _snapped(dpi: float) -> float:
    whole = round(dpi)
    return float(whole) if abs(dpi - whole) < 0.0254 / 2 else dpi


def _app13(image: Image.Image) -> tuple[bytes | None, bytes | None]:
    """Join the Photoshop segments of a JPEG, which may be cut anywhere, and split them."""
    segments = [
        data[14:]
        for name, data in getattr(image, "applist", [])
        if name == "APP13" and data.startswith(b"Photoshop 3.0\0")
    ]
    return metadata.parse_resources(b"".join(segments))


def _comments(image: Image.Image) -> dict[str, str]:
    info: dict[Any, Any] = image.info
    comment = info.get("comment")
    if isinstance(comment, bytes):
        return {"Comment": comment.decode("utf-8", "replace")}
    if image.format != "PNG":
        return {}
    return {
        str(name): str(value)
        for name, value in info.items()
        if isinstance(value, str)
        and name not in ("xmp", "XML:com.adobe.xmp")
        and not str(name).startswith(_RAW_PROFILE)
    }
