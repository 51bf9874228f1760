"""Rainy pairs: photos under streaks drawn on the fly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinplug.training.degradations.camera import record
from dinplug.training.degradations.rain import Rain, add_rain, sample_rain
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.photos import random_cut, random_window

_DETAIL_SHARE = 0.4
"""Share of pairs cut pixel for pixel: grass and fur at full size look most like streaks."""


@dataclass(frozen=True)
class RainPairs(NumberedPairs):
    """Rainy and clean crops.

    Attributes:
        photos: clean photos to cut from.
        crop: side of a crop in pixels.
        seed: start of all choices.
        clear: share of pairs, 0..1, that get no rain, beside the dry ones that `sample_rain` draws.
    """

    photos: Sequence[Path]
    crop: int
    seed: int
    clear: float = 0.0

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (rainy, clean): display-encoded RGB (crop, crop, 3), 0..1."""
        rng = np.random.default_rng((self.seed, number))
        if rng.uniform() < _DETAIL_SHARE:
            clean = random_cut(rng, self.photos, self.crop)
            clean = clean[:, ::-1] if rng.uniform() < 0.5 else clean
        else:
            clean = random_window(rng, self.photos[int(rng.integers(len(self.photos)))], self.crop)
        rain = Rain() if rng.uniform() < self.clear else sample_rain(rng)
        return record(rng, add_rain(rng, clean, rain)), clean
