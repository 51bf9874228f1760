"""What the land of rendered landscapes is made of: linear RGB reflectances by place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinplug.training.scenes.terrain import Ground, Terrain

F32 = NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Season:
    """Linear RGB reflectances of a landscape, and the height in metres where snow begins."""

    grass: Colour
    dry: Colour
    leaves: tuple[Colour, Colour, Colour]
    rock: Colour
    soil: Colour
    snow_line: float
    fields: bool


_SNOW = np.array([0.72, 0.75, 0.8], np.float32)
_WALLS = np.array([[0.62, 0.58, 0.5], [0.7, 0.68, 0.62], [0.45, 0.36, 0.26]], np.float32)
_ROOFS = np.array([[0.3, 0.1, 0.06], [0.22, 0.08, 0.05], [0.1, 0.1, 0.11]], np.float32)
_CROPS = np.array(
    [[0.09, 0.15, 0.035], [0.3, 0.24, 0.09], [0.13, 0.19, 0.05], [0.17, 0.12, 0.07]], np.float32
)


def albedo(
    terrain: Terrain, season: Season, ground: Ground, normal: F32, x: F32, z: F32, footprint: F32
) -> F32:
    """Linear RGB reflectance (H, W, 3) of the visible surface."""
    noise = terrain.noise
    fine = noise.fractal(x, z, 3.0, 6, footprint * 0.4, 0.7)[..., None]
    broad = noise.fractal(x + 70, z, 160.0, 6, footprint, 0.6)[..., None]
    grass, dry = np.array(season.grass, np.float32), np.array(season.dry, np.float32)
    meadow = grass + (dry - grass) * np.clip(0.4 + 0.6 * broad + 0.25 * fine, 0, 1)
    meadow = meadow * (1 + 0.35 * fine)
    if season.fields:
        meadow = _fields(terrain, meadow, ground, x, z, fine)
    rock = np.array(season.rock, np.float32) * (1 + 0.4 * fine + 0.25 * broad)
    bare_slope = terrain.land(x + 4, z, footprint) - ground.bare
    steep = np.hypot(bare_slope, terrain.land(x, z + 4, footprint) - ground.bare) / 4
    high = ground.bare / max(terrain.relief.mountains, 1.0)
    rocky = np.clip((steep - 0.75) * 3 + (high - 0.35) * 2.5, 0, 1)[..., None]
    colour = meadow * (1 - rocky) + rock * rocky
    above = (ground.bare - season.snow_line) / 120 + 0.8 * broad[..., 0] - 1.3 * (steep - 0.6)
    snowy = np.clip(above, 0, 1)[..., None]
    colour = colour * (1 - snowy) + _SNOW * snowy
    leaves = np.asarray(season.leaves, np.float32)[(ground.mark * 97 % 1 * 3).astype(np.intp)]
    leaves = leaves * (0.55 + 0.6 * ground.tree[..., None]) * (1 + 0.3 * fine)
    colour = np.where(ground.tree[..., None] > 0.02, leaves, colour)
    pick = (ground.mark * 51 % 1 * 3).astype(np.intp)
    colour = np.where((ground.house == 1)[..., None], _WALLS[pick], colour)
    colour = np.where((ground.house == 2)[..., None], _ROOFS[pick] * (1 + 0.2 * fine), colour)
    if terrain.relief.water is not None:
        beach = np.clip(1 - (ground.bare - terrain.relief.water) / 2.0, 0, 1)[..., None]
        colour = colour * (1 - 0.8 * beach) + np.array(season.soil, np.float32) * 0.8 * beach
    return np.asarray(np.clip(colour, 0.003, 1), np.float32)


def _fields(terrain: Terrain, meadow: F32, ground: Ground, x: F32, z: F32, fine: F32) -> F32:
    """Lay crops out over flat land: strips of fields, each with its own crop and furrows."""
    turn = np.float32(0.35)
    u, v = x * np.cos(turn) - z * np.sin(turn), x * np.sin(turn) + z * np.cos(turn)
    column, row = np.floor(u / np.float32(150)), np.floor(v / np.float32(230))
    mark = 0.5 + 0.5 * terrain.noise.smooth(column * np.float32(5.3), row * np.float32(5.3))
    crop = _CROPS[(mark * 83 % 1 * 4).astype(np.intp)]
    furrows = 1 + 0.12 * np.sin(u * np.float32(2.1))[..., None] * np.exp(-z / 500)[..., None]
    tilled = crop * furrows * (1 + 0.25 * fine)
    flat = (terrain.woodland(x, z, ground.bare) < -0.15) & (mark > 0.35)
    flat &= ground.bare < -0.3 * terrain.relief.fall
    return np.where(flat[..., None], tilled, meadow)
