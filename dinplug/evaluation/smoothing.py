"""Smoothing that follows edges or not: box mean and the guided filter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


def box_mean(values: F32, radius: int) -> F32:
    """Mean over the (2 radius + 1)-square window of each pixel of (H, W), clipped at the border."""
    out = values.astype(np.float64)
    for axis in (0, 1):
        size = out.shape[axis]
        sums = np.concatenate(
            [np.zeros_like(np.take(out, [0], axis)), np.cumsum(out, axis)], axis=axis
        )
        low = np.maximum(np.arange(size) - radius, 0)
        high = np.minimum(np.arange(size) + radius + 1, size)
        counts = (high - low).reshape((-1, 1) if axis == 0 else (1, -1))
        out = (np.take(sums, high, axis) - np.take(sums, low, axis)) / counts
    return out.astype(np.float32)


def guided_filter(guide: F32, values: F32, radius: int, eps: float) -> F32:
    """Smooth `values` (H, W) while its edges follow those of `guide` (H, W).

    He, Sun and Tang, "Guided Image Filtering", ECCV 2010, equations 5 to 8; `eps` is in squared
    units of the guide.
    """
    mean_g, mean_v = box_mean(guide, radius), box_mean(values, radius)
    covariance = box_mean(guide * values, radius) - mean_g * mean_v
    variance = box_mean(guide * guide, radius) - mean_g * mean_g
    slope = np.asarray(covariance / (np.maximum(variance, 0) + eps), np.float32)
    offset = mean_v - slope * mean_g
    return (box_mean(slope, radius) * guide + box_mean(offset, radius)).astype(np.float32)
