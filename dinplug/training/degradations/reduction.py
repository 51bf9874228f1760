"""Photos made small, as the super-resolution papers do it: BI, BD and DN.

BI is MATLAB's bicubic with anti-aliasing; BD blurs with a 7x7 Gaussian of sigma 1.6 and takes
every n-th pixel; DN is BI and Gaussian noise of level 30 (Zhang et al., "Residual Dense Network
for Image Super-Resolution", CVPR 2018, section 5.1).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dinplug.evaluation.resize import resize_bicubic

F32 = NDArray[np.float32]
Reduction = Literal["bicubic", "blur", "noise"]

BLUR_SIGMA, BLUR_RADIUS = 1.6, 3
NOISE_LEVEL = 30 / 255


def reduce(rng: np.random.Generator, picture: F32, factor: int, method: Reduction) -> F32:
    """Make a picture small; half of the bicubic ones come as an 8-bit file would hold them.

    Args:
        rng: the source of all choices.
        picture: display-encoded RGB (H, W, 3) in 0..1, H and W multiples of the factor.
        factor: how many times smaller.
        method: "bicubic" (BI), "blur" (BD) or "noise" (DN).

    Returns:
        The small picture (H / factor, W / factor, 3); with noise it is not clipped.
    """
    if method == "blur":
        return reduce_blurred(picture, factor)
    small = reduce_bicubic(picture, factor)
    if method == "noise":
        return small + rng.normal(0, NOISE_LEVEL, small.shape).astype(np.float32)
    if rng.uniform() < 0.5:
        return np.round(small * 255).astype(np.float32) / np.float32(255)
    return small


def reduce_bicubic(picture: F32, factor: int) -> F32:
    """BI: MATLAB's `imresize(picture, 1 / factor, "bicubic")` in float, clipped to 0..1."""
    height, width = picture.shape[:2]
    small = resize_bicubic(picture, height // factor, width // factor)
    return np.clip(small, 0, 1).astype(np.float32)


def reduce_blurred(picture: F32, factor: int) -> F32:
    """BD: a 7x7 Gaussian of sigma 1.6, borders repeated, then every `factor`-th pixel.

    The pixel taken is the middle one of each block, so that the small picture is not shifted.
    """
    taps = np.exp(-0.5 * (np.arange(-BLUR_RADIUS, BLUR_RADIUS + 1) / BLUR_SIGMA) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    edges = ((BLUR_RADIUS, BLUR_RADIUS), (BLUR_RADIUS, BLUR_RADIUS), (0, 0))
    padded = np.pad(picture, edges, mode="edge")
    height, width = picture.shape[:2]
    rows = sum(tap * padded[i : i + height] for i, tap in enumerate(taps))
    both = sum(tap * rows[:, i : i + width] for i, tap in enumerate(taps))
    middle = factor // 2
    return np.asarray(both, np.float32)[middle::factor, middle::factor]
