"""The sky of rendered landscapes: a blue gradient, a glow around the sun, clouds on a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinplug.training.scenes.noise import Noise

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Sky:
    """Sun, sky and clouds.

    Attributes:
        sun: unit vector (right, up, forward) towards the sun.
        sunlight: linear RGB of sunlight on a surface facing it.
        skylight: linear RGB of the sky's light on level ground.
        zenith: linear RGB of the sky overhead.
        haze: linear RGB of the sky at the horizon.
        clouds: share of the sky under clouds, 0..1.
        noise: shape of the clouds.
    """

    sun: tuple[float, float, float]
    sunlight: F32
    skylight: F32
    zenith: F32
    haze: F32
    clouds: float
    noise: Noise

    def radiance(self, views: F32) -> F32:
        """Linear RGB (..., 3) of the sky in the directions of unit vectors (..., 3)."""
        rise = np.clip(views[..., 1:2], 0, 1)
        clear = self.haze + (self.zenith - self.haze) * (1 - np.exp(-rise * 5))
        towards = np.clip(views @ np.array(self.sun, np.float32), 0, 1)[..., None]
        glow = 0.25 * towards**6 + 0.5 * towards**60
        clear = clear * (1 + glow) + glow * self.sunlight * np.float32(0.06)
        cover, lit = self._clouds(views)
        bright = self.skylight * 0.75 + self.sunlight * 0.42
        cloud = bright * (0.62 + 0.38 * lit)
        # Clouds near the horizon are seen through much air.
        cover = cover * (1 - np.exp(-rise * 14))
        return np.asarray(clear * (1 - cover) + cloud * cover, np.float32)

    def _clouds(self, views: F32) -> tuple[F32, F32]:
        """How much cloud covers each direction, and how lit it is, both (..., 1) in 0..1."""
        rise = np.maximum(views[..., 1], np.float32(0.03))
        x = np.asarray(views[..., 0] / rise, np.float32)
        z = np.asarray(views[..., 2] / rise, np.float32)
        footprint = np.asarray(0.0015 / rise, np.float32)
        density = self.noise.fractal(x, z, 2.6, 7, footprint, 0.55) + 2.2 * (self.clouds - 0.5)
        towards_x, towards_z = np.float32(self.sun[0] * 0.12), np.float32(self.sun[2] * 0.12)
        sunwards = self.noise.fractal(x + towards_x, z + towards_z, 2.6, 5, footprint, 0.55)
        sunwards = sunwards + 2.2 * (self.clouds - 0.5)
        cover = np.clip(density * 1.8, 0, 1)
        lit = np.clip(0.75 + 1.3 * (density - sunwards) - 0.45 * density, 0, 1)
        return (cover * cover * (3 - 2 * cover))[..., None], lit[..., None]
