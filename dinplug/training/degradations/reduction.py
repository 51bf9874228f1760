"""Photos made small, as the super-resolution papers do it: BI, BD and DN.

BI is MATLAB's bicubic with anti-aliasing; BD blurs with a 7x7 Gaussian of sigma 1.6 and takes
every third pixel; DN is BI and Gaussian noise of level 30 (Zhang et al., "Residual Dense Network
for Image Super-Resolution", CVPR 2018, section 5.1). Published BD and DN are x3 and in 8 bit; here
they are float and not rounded.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dinplug.evaluation.resize import resize_bicubic

F32 = NDArray[np.float32]
Reduction = Literal["bicubic", "blur", "noise"]

BLUR_SIGMA = 1.6
NOISE_LEVEL = 30 / 255


def reduce(rng: np.random.Generator, picture: F32, factor: int, method: Reduction) -> F32:
    """Make a picture small; half of the bicubic ones come as an 8-bit file would hold them.

    Args:
        rng: the source of all choices.
        picture: display-encoded RGB (H, W, 3) in 0..1, H and W multiples of the factor.
        factor: how many times smaller.
        method: "bicubic" (BI), "blur" (BD) or "noise" (DN).

    Returns:
        The small picture (H / factor, W / factor, 3) in 0..1.
    """
    if method == "blur":
        return reduce_blurred(picture, factor)
    small = reduce_bicubic(picture, factor)
    if method == "noise":
        # Clipped, because a noisy file is: the published ones are 8-bit PNG.
        noisy = small + rng.normal(0, NOISE_LEVEL, small.shape).astype(np.float32)
        return np.clip(noisy, 0, 1)
    if rng.uniform() < 0.5:
        return np.round(small * 255).astype(np.float32) / np.float32(255)
    return small


def reduce_bicubic(picture: F32, factor: int) -> F32:
    """BI: MATLAB's `imresize(picture, 1 / factor, "bicubic")` in float, within 0..1.

    Cut off after each of its two passes, as MATLAB does with an 8-bit picture (which it also
    rounds): at hard edges between black and white that is up to two grey levels.
    """
    height, width = picture.shape[0] // factor, picture.shape[1] // factor
    lower = np.clip(resize_bicubic(picture, height, picture.shape[1]), 0, 1)
    return np.clip(resize_bicubic(lower, height, width), 0, 1).astype(np.float32)


def reduce_blurred(picture: F32, factor: int) -> F32:
    """BD: blur with a Gaussian of sigma 1.6, borders repeated, and take one pixel of each block.

    x3 as the paper's authors made their pictures: MATLAB's `imfilter` with a 7x7 kernel and
    "replicate", then `imresize(..., 1 / 3, "nearest")`, which takes the middle one of each 3x3
    pixels. The small picture is therefore not shifted. An even factor has no middle pixel: there
    the kernel is 8x8 with its centre between pixels, which does not shift either.
    """
    taps = 7 if factor % 2 else 8
    offsets = np.arange(taps) - (taps - 1) / 2
    weights = np.exp(-0.5 * (offsets / BLUR_SIGMA) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    border = 4
    padded = np.pad(picture, ((border, border), (border, border), (0, 0)), mode="edge")
    first = border + (factor - taps) // 2
    height, width = picture.shape[:2]
    starts = range(first, first + taps)
    rows = sum(w * padded[i : i + height : factor] for w, i in zip(weights, starts, strict=True))
    both = sum(w * rows[:, i : i + width : factor] for w, i in zip(weights, starts, strict=True))
    # A mean of ones may come out one rounding above.
    return np.clip(np.asarray(both, np.float32), 0, 1)
