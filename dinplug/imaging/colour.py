"""Transfer curves, grey, and CIELAB, each with its exact inverse.

Curves are extended beyond 0..1 by odd symmetry below zero and by their own formula above
one, as IEC 61966-2-2 (scRGB) does, so that a photo's values outside come back unchanged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinplug.imaging.photo import F32Image

# IEC 61966-2-1: the slope of the straight part and where it meets the curve. The standard
# rounds that to 0.0031308, which leaves a step of 2e-8; this is where the two really meet.
_SLOPE, _KNEE = 12.92, 0.00313066844250059
# ITU-R BT.601 luma weights: what grey means for display-encoded pixels.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float64)
_ROWS = 256  # rows a time, so that double-precision intermediates stay small

_D50 = np.array([0.9642, 1.0, 0.8249])  # ICC.1:2010, 7.2.16
# Linear sRGB to XYZ under D50 (Bradford-adapted; the colorants of the sRGB ICC profile).
_TO_XYZ = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
_FROM_XYZ = np.linalg.inv(_TO_XYZ)


def _encode(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.abs(linear)
    with np.errstate(invalid="ignore"):
        curved = 1.055 * np.maximum(size, _KNEE) ** (1 / 2.4) - 0.055
    return np.copysign(np.where(size <= _KNEE, size * _SLOPE, curved), linear)


def _decode(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.abs(encoded)
    knee = _KNEE * _SLOPE
    curved = ((np.maximum(size, knee) + 0.055) / 1.055) ** 2.4
    return np.copysign(np.where(size <= knee, size / _SLOPE, curved), encoded)


def encode_srgb(linear: F32Image) -> F32Image:
    """Turn linear light into sRGB-encoded values of any shape, values outside 0..1 included."""
    out = np.empty(linear.shape, np.float32)
    for start in range(0, len(linear), _ROWS):
        rows = slice(start, start + _ROWS)
        out[rows] = _encode(linear[rows].astype(np.float64))
    return out


def decode_srgb(encoded: F32Image) -> F32Image:
    """Undo `encode_srgb`."""
    out = np.empty(encoded.shape, np.float32)
    for start in range(0, len(encoded), _ROWS):
        rows = slice(start, start + _ROWS)
        out[rows] = _decode(encoded[rows].astype(np.float64))
    return out


def grey_to_rgb(grey: F32Image) -> F32Image:
    """Repeat grey (H, W) in three channels (H, W, 3)."""
    return np.repeat(grey[..., None], 3, axis=2)


def rgb_to_grey(rgb: F32Image) -> F32Image:
    """Return the luma (H, W) of display-encoded (H, W, 3); three equal channels give themselves."""
    return (rgb @ _LUMA).astype(np.float32)


def cmyk_to_rgb(cmyk: F32Image) -> F32Image:
    """Mix inks 0..1 (H, W, 4) without a profile: light is what no ink takes away."""
    return (1 - cmyk[..., :3]) * (1 - cmyk[..., 3:])


def lab_to_rgb(lab: F32Image) -> F32Image:
    """Turn CIELAB under D50 (L 0..100, a and b about -128..127) into sRGB-encoded values.

    Colours outside sRGB give values outside 0..1, so the way back is exact.
    """
    out = np.empty(lab.shape, np.float32)
    for start in range(0, len(lab), _ROWS):
        part = lab[start : start + _ROWS].astype(np.float64)
        y = (part[..., 0] + 16) / 116
        f = np.stack([y + part[..., 1] / 500, y, y - part[..., 2] / 200], axis=-1)
        ratio = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
        out[start : start + _ROWS] = _encode((ratio * _D50) @ _FROM_XYZ.T)
    return out


def rgb_to_lab(rgb: F32Image) -> F32Image:
    """Undo `lab_to_rgb`."""
    out = np.empty(rgb.shape, np.float32)
    for start in range(0, len(rgb), _ROWS):
        linear = _decode(rgb[start : start + _ROWS].astype(np.float64))
        ratio = (linear @ _TO_XYZ.T) / _D50
        f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
        lab = [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])]
        out[start : start + _ROWS] = np.stack(lab, axis=-1)
    return out
