"""What cameras and files add to a photo after the haze: noise, JPEG, 8-bit steps."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

F32 = NDArray[np.float32]


def record(rng: np.random.Generator, picture: F32) -> F32:
    """Record a picture as a camera file would: a little noise, sometimes JPEG, sometimes 8 bit.

    Kept weak on purpose. The target of training has none of it, and a network that is shown much
    noise learns to smooth.

    Args:
        rng: the source of all choices.
        picture: display-encoded RGB (H, W, 3) in 0..1.

    Returns:
        The recorded picture, same shape, in 0..1.
    """
    kind = rng.uniform()
    if kind < 0.3:
        noise = rng.standard_normal(picture.shape, np.float32)
        picture = picture + noise * np.float32(rng.uniform(0, 2 / 255))
    picture = np.clip(picture, 0, 1)
    if kind < 0.2 or kind > 0.85:
        return jpeg(picture, int(rng.integers(50, 96)), halved_colour=bool(rng.uniform() < 0.7))
    if kind < 0.6:
        return np.round(picture * 255).astype(np.float32) / np.float32(255)
    return picture.astype(np.float32)


def jpeg(picture: F32, quality: int, halved_colour: bool = False) -> F32:
    """Pass RGB (H, W, 3) in 0..1 through an 8-bit JPEG of the given quality (1..95).

    `halved_colour` stores colour at half the resolution (4:2:0), as most cameras and sites do.
    """
    buffer = io.BytesIO()
    levels = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    sampling = "4:2:0" if halved_colour else "4:4:4"
    Image.fromarray(levels).save(buffer, "JPEG", quality=quality, subsampling=sampling)
    with Image.open(buffer) as decoded:
        return np.asarray(decoded.convert("RGB"), np.float32) / np.float32(255)
