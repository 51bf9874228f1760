"""Rainy pairs: photos under streaks drawn on the fly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinplug.training.degradations.camera import record
from dinplug.training.degradations.rain import add_rain, sample_rain
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.photos import random_window


@dataclass(frozen=True)
class RainPairs(NumberedPairs):
    """Rainy and clean crops.

    Attributes:
        photos: clean photos to cut from.
        crop: side of a crop in pixels.
        seed: start of all choices.
    """

    photos: Sequence[Path]
    crop: int
    seed: int

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (rainy, clean): display-encoded RGB (crop, crop, 3), 0..1."""
        rng = np.random.default_rng((self.seed, number))
        clean = random_window(rng, self.photos[int(rng.integers(len(self.photos)))], self.crop)
        return record(rng, add_rain(rng, clean, sample_rain(rng))), clean
