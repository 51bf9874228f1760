"""Rendered landscapes with exact depth: terrain seen by a camera, lit by sun and sky.

Depth is the distance along the viewing axis in metres. The pictures are physical up to the choice
of materials: linear light, one sun, one sky, exposure, sRGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinplug.training.degradations.haze import linear_to_srgb
from dinplug.training.scenes.materials import Season, albedo
from dinplug.training.scenes.sky import Sky
from dinplug.training.scenes.terrain import Ground, Terrain

F32 = NDArray[np.float32]

_FARTHEST = 40_000.0


@dataclass(frozen=True)
class Camera:
    """Where the camera stands: `eye` metres above its foot; `focal` in picture widths; `horizon`
    the horizon's place, 0 at the top of the picture and 1 at the bottom."""

    eye: float
    focal: float
    horizon: float


@dataclass(frozen=True)
class Landscape:
    """A rendered landscape.

    Attributes:
        picture: display-encoded RGB (H, W, 3) in 0..1.
        depth: metres (H, W); for the sky the length of the path through the lowest air.
        sky: whether a pixel shows the sky, (H, W).
    """

    picture: F32
    depth: F32
    sky: NDArray[np.bool_]


def render_landscape(
    terrain: Terrain,
    sky: Sky,
    season: Season,
    camera: Camera,
    height: int,
    width: int,
    exposure: float = 1.0,
) -> Landscape:
    """Render a landscape at (height, width) pixels, one ray each."""
    across = (np.arange(width) + 0.5) / width - 0.5
    right = np.asarray(across / camera.focal, np.float32)
    rows = np.arange(height) + 0.5
    up = np.asarray((camera.horizon * height - rows) / (width * camera.focal), np.float32)
    depth = _cast(terrain, camera.eye, right, up)
    seen = np.isfinite(depth)
    z = np.where(seen, depth, np.float32(_FARTHEST))
    x = np.asarray(right[None, :] * z, np.float32)
    footprint = np.asarray(z / (width * camera.focal), np.float32)
    ground = terrain.ground(x, z, footprint)
    normal = _normal(terrain, x, z, footprint)
    colour = albedo(terrain, season, ground, normal, x, z, footprint)
    shadow = _shadow(terrain, sky, ground, x, z)
    light = _light(sky, normal, shadow, ground)
    linear = colour * light
    views = np.stack(np.broadcast_arrays(right[None, :], up[:, None], np.float32(1)), -1)
    views = views / np.linalg.norm(views, axis=-1, keepdims=True)
    if ground.water.any():
        linear = np.where(
            ground.water[..., None], _water(terrain, sky, views, x, z, footprint), linear
        )
    linear = np.where(seen[..., None], linear, sky.radiance(views))
    picture = np.clip(linear_to_srgb(np.asarray(linear * exposure, np.float32)), 0, 1)
    return Landscape(picture, np.where(seen, z, _air_path(views[..., 1])), ~seen)


def _cast(terrain: Terrain, eye: float, right: F32, up: F32) -> F32:
    """Depth of the first ground on each ray (rows, columns); infinite where there is sky.

    Along a column of pixels the ground's elevation angle only matters where it exceeds all nearer
    ground, so one pass over distance per column finds the hits of all its rows.
    """
    steps = 2400
    # Nothing nearer than half the camera's height is in a picture less than 60 degrees steep.
    z = np.geomspace(0.5 * eye, _FARTHEST, steps).astype(np.float32)
    depth = np.full((len(up), len(right)), np.inf, np.float32)
    foot = float(terrain.land(np.zeros(1, np.float32), np.zeros(1, np.float32), 1.0)[0])
    for start in range(0, len(right), 128):
        columns = right[start : start + 128]
        x = np.asarray(columns[None, :] * z[:, None], np.float32)
        away = np.broadcast_to(z[:, None], x.shape)
        ground = terrain.ground(x, away, np.asarray(away / 2000, np.float32))
        elevation = (ground.height - foot - eye) / away
        wall = (ground.house > 0) & (np.roll(ground.house, 1, axis=0) == 0)
        skyline = np.maximum.accumulate(elevation, axis=0)
        for number in range(len(columns)):
            hit = np.searchsorted(skyline[:, number], up)
            inside = hit < steps
            k = np.clip(hit, 1, steps - 1)
            before, after = elevation[k - 1, number], elevation[k, number]
            gap = np.maximum(after - before, 1e-9)
            # A slope is hit between two steps; a wall stands at the later one.
            part = np.where(wall[k, number], 1, np.clip((up - before) / gap, 0, 1))
            found = z[k - 1] + (z[k] - z[k - 1]) * part
            depth[inside, start + number] = found[inside]
    return depth


def _normal(terrain: Terrain, x: F32, z: F32, footprint: F32) -> F32:
    """Unit normals (H, W, 3) of the visible surface from differences over a pixel."""
    step = np.maximum(footprint * 1.5, np.float32(0.25))
    here = terrain.ground(x, z, footprint).height
    slope_x = (terrain.ground(x + step, z, footprint).height - here) / step
    slope_z = (terrain.ground(x, z + step, footprint).height - here) / step
    normal = np.stack([-slope_x, np.ones_like(here), -slope_z], -1)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True), np.float32)


def _shadow(terrain: Terrain, sky: Sky, ground: Ground, x: F32, z: F32) -> F32:
    """Share of the sun's disc seen from each point, 0..1, with soft edges."""
    sx, sy, sz = sky.sun
    open_sky = np.ones(x.shape, np.float32)
    for number, reach in enumerate(np.geomspace(6, 5000, 14)):
        px, pz = x + np.float32(sx * reach), z + np.float32(sz * reach)
        ray = ground.height + np.float32(sy * reach)
        # Near steps meet trees and houses, far ones only hills.
        bare = number >= 5
        top = terrain.land(px, pz, reach / 20) if bare else terrain.ground(px, pz, 1.0).height
        open_sky = np.minimum(open_sky, np.clip(0.5 + (ray - top) / (0.06 * reach), 0, 1))
    return open_sky


def _light(sky: Sky, normal: F32, shadow: F32, ground: Ground) -> F32:
    """Linear RGB light (H, W, 3) on each point: sun, sky, and a little thrown back by the land."""
    cosine = np.clip(normal @ np.array(sky.sun, np.float32), 0, 1)
    # Inside a crown less sky is seen than on top of it.
    hidden = np.where(ground.tree > 0, 0.35 + 0.65 * ground.tree, np.float32(1))
    dome = (0.55 + 0.45 * normal[..., 1]) * hidden
    sun = (cosine * shadow)[..., None] * sky.sunlight
    return np.asarray(sun + dome[..., None] * sky.skylight, np.float32)


def _water(terrain: Terrain, sky: Sky, views: F32, x: F32, z: F32, footprint: F32) -> F32:
    """Linear RGB of water: the sky, and roughly the far shore, mirrored in small waves."""
    waves = terrain.noise
    calm = 1 / (1 + footprint * 4)
    tilt_x = 0.01 * calm * waves.fractal(x, z * np.float32(0.3), 9.0, 4, footprint)
    tilt_z = 0.012 * waves.fractal(x + 50, z * np.float32(0.3), 40.0, 6, footprint * 1.5)
    mirrored = views.copy()
    mirrored[..., 0] += tilt_x
    mirrored[..., 1] = np.abs(views[..., 1] + tilt_z)
    mirrored /= np.linalg.norm(mirrored, axis=-1, keepdims=True)
    facing = np.clip(-views[..., 1:2], 0, 1)
    mirror = 0.04 + 0.96 * (1 - facing) ** 5
    shore = _shore(terrain, mirrored, x, z)[..., None]
    above = sky.radiance(mirrored) * (1 - shore) + shore * sky.skylight * np.array(
        [0.05, 0.075, 0.05], np.float32
    )
    deep = sky.skylight * np.array([0.02, 0.05, 0.05], np.float32)
    return np.asarray(mirror * above + (1 - mirror) * deep, np.float32)


def _shore(terrain: Terrain, mirrored: F32, x: F32, z: F32) -> F32:
    """How far land blocks each mirrored ray, 0..1."""
    level = terrain.relief.water or 0.0
    blocked = np.zeros(x.shape, np.float32)
    for reach in np.geomspace(40, 9000, 22):
        distance = np.float32(reach)
        top = terrain.land(x + mirrored[..., 0] * distance, z + mirrored[..., 2] * distance, 20.0)
        wooded = np.where(top > level + 1, top + 12, top)
        over = (wooded - level - mirrored[..., 1] * distance) / (0.02 * distance)
        blocked = np.maximum(blocked, np.clip(over, 0, 1))
    return blocked


def _air_path(rise: F32) -> F32:
    """Metres through the lowest 1500 m of air for unit rays of given rise, 40 km at most."""
    return np.asarray(np.minimum(1500 / np.maximum(rise, 1e-3), _FARTHEST), np.float32)
