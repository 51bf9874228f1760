"""Between stored samples and float pixels: scale, orientation, alpha, pixels set aside."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinplug.imaging.photo import F32Image, Held, SampleFormat, Samples

_ROWS = 512


def to_float(samples: Samples, white: float) -> F32Image:
    """Scale stored samples so that `white` becomes 1; 32-bit ones through double precision."""
    if samples.dtype == np.float32 and white == 1:
        return samples
    wide = np.dtype(np.float64 if samples.dtype.itemsize > 2 else np.float32)
    out = np.empty(samples.shape, np.float32)
    for start in range(0, len(samples), _ROWS):
        part: NDArray[Any] = samples[start : start + _ROWS].astype(wide)
        out[start : start + _ROWS] = part / white
    return out


def from_float(pixels: F32Image, sample: SampleFormat, bits: int) -> Samples:
    """Quantise 0..1 to `bits`; integers are rounded and clipped, floats keep all values."""
    if sample == "float":
        with np.errstate(over="ignore"):  # beyond 65504 a half float is infinite
            return pixels.astype({16: np.float16, 32: np.float32, 64: np.float64}[bits])
    signed = sample == "int"
    white = float(2 ** (bits - signed) - 1)
    low = -white - 1 if signed else 0.0
    out = np.empty(pixels.shape, np.dtype(f"{'i' if signed else 'u'}{bits // 8}"))
    for start in range(0, len(pixels), _ROWS):
        part = pixels[start : start + _ROWS].astype(np.float64)
        part = np.nan_to_num(part, nan=0.0, posinf=1.0, neginf=0.0)
        out[start : start + _ROWS] = np.clip(np.rint(part * white), low, white)
    return out


def upright(array: Samples, orientation: int) -> Samples:
    """Apply EXIF orientation 1..8 to (H, W, ...), so that row 0 is the top of the scene."""
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return np.flip(array, flips) if flips else array


def unpremultiplied(colour: F32Image, alpha: F32Image) -> F32Image:
    """Divide colour (H, W, C) by alpha (H, W); where alpha is 0 the colour stays as stored."""
    divisor = np.where(alpha > 0, alpha, np.float32(1))
    return np.divide(colour, divisor[..., None], dtype=np.float32)


def premultiplied(colour: F32Image, alpha: F32Image) -> F32Image:
    """Undo `unpremultiplied`; where alpha is 0 the colour stays as it is."""
    factor = np.where(alpha > 0, alpha, np.float32(1))
    return colour * factor[..., None]


def set_aside(rgb: F32Image, alpha: F32Image | None) -> tuple[F32Image, Held | None]:
    """Replace pixels no network should see by what surrounds them; return the old ones too.

    Those are pixels that are not finite in some channel, and pixels hidden by an alpha of 0,
    whose colour (often black) would bleed into the visible edge.
    """
    hidden: NDArray[np.bool_] = np.asarray(~np.isfinite(rgb).all(axis=2))
    if alpha is not None:
        hidden |= alpha <= 0
    index = np.flatnonzero(hidden)
    if not len(index):
        return rgb, None
    height, width = hidden.shape
    held = Held((height, width), index, rgb.reshape(-1, 3)[index].copy())
    if len(index) == hidden.size:
        return np.nan_to_num(rgb, nan=0.0, posinf=1.0, neginf=0.0), held
    return _filled(rgb, ~hidden), held


def put_back(rgb: F32Image, held: Held | None) -> F32Image:
    """Return the pixels that were set aside to their places, if the size is still the same."""
    if held is None or rgb.shape[:2] != held.shape:
        return rgb
    out = rgb.copy()
    out.reshape(-1, 3)[held.index] = held.values
    return out


def _block_sums(array: F32Image) -> F32Image:
    """Sum each 2x2 block of an array of even height and width."""
    return array[::2, ::2] + array[::2, 1::2] + array[1::2, ::2] + array[1::2, 1::2]


def _filled(rgb: F32Image, known: NDArray[np.bool_]) -> F32Image:
    """Fill unknown pixels from the means of ever coarser 2x2 blocks of known ones (push-pull)."""
    weight = known.astype(np.float32)
    colour = np.where(known[..., None], rgb, np.float32(0))
    levels = [(colour, weight)]
    while weight.shape != (1, 1) and not weight.all():
        padding = [(0, size % 2) for size in weight.shape]
        weight = np.pad(weight, padding)
        colour = np.pad(colour, [*padding, (0, 0)])
        total = _block_sums(weight)
        mixed = _block_sums(colour * weight[..., None])
        weight = (total > 0).astype(np.float32)
        colour = np.divide(mixed, np.maximum(total, 1)[..., None], dtype=np.float32)
        levels.append((colour, weight))
    filled = levels[-1][0]
    for colour, weight in reversed(levels[:-1]):
        coarse = filled.repeat(2, axis=0).repeat(2, axis=1)[: weight.shape[0], : weight.shape[1]]
        filled = np.where(weight[..., None] > 0, colour, coarse)
    return filled
