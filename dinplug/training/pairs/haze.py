"""Hazy pairs: photos, rendered rooms and landscapes under haze made on the fly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dinplug.training.degradations.camera import record
from dinplug.training.degradations.depth import sample_depth
from dinplug.training.degradations.filters import smooth_field
from dinplug.training.degradations.haze import Haze, apply_haze, sample_haze
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.photos import random_window
from dinplug.training.scenes.interior import render_interior
from dinplug.training.scenes.pool import LandscapePool
from dinplug.training.scenes.skyline import add_sky


@dataclass(frozen=True)
class HazePairs(NumberedPairs):
    """Hazy and clean crops.

    Attributes:
        photos: clean photos to cut from.
        crop: side of a crop in pixels.
        interiors: share of pairs, 0..1, whose clean picture is a rendered interior with its own
            depth instead of a photo.
        landscapes: rendered landscapes, likewise; None for none.
        landscape_share: share of pairs, 0..1, cut from them.
        skies: share of photos, 0..1, that are given a skyline.
        seed: start of all choices.
        clear: share of pairs, 0..1, without haze.
    """

    photos: Sequence[Path]
    crop: int
    seed: int
    interiors: float = 0.0
    skies: float = 0.0
    landscapes: LandscapePool | None = None
    landscape_share: float = 0.0
    clear: float = 1 / 6

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (hazy, clean): display-encoded RGB (crop, crop, 3), 0..1."""
        rng = np.random.default_rng((self.seed, number))
        kind = rng.uniform()
        if kind < self.interiors:
            textures = [self._window(rng, 128) for _ in range(3)]
            clean, depth = render_interior(rng, self.crop, self.crop, textures)
            clean = expose(rng, clean)
        elif self.landscapes is not None and kind > 1 - self.landscape_share:
            clean, depth = self.landscapes.window(rng, self.crop)
            clean = lift(rng, expose(rng, clean))
        else:
            clean = lift(rng, expose(rng, self._window(rng, self.crop)))
            depth = sample_depth(rng, clean)
            if rng.uniform() < self.skies:
                clean, depth = add_sky(rng, clean, depth)
        haze = sample_haze(rng, depth, self.clear)
        if rng.uniform() < 0.75:
            haze = _like_the_sky(haze, clean, depth)
        glow = None
        if rng.uniform() < 0.15:
            spread = np.float32(rng.uniform(0, 0.4))
            glow = 1 + spread * (smooth_field(rng, self.crop, self.crop, 2) - np.float32(0.6))
        return record(rng, apply_haze(clean, depth, haze, glow)), clean

    def _window(self, rng: np.random.Generator, size: int) -> F32:
        return random_window(rng, self.photos[int(rng.integers(len(self.photos)))], size)


def _like_the_sky(haze: Haze, clean: F32, depth: F32) -> Haze:
    """Take the airlight from a bright, nearly grey sky, where the picture has one.

    Airlight is what the sky at the horizon looks like, so a white sky stays as it is.
    """
    far = depth >= 1
    if far.mean() < 0.05:
        return haze
    red, green, blue = (float(c) for c in clean[far].mean(0))
    if min(red, green, blue) < 0.5 or max(red, green, blue) - min(red, green, blue) > 0.12:
        return haze
    return replace(haze, airlight=(red, green, blue))


def expose(rng: np.random.Generator, picture: F32) -> F32:
    """Vary exposure, contrast and white balance of RGB (H, W, 3) in 0..1, in four of ten cases.

    Dark interiors beside bright windows are common among hazy photos and rare among the clean
    ones of a collection made for its looks.
    """
    if rng.uniform() < 0.6:
        return picture
    gamma = np.float32(np.exp(rng.uniform(np.log(0.8), np.log(1.8))))
    gain = rng.uniform(0.85, 1.15) * np.exp(rng.normal(0, 0.04, 3))
    return np.asarray(np.clip(picture**gamma * gain, 0, 1), np.float32)


def lift(rng: np.random.Generator, picture: F32) -> F32:
    """Raise the blacks of RGB (H, W, 3) in 0..1 in one of seven cases.

    Grey roads and overcast light have no blacks either; a picture without them is not always
    hazy, and taking it for hazy turns roads black.
    """
    if rng.uniform() < 6 / 7:
        return picture
    floor = np.float32(rng.uniform(0.05, 0.3))
    ceiling = np.float32(rng.uniform(0.85, 1.0))
    return np.asarray(floor + (ceiling - floor) * picture, np.float32)
