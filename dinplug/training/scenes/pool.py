"""A pool of rendered landscapes to cut training crops from; rendered once, then kept in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinplug.training.scenes.landscape import Camera, render_landscape
from dinplug.training.scenes.materials import Season
from dinplug.training.scenes.noise import Noise
from dinplug.training.scenes.sky import Sky
from dinplug.training.scenes.terrain import Relief, Terrain

F32 = NDArray[np.float32]

_HEIGHT, _WIDTH = 216, 324


@dataclass(frozen=True)
class LandscapePool:
    """Rendered landscapes: `pictures` (n, H, W, 3) in 0..1, `depths` (n, H, W) in metres."""

    pictures: F32
    depths: F32

    def window(self, rng: np.random.Generator, size: int) -> tuple[F32, F32]:
        """Cut a random square and enlarge or reduce it to `size` pixels, mirrored at times.

        Returns:
            Display-encoded RGB (size, size, 3) in 0..1 and depth (size, size) in 0..1, where 1
            is a random visual range of 1.5 to 15 km or more.
        """
        number = int(rng.integers(len(self.depths)))
        side = rng.uniform(0.5, 1) * _HEIGHT
        left, top = rng.uniform(0, _WIDTH - side), rng.uniform(0, _HEIGHT - side)
        box = (left, top, left + side, top + side)
        planes = [self.pictures[number, ..., c] for c in range(3)] + [self.depths[number]]
        cut = np.stack(
            [
                np.asarray(
                    Image.fromarray(p).resize((size, size), Image.Resampling.BILINEAR, box=box)
                )
                for p in planes
            ],
            -1,
        )
        if rng.uniform() < 0.5:
            cut = cut[:, ::-1]
        unit = np.exp(rng.uniform(np.log(1500), np.log(15_000)))
        depth = np.minimum(cut[..., 3] / np.float32(unit), 1)
        return np.ascontiguousarray(cut[..., :3]), np.asarray(depth, np.float32)


def landscape_pool(file: Path, count: int, seed: int) -> LandscapePool:
    """Load the pool from `file`, or render `count` landscapes of a seed into it."""
    if not file.is_file():
        rng = np.random.default_rng((seed, 404))
        scenes = [render_random(rng, _HEIGHT, _WIDTH) for _ in range(count)]
        part = file.with_suffix(".part.npz")
        np.savez(
            part,
            pictures=np.stack([picture for picture, _ in scenes]).astype(np.float16),
            depths=np.stack([depth for _, depth in scenes]).astype(np.float32),
        )
        part.replace(file)
    with np.load(file) as arrays:
        return LandscapePool(arrays["pictures"].astype(np.float32), arrays["depths"])


def render_random(rng: np.random.Generator, height: int, width: int) -> tuple[F32, F32]:
    """Render a landscape of random relief, season, light and view; depth is in metres."""
    fall = float(rng.uniform(60, 320))
    relief = Relief(
        mountains=float(rng.uniform(300, 1800)),
        near=float(rng.uniform(700, 2500)),
        far=float(rng.uniform(5000, 14_000)),
        hills=float(rng.uniform(40, 160)),
        hill_length=float(rng.uniform(900, 2000)),
        water=-0.7 * fall if rng.uniform() < 0.3 else None,
        fall=fall,
        forest=float(rng.uniform(0.2, 0.65)),
        village=float(rng.choice([0.0, 0.35, 0.5])),
    )
    azimuth, rise = np.radians(rng.uniform(-150, 150)), np.radians(rng.uniform(15, 60))
    warm = rng.uniform(0.6, 1)
    sky = Sky(
        sun=(
            float(np.sin(azimuth) * np.cos(rise)),
            float(np.sin(rise)),
            float(np.cos(azimuth) * np.cos(rise)),
        ),
        sunlight=np.array([2.6, 2.6 * warm**0.4, 2.6 * warm], np.float32),
        skylight=np.array([0.55, 0.66, 0.82], np.float32),
        zenith=np.array([0.15, 0.28, 0.6], np.float32),
        haze=np.array([0.64, 0.72, 0.82], np.float32),
        clouds=float(rng.uniform(0.1, 1.1)),
        noise=Noise(rng),
    )
    camera = Camera(
        float(rng.uniform(40, 140)), float(rng.uniform(0.8, 1.4)), float(rng.uniform(0.2, 0.5))
    )
    scene = render_landscape(
        Terrain(rng, relief),
        sky,
        _season(rng),
        camera,
        height,
        width,
        float(rng.uniform(0.6, 1.1)),
    )
    return scene.picture, scene.depth


def _season(rng: np.random.Generator) -> Season:
    """Greens, browns and autumn colours around plausible reflectances."""
    vary = np.exp(rng.normal(0, 0.2, (7, 3)))
    autumn = rng.uniform(0, 1)
    leaf = np.array([0.03, 0.065, 0.018]) * (1 - autumn) + np.array([0.2, 0.11, 0.03]) * autumn
    rows = vary * np.array(
        [[0.06, 0.11, 0.022], [0.18, 0.17, 0.055], leaf, leaf, leaf, [0.22] * 3, [0.2, 0.16, 0.1]]
    )
    grass, dry, one, two, three, rock, soil = ((float(r), float(g), float(b)) for r, g, b in rows)
    snow_line = float(rng.choice([500.0, 9999.0]))
    return Season(grass, dry, (one, two, three), rock, soil, snow_line, bool(rng.uniform() < 0.5))
