"""Rendered interiors: the rooms of `degradations.rooms`, painted, papered with photos, and lit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dinplug.training.degradations.filters import smooth_field
from dinplug.training.degradations.haze import linear_to_srgb, srgb_to_linear
from dinplug.training.degradations.rooms import cast_room

F32 = NDArray[np.float32]


def render_interior(
    rng: np.random.Generator, height: int, width: int, textures: Sequence[F32]
) -> tuple[F32, F32]:
    """Render a random furnished room.

    Args:
        rng: the source of all choices.
        height: pixels.
        width: pixels.
        textures: display-encoded RGB pictures (h, w, 3) in 0..1 to paper walls and objects with.

    Returns:
        The picture, display-encoded RGB (H, W, 3) in 0..1, and its depth (H, W), largest value 1.
    """
    view = cast_room(rng, height, width)
    numbers, index = np.unique(view.surface, return_inverse=True)
    index = index.reshape(height, width)
    paint = _paints(rng, len(numbers))
    albedo = paint[index]
    for face in range(len(numbers)):
        if rng.uniform() < 0.6:
            mask = index == face
            texture = srgb_to_linear(textures[int(rng.integers(len(textures)))])
            albedo[mask] = _paper(rng, texture, view.position[mask], albedo[mask])
    facing = np.exp(rng.normal(0, 0.35, len(numbers))).astype(np.float32)
    light = facing[index] * (0.25 + 1.5 * smooth_field(rng, height, width, 3))
    # Light falls off towards the back of a room or, with a window there, towards the front.
    reach = np.float32(rng.uniform(-1, 1))
    light = light * np.exp(reach * (view.depth / view.depth.max() - 0.5))
    # Windows and lamps: they are white through the thickest haze indoors.
    glows = rng.uniform(size=len(numbers)) < 0.08
    lamp = glows[index] & (view.surface >= 6)
    light = np.where(lamp, np.float32(rng.uniform(2, 8)), light)
    linear = albedo * light[..., None] * np.float32(np.exp(rng.uniform(-0.5, 1.0)))
    picture = np.clip(linear_to_srgb(linear), 0, 1)
    return picture.astype(np.float32), (view.depth / view.depth.max()).astype(np.float32)


def _paints(rng: np.random.Generator, count: int) -> F32:
    """Linear RGB (count, 3) of walls and furniture: mostly off-white, brown, grey; some bright."""
    value = np.exp(rng.uniform(np.log(0.03), np.log(0.85), (count, 1)))
    warm = rng.normal(0.12, 0.15, (count, 1))
    tint = 1 + warm * np.array([[1.0, 0.1, -1.0]])
    bright = rng.uniform(0.05, 1, (count, 3))
    mixed = np.where(rng.uniform(size=(count, 1)) < 0.2, bright, tint)
    return np.asarray(np.clip(value * mixed, 0.004, 1), np.float32)


def _paper(rng: np.random.Generator, texture: F32, position: F32, paint: F32) -> F32:
    """Linear colours (n, 3) of points on a face: a photo laid over it, or only its pattern."""
    rows, columns = texture.shape[:2]
    repeat = rng.uniform(0.6, 4.0)
    where = np.abs((position / repeat + rng.uniform(0, 1, 2)) % 2 - 1)
    y = np.minimum((where[:, 0] * rows).astype(np.intp), rows - 1)
    x = np.minimum((where[:, 1] * columns).astype(np.intp), columns - 1)
    seen: F32 = texture[y, x]
    if rng.uniform() < 0.5:
        return seen
    pattern = seen / max(float(texture.mean()), 0.02)
    return np.asarray(np.clip(paint * (0.5 + 0.5 * pattern), 0, 1), np.float32)
