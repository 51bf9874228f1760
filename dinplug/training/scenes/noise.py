"""Seeded noise over the plane, for terrain and materials: smooth, fractal, ridged, and scattered.

Everything is a function of position, so a landscape has no resolution of its own. Octaves whose
waves are shorter than the `footprint` of a pixel fade out, which keeps far slopes from flickering
between neighbouring pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

_TABLE_SIDE = 512
# Turning every octave by an angle that is no simple fraction hides the lattice.
_TURN = 0.91


class Noise:
    """Noise made from one table of random numbers.

    Args:
        rng: source of the table.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._table = rng.uniform(-1, 1, (_TABLE_SIDE, _TABLE_SIDE)).astype(np.float32)

    def smooth(self, x: F32, y: F32) -> F32:
        """Value noise in -1..1 with waves of length about 2, smooth to the second derivative."""
        column, row = np.floor(x), np.floor(y)
        fx, fy = x - column, y - row
        fx, fy = fx**3 * (fx * (fx * 6 - 15) + 10), fy**3 * (fy * (fy * 6 - 15) + 10)
        c0 = column.astype(np.int32) % _TABLE_SIDE
        r0 = row.astype(np.int32) % _TABLE_SIDE
        c1, r1 = (c0 + 1) % _TABLE_SIDE, (r0 + 1) % _TABLE_SIDE
        table = self._table
        top = table[r0, c0] * (1 - fx) + table[r0, c1] * fx
        bottom = table[r1, c0] * (1 - fx) + table[r1, c1] * fx
        return np.asarray(top * (1 - fy) + bottom * fy, np.float32)

    def fractal(
        self,
        x: F32,
        y: F32,
        wavelength: float,
        octaves: int,
        footprint: F32 | float = 0.0,
        roughness: float = 0.5,
    ) -> F32:
        """Fractal noise, about -1..1; `wavelength` and `footprint` in the unit of x and y."""
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        for octave, (px, py, length) in enumerate(_octaves(x, y, wavelength, octaves)):
            total += _fade(length, footprint) * roughness**octave * self.smooth(px, py)
        return total

    def ridged(
        self, x: F32, y: F32, wavelength: float, octaves: int, footprint: F32 | float = 0.0
    ) -> F32:
        """Ridged fractal noise in 0..about 1: sharp crests, rounded valleys (Musgrave)."""
        total = np.zeros(np.broadcast(x, y).shape, np.float32)
        weight: F32 | float = 1.0
        for octave, (px, py, length) in enumerate(_octaves(x, y, wavelength, octaves)):
            crest = (1 - np.abs(self.smooth(px, py))) ** 2
            total += np.asarray(_fade(length, footprint) * 0.5**octave * crest * weight, np.float32)
            weight = np.clip(crest * 1.6, 0, 1)
        return np.asarray(total / 1.7, np.float32)

    def scattered(self, x: F32, y: F32, spacing: float) -> tuple[F32, F32]:
        """Points scattered one to a cell of a jittered grid.

        Returns:
            The distance to the nearest point in the unit of x and y, and that point's own random
            number in 0..1.
        """
        gx, gy = x / np.float32(spacing), y / np.float32(spacing)
        column, row = np.floor(gx).astype(np.int32), np.floor(gy).astype(np.int32)
        nearest = np.full(np.broadcast(x, y).shape, 9, np.float32)
        mark = np.zeros_like(nearest)
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                r, c = (row + dr) % _TABLE_SIDE, (column + dc) % _TABLE_SIDE
                px = column + dc + 0.5 + 0.4 * self._table[r, c]
                py = row + dr + 0.5 + 0.4 * self._table[c, r - 1]
                distance = np.asarray((gx - px) ** 2 + (gy - py) ** 2, np.float32)
                nearer = distance < nearest
                nearest = np.where(nearer, distance, nearest)
                mark = np.where(nearer, 0.5 + 0.5 * self._table[r - 1, c - 1], mark)
        return np.asarray(np.sqrt(nearest) * spacing, np.float32), mark


def _octaves(x: F32, y: F32, wavelength: float, count: int) -> list[tuple[F32, F32, float]]:
    """Turned and scaled positions of each octave, and its wavelength."""
    result = []
    for octave in range(count):
        angle, length = _TURN * octave + 0.3, wavelength / 2**octave
        cosine, sine = (
            np.float32(np.cos(angle) * 2 / length),
            np.float32(np.sin(angle) * 2 / length),
        )
        shift = np.float32(17.3 * octave + 5.1)
        result.append((x * cosine - y * sine + shift, x * sine + y * cosine - shift, length))
    return result


def _fade(length: float, footprint: F32 | float) -> F32:
    """1 for waves much longer than the footprint, falling to 0 where they are its double."""
    safe = np.maximum(np.asarray(footprint, np.float32), np.float32(1e-6))
    return np.asarray(np.clip(length / (2 * safe) - 1, 0, 1), np.float32)
