"""Blurred pairs: photos moved during the exposure, on the fly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinplug.training.degradations.camera import record
from dinplug.training.degradations.motion import blur, sample_motion
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.photos import random_cut, turned

_MARGIN = 24
"""Pixels of real surroundings around the crop, from which blur draws colours into it."""


@dataclass(frozen=True)
class MotionPairs(NumberedPairs):
    """Blurred and sharp crops.

    Attributes:
        photos: clean photos to cut from.
        crop: side of a crop in pixels.
        seed: start of all choices.
    """

    photos: Sequence[Path]
    crop: int
    seed: int

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (blurred, sharp): display-encoded RGB (crop, crop, 3), 0..1."""
        rng = np.random.default_rng((self.seed, number))
        picture = turned(rng, random_cut(rng, self.photos, self.crop + 2 * _MARGIN))
        blurred, sharp = blur(rng, picture, sample_motion(rng), _MARGIN)
        return record(rng, blurred), sharp
