"""Terrain of rendered landscapes: height and what grows or stands on it, by position.

Positions are in metres: x to the right of the camera, z away from it; heights are above the
camera's foot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinplug.training.scenes.noise import Noise

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Relief:
    """The shape of a landscape.

    Attributes:
        mountains: height of the far mountains in metres.
        near: distance in metres at which mountains begin to rise.
        far: distance in metres at which they have their full height.
        hills: height of the hills everywhere in metres.
        hill_length: length of the hills in metres.
        water: level of the water in metres, or None for none.
        fall: depth in metres of the valley before the camera.
        forest: share of the land under trees, 0..1.
        village: share of the valley under houses, 0..1.
    """

    mountains: float
    near: float
    far: float
    hills: float
    hill_length: float
    water: float | None
    fall: float
    forest: float
    village: float


@dataclass(frozen=True)
class Ground:
    """What is at each point asked for; all arrays have the points' shape.

    Attributes:
        height: of the visible surface, metres.
        bare: height without trees, houses and water.
        tree: 0 where there is no tree, else how far up the crown, up to 1.
        house: 0 where there is none, 1 wall, 2 roof.
        mark: random number in 0..1 of the tree or house.
        water: whether water is seen.
    """

    height: F32
    bare: F32
    tree: F32
    house: NDArray[np.int8]
    mark: F32
    water: NDArray[np.bool_]


class Terrain:
    """A landscape of given relief; `rng` gives it its individual shape."""

    def __init__(self, rng: np.random.Generator, relief: Relief) -> None:
        self.relief = relief
        self.noise = Noise(rng)
        self._offset = rng.uniform(-4000, 4000, 2).astype(np.float32)

    def land(self, x: F32, z: F32, footprint: F32 | float) -> F32:
        """Height in metres of the bare land."""
        relief = self.relief
        u, v = x + self._offset[0], z + self._offset[1]
        far = _smoothstep(relief.near, relief.far, np.hypot(x, z))
        ridges = self.noise.ridged(u, v, 5200.0, 10, footprint)
        hills = self.noise.fractal(u, v, relief.hill_length, 9, footprint, 0.42)
        valley = -relief.fall * _smoothstep(0.0, relief.near, np.hypot(x, z))
        level = valley + relief.hills * hills * (0.25 + 0.75 * _smoothstep(0, 600, z))
        return np.asarray(level + relief.mountains * far * (ridges - 0.35), np.float32)

    def ground(self, x: F32, z: F32, footprint: F32 | float) -> Ground:
        """The visible surface: land, with trees, houses and water on it."""
        bare = self.land(x, z, footprint)
        relief = self.relief
        tree, mark, tall = self._trees(x, z, bare)
        height = bare + tree * tall
        house = np.zeros(bare.shape, np.int8)
        if relief.village > 0:
            house, top, house_mark = self._houses(x, z, bare)
            height = np.where(house > 0, bare + top, height)
            tree = np.where(house > 0, np.float32(0), tree)
            mark = np.where(house > 0, house_mark, mark)
        water = np.zeros(bare.shape, np.bool_)
        if relief.water is not None:
            water = bare < relief.water
            height = np.where(water, np.float32(relief.water), height)
            tree = np.where(water, np.float32(0), tree)
            house = np.where(water, np.int8(0), house)
        return Ground(np.asarray(height, np.float32), bare, tree, house, mark, water)

    def woodland(self, x: F32, z: F32, bare: F32) -> F32:
        """How wooded a place is: positive inside a wood, negative outside, about -1..1."""
        u, v = x - self._offset[1], z + self._offset[0]
        patches = self.noise.fractal(u, v, 700.0, 6, 0.0, 0.55)
        high = _smoothstep(0.35, 0.75, bare / max(self.relief.mountains, 1.0))
        return np.asarray(patches + 1.6 * (self.relief.forest - 0.5) - 2.5 * high, np.float32)

    def _trees(self, x: F32, z: F32, bare: F32) -> tuple[F32, F32, F32]:
        """Crown position 0..1, the tree's random number, and its height in metres."""
        wooded = self.woodland(x, z, bare)
        distance, mark = self.noise.scattered(x, z, 7.0)
        tall = 6 + 9 * mark
        # In the open one tree in sixteen stands, so that meadows are not empty.
        stands = (wooded > 0.25 * mark) | ((mark > 0.94) & (wooded > -0.7))
        stands &= np.hypot(x, z) > 260
        if self.relief.water is not None:
            stands &= bare > self.relief.water + 1.5
        radius = 2.4 + 2.2 * mark
        # Conifers are cones, broad-leaved trees domes.
        reach = np.clip(distance / radius, 0, 1)
        crown = np.where(mark * 13 % 1 < 0.55, (1 - reach) ** 0.9, np.sqrt(1 - reach**2) * 0.75)
        ragged = 1 + 0.25 * self.noise.smooth(x * np.float32(1.7), z * np.float32(1.7))
        return np.where(stands, np.clip(crown * ragged, 0, 1), np.float32(0)), mark, tall

    def _houses(self, x: F32, z: F32, bare: F32) -> tuple[NDArray[np.int8], F32, F32]:
        """Kind (0 none, 1 wall, 2 roof), height above the land, and the house's random number."""
        spacing = np.float32(34.0)
        column, row = np.floor(x / spacing), np.floor(z / spacing)
        # One value per cell: everything about a house is taken at the middle of its cell.
        mx, mz = (column + 0.5) * spacing, (row + 0.5) * spacing
        mark = 0.5 + 0.5 * self.noise.smooth(column * np.float32(7.7), row * np.float32(7.7))
        place = self.noise.fractal(mx + 900, mz - 400, 900.0, 3) + 2 * (self.relief.village - 0.5)
        distance = np.hypot(mx, mz)
        settled = (place > 0.1) & (distance > 150) & (distance < self.relief.far * 0.7)
        angle = mark * np.float32(9.0)
        dx, dz = x - mx, z - mz
        along = np.abs(dx * np.cos(angle) - dz * np.sin(angle))
        across = np.abs(dx * np.sin(angle) + dz * np.cos(angle))
        half_length, half_width = 5 + 4 * mark, 4 + 2 * (mark * 7 % 1)
        inside = (along < half_length) & (across < half_width)
        inside &= settled & (self.woodland(mx, mz, bare) < 0.1)
        eaves, gable = 5.0, 4.5
        top = eaves + gable * (1 - across / half_width)
        roof = np.minimum(half_length - along, half_width - across) > 0.7
        kind = np.where(inside, np.where(roof, 2, 1), 0).astype(np.int8)
        top = np.where(roof, top, eaves)
        return kind, np.asarray(top, np.float32), np.asarray(mark, np.float32)


def _smoothstep(low: float, high: float, value: F32) -> F32:
    """0 below low, 1 above high, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
