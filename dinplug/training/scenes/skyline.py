"""Skylines: a bright sky put behind any photo, with a sharp horizon and the sky far away.

Few clean photos show the white sky that hazy ones have, and a network that never saw one takes it
for haze over something dark.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinplug.training.degradations.filters import smooth_field

F32 = NDArray[np.float32]


def add_sky(rng: np.random.Generator, picture: F32, depth: F32) -> tuple[F32, F32]:
    """Replace what is above a random skyline by an overcast, hazy or blue sky.

    Args:
        rng: the source of all choices.
        picture: display-encoded RGB (H, W, 3) in 0..1.
        depth: depth (H, W) in 0..1.

    Returns:
        The picture with the sky, and its depth: 1 in the sky, at most 0.85 below it.
    """
    height, width = depth.shape
    edge = _skyline(rng, width) * height
    rows = np.arange(height, dtype=np.float32)[:, None]
    cover = np.clip(edge[None, :] - rows, 0, 1)
    if rng.uniform() < 0.4:
        # Twigs and masts: the photo's own dark details stand before the sky.
        luma = picture.mean(-1)
        dark = np.clip((luma - rng.uniform(0.15, 0.4)) * 12 + 0.5, 0, 1)
        reach = np.clip((edge[None, :] - rows) / (height * rng.uniform(0.1, 0.5)), 0, 1)
        cover = cover * np.maximum(dark, reach > 0.999)
    land = depth * np.float32(rng.uniform(0.3, 0.85))
    sky = _sky(rng, height, width)
    mixed = picture * (1 - cover[..., None]) + sky * cover[..., None]
    return (
        np.asarray(mixed, np.float32),
        np.asarray(np.where(cover > 0.5, np.float32(1), land), np.float32),
    )


def _skyline(rng: np.random.Generator, width: int) -> F32:
    """Height of the skyline for each column, as a share of the picture from its top."""
    level = rng.uniform(0.15, 0.7)
    line = np.full(width, level, np.float32)
    kind = rng.uniform()
    if kind < 0.6:
        # Hills, and the finer outline of trees.
        for cells, amount in ((3, 0.15), (12, 0.04), (50, 0.03)):
            field = smooth_field(rng, 1, width, cells)[0]
            line += np.float32(rng.uniform(0, 2) * amount) * (field - np.float32(0.5))
    if kind > 0.4:
        # Buildings.
        for _ in range(int(rng.integers(1, 9))):
            start = int(rng.integers(0, width))
            stop = start + max(2, int(width * rng.uniform(0.02, 0.3)))
            line[start:stop] = level - np.float32(rng.uniform(0, 0.5))
    return np.clip(line, 0, 0.95)


def _sky(rng: np.random.Generator, height: int, width: int) -> F32:
    """Display-encoded sky (H, W, 3): three of four overcast or hazy, the others blue."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    bottom = rng.uniform(0.7, 1.0) + rng.normal(0, 0.012, 3)
    if rng.uniform() < 0.75:
        top = bottom - rng.uniform(-0.05, 0.2) + rng.normal(0, 0.01, 3)
    else:
        top = np.array([0.35, 0.52, 0.78]) + rng.normal(0, 0.08, 3)
    gradient = top + (bottom - top) * down ** np.float32(rng.uniform(0.5, 1.5))
    clouds = (smooth_field(rng, height, width, int(rng.integers(2, 7))) - 0.5)[..., None]
    return np.asarray(np.clip(gradient + rng.uniform(0, 0.12) * clouds, 0, 1), np.float32)
