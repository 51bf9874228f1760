"""Depth of a random furnished room seen through a pinhole camera, by ray casting.

A room is a box seen from inside, furniture is boxes standing in it. That is crude, but it has
what dehazing learns depth from indoors: walls that run away, floors, and sharp steps at objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class RoomView:
    """What each pixel of a room shows.

    Attributes:
        depth: distance along the viewing axis in metres, (H, W).
        surface: number of the face hit, (H, W): 0..5 the room's, then six for each box.
        position: coordinates on that face in metres, (H, W, 2).
    """

    depth: F32
    surface: NDArray[np.int64]
    position: F32


def cast_room(rng: np.random.Generator, height: int, width: int) -> RoomView:
    """Look into a random room of 2.2 to 9 m depth with two to fourteen boxes in it."""
    rays = _camera_rays(rng, height, width)
    eye_height = rng.uniform(1.1, 1.8)
    left, right = -rng.uniform(0.6, 3.5), rng.uniform(0.6, 3.5)
    ceiling, back = rng.uniform(0.7, 1.6), rng.uniform(2.2, 9.0)
    low = np.array([left, -ceiling, -1.0], np.float32)
    high = np.array([right, eye_height, back], np.float32)
    safe = np.where(np.abs(rays) < 1e-6, np.float32(1e-6), rays)
    inverse = np.asarray(1 / safe, np.float32)
    distance, axis = _exit_distance(inverse, low, high)
    surface = axis * 2 + (np.take_along_axis(rays, axis[None], 0)[0] > 0)
    for number in range(int(rng.integers(2, 15))):
        box_low, box_high = _furniture(rng, low, high)
        hit, entered = _entry_distance(inverse, box_low, box_high)
        nearer = hit < distance
        distance = np.where(nearer, hit, distance)
        axis = np.where(nearer, entered, axis)
        surface = np.where(nearer, 6 * (number + 1) + entered * 2, surface)
    points = rays * distance
    position = np.where(
        axis[..., None] == 0,
        np.stack([points[1], points[2]], -1),
        np.stack([points[0], np.where(axis == 1, points[2], points[1])], -1),
    )
    depth = np.maximum(distance * rays[2], 0.05)
    return RoomView(depth.astype(np.float32), surface.astype(np.int64), position.astype(np.float32))


def _camera_rays(rng: np.random.Generator, height: int, width: int) -> F32:
    """Unit rays (3, H, W), x right, y down, z forward; 45 to 75 degrees across the longer side.

    Coordinates come first, because numpy reduces a leading axis of three many times faster than
    a trailing one.
    """
    focal = max(height, width) / 2 / np.tan(np.radians(rng.uniform(45, 75)) / 2)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    # The crop may be any part of a larger picture, so its centre need not be the optical axis.
    x = (x - width * rng.uniform(0.2, 0.8)) / focal
    y = (y - height * rng.uniform(0.2, 0.8)) / focal
    rays = np.stack([x, y, np.ones_like(x)])
    yaw, pitch = rng.uniform(-0.6, 0.6), rng.uniform(-0.15, 0.35)
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ np.array(
        [[1, 0, 0], [0, cp, sp], [0, -sp, cp]]
    )
    rays = np.tensordot(turn.astype(np.float32), rays, 1)
    return np.asarray(rays / np.sqrt((rays**2).sum(0)), np.float32)


def _slabs(inverse: F32, low: F32, high: F32) -> tuple[F32, F32]:
    """Distances (3, H, W) from the origin to the nearer and the farther plane of each axis.

    `inverse` is one over the ray's direction; the method is Kay and Kajiya's (1986).
    """
    first, second = low[:, None, None] * inverse, high[:, None, None] * inverse
    return np.minimum(first, second), np.maximum(first, second)


def _exit_distance(inverse: F32, low: F32, high: F32) -> tuple[F32, NDArray[np.int64]]:
    """Distance to the wall of the box that the camera is inside of, and that wall's axis."""
    _, far = _slabs(inverse, low, high)
    distance = far.min(0)
    return distance, np.where(far[0] == distance, 0, np.where(far[1] == distance, 1, 2))


def _entry_distance(inverse: F32, low: F32, high: F32) -> tuple[F32, NDArray[np.int64]]:
    """Distance to a box seen from outside (infinite where missed), and the axis of its face."""
    near, far = _slabs(inverse, low, high)
    entry = near.max(0)
    hit = (entry < far.min(0)) & (entry > 0.4)
    axis = np.where(near[0] == entry, 0, np.where(near[1] == entry, 1, 2))
    return np.where(hit, entry, np.float32(np.inf)).astype(np.float32), axis


def _furniture(rng: np.random.Generator, low: F32, high: F32) -> tuple[F32, F32]:
    """A box on the floor (mostly), or hanging on the wall or from the ceiling."""
    size = np.exp(rng.uniform(np.log([0.08, 0.1, 0.08]), np.log([1.8, 1.6, 1.8])))
    centre = np.array(
        [rng.uniform(low[0], high[0]), 0.0, rng.uniform(0.8, max(0.9, float(high[2])))]
    )
    place = rng.uniform()
    if place < 0.65:
        bottom = float(high[1])
    elif place < 0.9:
        bottom = float(rng.uniform(low[1] + 0.2, high[1]))
    else:
        bottom = float(low[1]) + size[1]
    centre[1] = bottom - size[1] / 2
    return (
        (centre - size / 2).astype(np.float32),
        (centre + size / 2).astype(np.float32),
    )
