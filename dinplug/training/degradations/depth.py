"""Plausible depth for clean photos that come without: outdoor planes, rooms, fields, segments.

A dehazing network needs haze whose density changes smoothly over surfaces and steps at the edges
of things. No single guess is right for a photo, so many kinds are drawn; all return depth (H, W)
with values in 0..1, the farthest point near 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinplug.evaluation.smoothing import box_mean, guided_filter
from dinplug.training.degradations.filters import smooth_field
from dinplug.training.degradations.rooms import cast_room

F32 = NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def sample_depth(rng: np.random.Generator, picture: F32) -> F32:
    """Draw a depth map for a picture.

    Args:
        rng: the source of all choices.
        picture: display-encoded RGB (H, W, 3) in 0..1; edges of the depth follow its edges.

    Returns:
        Depth (H, W) in 0..1.
    """
    height, width = picture.shape[:2]
    kind = rng.uniform()
    # Ground runs from under the camera, without haze; other things begin at a distance.
    nearest = rng.uniform(0, 0.5) if kind >= 0.3 and rng.uniform() < 0.7 else 0.0
    if kind < 0.3:
        depth = ground_plane(rng, height, width)
    elif kind < 0.6:
        depth = room(rng, height, width)
    elif kind < 0.75:
        depth = smooth_field(rng, height, width, int(rng.integers(1, 5)))
    elif kind < 0.85:
        depth = slope(rng, height, width)
    elif kind < 0.92:
        depth = np.ones((height, width), np.float32)
    else:
        depth = _normalised(room(rng, height, width) + ground_plane(rng, height, width))
    if rng.uniform() < 0.65:
        depth = add_segments(rng, depth, picture)
    if rng.uniform() < 0.6:
        depth = follow_edges(rng, depth, picture)
    return (nearest + (1 - nearest) * depth).astype(np.float32)


def ground_plane(rng: np.random.Generator, height: int, width: int) -> F32:
    """Depth of a ground plane below a horizon: proportional to 1 / (rows below the horizon)."""
    horizon = rng.uniform(-0.3, 0.7) * height
    tilt = rng.normal(0, 0.06)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    below = (y - horizon + tilt * (x - width / 2)) / height
    nearest = rng.uniform(0.05, 0.5)
    return np.asarray(np.clip(nearest / np.maximum(below, 1e-3), 0, 1), np.float32)


def slope(rng: np.random.Generator, height: int, width: int) -> F32:
    """A linear ramp in a random direction, mostly farther towards the top."""
    angle = rng.normal(0, 0.8)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    ramp = -np.cos(angle) * y / height + np.sin(angle) * x / width
    return _normalised(ramp.astype(np.float32)) ** np.float32(rng.uniform(0.5, 2))


def room(rng: np.random.Generator, height: int, width: int) -> F32:
    """Depth of a random furnished room, the farthest point at 1."""
    depth = cast_room(rng, height, width).depth
    return np.asarray(depth / depth.max(), np.float32)


def add_segments(rng: np.random.Generator, depth: F32, picture: F32) -> F32:
    """Move regions of similar colour nearer or farther, so that depth steps at picture edges.

    Each pixel falls into one of 3 to 12 random colour-and-place cells (nearest centre); every
    cell gets its own offset.
    """
    height, width = depth.shape
    radius = int(rng.integers(1, 4))
    channels = [box_mean(picture[..., c], radius) for c in range(3)]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    pull = np.float32(rng.uniform(0.1, 0.8))
    features = np.stack([*channels, pull * y / height, pull * x / width], -1)
    count = int(rng.integers(3, 13))
    centres = features[rng.integers(0, height, count), rng.integers(0, width, count)]
    # |f - c|^2 up to |f|^2, which is the same for all centres.
    score = features @ centres.T * 2 - (centres**2).sum(-1)
    label = score.argmax(-1)
    offset = rng.normal(0, rng.uniform(0.05, 0.4), count).astype(np.float32)
    return _normalised(np.maximum(depth + offset[label], 0))


def follow_edges(rng: np.random.Generator, depth: F32, picture: F32) -> F32:
    """Let the depth's edges follow the picture's (guided filter on luma)."""
    luma = picture @ _LUMA
    radius = int(rng.integers(3, max(4, min(depth.shape) // 8)))
    eps = float(10 ** rng.uniform(-3.5, -1.5))
    return np.clip(guided_filter(luma, depth, radius, eps), 0, 1)


def _normalised(depth: F32) -> F32:
    """Stretch to 0..1; a constant map becomes all ones."""
    low, high = float(depth.min()), float(depth.max())
    if high - low < 1e-6:
        return np.ones_like(depth)
    return ((depth - low) / (high - low)).astype(np.float32)
