"""ICC profiles: check them, find linear ones, make the common ones, convert between them.

Layouts are those of ICC.1:2010 (version 4.3). Conversions run through LittleCMS in float32
without clipping (relative colorimetric, black point compensation off).
"""

from __future__ import annotations

import struct
from functools import lru_cache
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dinplug.errors import UsageError
from dinplug.imaging.photo import F32Image

_ROWS = 512
# The intent that changes no colour both spaces have; black points stay where they are, so that
# the way there and the way back agree.
_RELATIVE_COLORIMETRIC = 1

# Chromaticities of the primaries; the white point is D65 unless said otherwise.
_D65, _D50 = (0.3127, 0.3290), (0.3457, 0.3585)
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_NAMED: dict[str, tuple[str, tuple[float, ...], tuple[float, float], tuple[float, ...]]] = {
    "srgb": ("sRGB", (0.64, 0.33, 0.30, 0.60, 0.15, 0.06), _D65, _SRGB_CURVE),
    "display-p3": ("Display P3", (0.68, 0.32, 0.265, 0.69, 0.15, 0.06), _D65, _SRGB_CURVE),
    "adobe-rgb": (
        "Compatible with Adobe RGB (1998)",
        (0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
        _D65,
        (563 / 256,),
    ),
    "prophoto": (
        "ProPhoto RGB",
        (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001),
        _D50,
        (1.8, 1.0, 0.0, 1 / 16, 1 / 32),
    ),
}
PROFILE_NAMES = tuple(_NAMED)
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_PCS_WHITE = np.array([0.9642, 1.0, 0.8249])


def space_of(profile: bytes) -> str | None:
    """Return the colour space a profile is for: "rgb", "grey", "cmyk", "lab"; None if damaged."""
    if len(profile) < 132 or profile[36:40] != b"acsp":
        return None
    names = {b"RGB ": "rgb", b"GRAY": "grey", b"CMYK": "cmyk", b"Lab ": "lab"}
    space = names.get(profile[16:20])
    if space is None or _tags(profile) is None:
        return None
    try:
        imagecodecs.cms_profile_validate(profile)
    except (ValueError, RuntimeError):
        return None
    return space


def _tags(profile: bytes) -> dict[bytes, bytes] | None:
    count = struct.unpack_from(">I", profile, 128)[0]
    if count > 200 or 132 + 12 * count > len(profile):
        return None
    found = {}
    for at in range(132, 132 + 12 * count, 12):
        name, offset, size = struct.unpack_from(">4sII", profile, at)
        if offset + size > len(profile):
            return None
        found[name] = profile[offset : offset + size]
    return found


def is_linear(profile: bytes) -> bool:
    """Say whether a profile's samples are linear light (tone curves that are straight lines)."""
    tags = _tags(profile) or {}
    curves = [tags[name] for name in (b"rTRC", b"gTRC", b"bTRC", b"kTRC") if name in tags]
    return bool(curves) and b"A2B0" not in tags and all(_is_straight(c) for c in curves)


def _is_straight(curve: bytes) -> bool:
    if curve[:4] == b"curv" and len(curve) >= 12:
        count = struct.unpack_from(">I", curve, 8)[0]
        if count == 0:
            return True
        if len(curve) < 12 + 2 * count:
            return False
        values = np.frombuffer(curve, ">u2", count, 12).astype(np.float64)
        if count == 1:
            return bool(values[0] == 256)
        ramp = np.linspace(0, 65535, count)
        return bool(np.abs(values - ramp).max() <= 1)  # one rounding step of the table
    if curve[:4] == b"para" and len(curve) >= 16:
        function, gamma = struct.unpack_from(">Hxxi", curve, 8)
        return bool(function == 0 and gamma == 65536)
    return False


@lru_cache(maxsize=8)
def named_profile(name: str) -> bytes:
    """Make one of PROFILE_NAMES as a version 4 matrix profile (about 500 bytes)."""
    title, primaries, white, curve = _NAMED[name]
    to_xyz = _adapted_primaries(primaries, white)
    kind = 0 if len(curve) == 1 else 3
    trc = struct.pack(">4s4xHxx", b"para", kind) + b"".join(_fixed(v) for v in curve)
    text = title.encode("utf-16-be")
    notice = "No copyright, use freely".encode("utf-16-be")
    parts: dict[bytes, bytes] = {
        b"desc": _localised(text),
        b"cprt": _localised(notice),
        b"wtpt": _xyz(_PCS_WHITE),
        b"rXYZ": _xyz(to_xyz[:, 0]),
        b"gXYZ": _xyz(to_xyz[:, 1]),
        b"bXYZ": _xyz(to_xyz[:, 2]),
        b"rTRC": trc,
        b"gTRC": trc,
        b"bTRC": trc,
    }
    return _assemble(parts)


def _adapted_primaries(
    primaries: tuple[float, ...], white: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ, adapted to D50 by Bradford's transform."""
    xy = np.array(primaries).reshape(3, 2)
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in xy]).T
    x, y = white
    target = np.array([x / y, 1.0, (1 - x - y) / y])
    matrix = columns * np.linalg.solve(columns, target)
    gain = (_BRADFORD @ _PCS_WHITE) / (_BRADFORD @ target)
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(gain) @ _BRADFORD @ matrix
    return adapted


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(value: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(v)) for v in value)


def _localised(text: bytes) -> bytes:
    return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(text), 28) + text


def _assemble(parts: dict[bytes, bytes]) -> bytes:
    table, body = bytearray(), bytearray()
    start = 128 + 4 + 12 * len(parts)
    placed: dict[bytes, int] = {}
    for name, data in parts.items():
        if data not in placed:
            placed[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, placed[data], len(data))
    header = bytearray(128)
    struct.pack_into(
        ">I4xI4s4s4s", header, 0, start + len(body), 0x04300000, b"mntr", b"RGB ", b"XYZ "
    )
    struct.pack_into(">6H", header, 24, 2025, 1, 1, 0, 0, 0)
    header[36:40] = b"acsp"
    header[68:80] = b"".join(_fixed(float(v)) for v in _PCS_WHITE)
    return bytes(header + struct.pack(">I", len(parts)) + table + body)


def load_profile(wish: str) -> bytes:
    """Return the RGB profile a person names: one of PROFILE_NAMES or a path to an .icc file.

    Raises UsageError where there is no such profile or it is not for RGB.
    """
    if wish.lower() in _NAMED:
        return named_profile(wish.lower())
    path = Path(wish)
    try:
        data = path.read_bytes()
    except OSError as error:
        known = ", ".join(PROFILE_NAMES)
        raise UsageError(f"no output profile {wish!r}: give {known} or an .icc file") from error
    if space_of(data) != "rgb":
        raise UsageError(f"{path} is not an ICC profile for RGB: choose another output profile")
    return data


def convert(
    pixels: F32Image, source: bytes, space: str, target: bytes, target_space: str
) -> F32Image:
    """Convert (H, W, C) between profiles; `space` names the channels: "rgb", "grey", "cmyk".

    RGB values are 0..1 and may lie outside; CMYK is ink 0..1. Raises ValueError where
    LittleCMS refuses the pair.
    """
    names = {"rgb": "rgb", "grey": "gray", "cmyk": "cmyk"}
    count = 4 if target_space == "cmyk" else 3
    # LittleCMS takes floating-point ink in percent.
    scale_in = 100.0 if space == "cmyk" else 1.0
    scale_out = 0.01 if target_space == "cmyk" else 1.0
    out = np.empty((*pixels.shape[:2], count), np.float32)
    for start in range(0, len(pixels), _ROWS):
        part = np.ascontiguousarray(pixels[start : start + _ROWS] * np.float32(scale_in))
        try:
            out[start : start + _ROWS] = imagecodecs.cms_transform(
                part,
                source,
                target,
                colorspace=names[space],
                outcolorspace=names[target_space],
                outdtype="float32",
                intent=_RELATIVE_COLORIMETRIC,
            )
        except RuntimeError as error:
            raise ValueError(str(error)) from error
    out *= np.float32(scale_out)
    return out
