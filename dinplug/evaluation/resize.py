"""Bicubic resizing that agrees with MATLAB's `imresize`, which made the papers' small pictures.

The kernel is Keys' cubic with a = -0.5 ("Cubic Convolution Interpolation for Digital Image
Processing", IEEE TASSP 1981). When reducing it is widened by the factor (anti-aliasing), its
weights are normalised for each output sample, and borders are mirrored with the edge repeated.
"""

import math

import numpy as np
import numpy.typing as npt

from dinplug.evaluation.metrics import F64Map, U8Image

_KERNEL_SUPPORT = 4.0


def reduce_bicubic(picture: U8Image, factor: int) -> U8Image:
    """Reduce an 8-bit (H, W, C) picture `factor` times; H and W must be multiples of it.

    The 15 published small pictures of Set5 come out without one differing sample.
    """
    height, width = picture.shape[:2]
    if height % factor or width % factor:
        raise ValueError(f"{width}x{height} is not a multiple of {factor}")
    return resize_bicubic_8bit(picture, height // factor, width // factor)


def resize_bicubic_8bit(picture: U8Image, height: int, width: int) -> U8Image:
    """Resize an 8-bit (H, W) or (H, W, C) picture as MATLAB does.

    The axis with the smaller factor goes first (rows if equal), and each of the two passes
    rounds half-up to 8 bit.
    """
    resized = picture.astype(np.float64)
    for axis, length in _passes(picture.shape, height, width):
        resized = _round_to_8_bit(_resample(resized, length, axis))
    return resized.astype(np.uint8)


def resize_bicubic(values: npt.NDArray[np.floating], height: int, width: int) -> F64Map:
    """Resize (H, W) or (H, W, C) `values` in float64, neither rounded nor clamped."""
    resized = values.astype(np.float64)
    for axis, length in _passes(values.shape, height, width):
        resized = _resample(resized, length, axis)
    return resized


def _passes(shape: tuple[int, ...], height: int, width: int) -> list[tuple[int, int]]:
    """Return (axis, new length) of both passes in MATLAB's order."""
    passes = [(0, height), (1, width)]
    return sorted(passes, key=lambda step: step[1] / shape[step[0]])


def _resample(values: F64Map, length: int, axis: int) -> F64Map:
    """Resample one axis of `values` to `length` samples."""
    taps, weights = _contributions(values.shape[axis], length)
    moved = np.moveaxis(values, axis, 0)
    total = np.zeros((length, *moved.shape[1:]), dtype=np.float64)
    for column in range(taps.shape[1]):
        weight = weights[:, column].reshape(-1, *([1] * (moved.ndim - 1)))
        total += weight * moved[taps[:, column]]
    return np.moveaxis(total, 0, axis)


def _contributions(source: int, target: int) -> tuple[npt.NDArray[np.intp], F64Map]:
    """Return the source samples (target, taps) behind each target sample and their weights."""
    factor = target / source
    stretch = min(factor, 1.0)
    support = _KERNEL_SUPPORT / stretch
    centres = (np.arange(target) + 0.5) / factor - 0.5
    first = np.floor(centres - support / 2).astype(np.intp)
    taps = first[:, None] + np.arange(math.ceil(support) + 2)
    weights = _cubic(stretch * (centres[:, None] - taps))
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(source), np.arange(source)[::-1]])
    used = np.any(weights != 0, axis=0)
    return mirrored[taps[:, used] % (2 * source)], weights[:, used]


def _cubic(x: F64Map) -> F64Map:
    distance = np.abs(x)
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance <= 1, near, np.where(distance <= 2, far, 0.0))


def _round_to_8_bit(values: F64Map) -> F64Map:
    return np.clip(np.floor(values + 0.5), 0, 255)
