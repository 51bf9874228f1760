"""Blurred pairs: photos moved during the exposure, on the fly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinplug.training.degradations.camera import record
from dinplug.training.degradations.motion import blur, sample_motion, sample_whole_motion
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.photos import enlarged_cut, random_cut, turned

_MARGIN = 32
"""Pixels of real surroundings around the crop, from which blur draws colours into it."""

_SOFT_SHARE, _MOST_SOFT = 0.4, 2.0
"""Share of pairs whose photo is first enlarged, and how much at most: frames of a film and photos
at full size are softer than photos reduced for a screen."""


@dataclass(frozen=True)
class MotionPairs(NumberedPairs):
    """Blurred and sharp crops.

    Attributes:
        photos: clean photos to cut from.
        crop: side of a crop in pixels.
        seed: start of all choices.
        largest: the largest movement in pixels, 4..36.
        recorded: share of pairs, 0..1, whose blurred side passes through a camera's file.
        whole: share of pairs, 0..1, in which the whole picture moves alike and is no softer than
            the photo; the others are of every kind.
        growing: pairs over which these movements grow from short level sweeps to all.
    """

    photos: Sequence[Path]
    crop: int
    seed: int
    largest: float = 36.0
    recorded: float = 1.0
    whole: float = 0.0
    growing: int = 0

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (blurred, sharp): display-encoded RGB (crop, crop, 3), 0..1."""
        rng = np.random.default_rng((self.seed, number))
        if rng.uniform() < self.whole:
            picture, other = self._surroundings(rng, 0), None
            variety = min(1.0, number / self.growing) if self.growing else 1.0
            motion = sample_whole_motion(rng, self.largest, variety)
        else:
            picture, other = (self._surroundings(rng, _SOFT_SHARE) for _ in range(2))
            motion = sample_motion(rng, self.largest)
        blurred, sharp = blur(rng, picture, motion, _MARGIN, other)
        return record(rng, blurred) if rng.uniform() < self.recorded else blurred, sharp

    def _surroundings(self, rng: np.random.Generator, soft_share: float) -> F32:
        side = self.crop + 2 * _MARGIN
        if rng.uniform() >= soft_share:
            return turned(rng, random_cut(rng, self.photos, side))
        factor = float(rng.uniform(1, _MOST_SOFT))
        return turned(rng, enlarged_cut(rng, self.photos, side, factor))
