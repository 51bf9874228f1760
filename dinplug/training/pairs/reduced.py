"""Small pictures and the large ones they were made from, for super-resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinplug.evaluation.resize import resize_bicubic
from dinplug.training.degradations.reduction import Reduction, reduce
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.photos import random_cut, turned

_MARGIN = 8
"""Pixels of the small picture around the crop, so that its border is no picture's border."""


@dataclass(frozen=True)
class ReducedPairs(NumberedPairs):
    """Crops of photos made small, with the crops themselves.

    Attributes:
        photos: clean photos to cut from.
        crop: side of the small picture in pixels.
        scale: how many times the clean picture is larger.
        seed: start of all choices.
        method: how it is made small.
    """

    photos: Sequence[Path]
    crop: int
    scale: int
    seed: int
    method: Reduction = "bicubic"

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (small, clean), the sides `crop` and `crop * scale`."""
        rng = np.random.default_rng((self.seed, number))
        side = (self.crop + 2 * _MARGIN) * self.scale
        clean = turned(rng, random_cut(rng, self.photos, side))
        small = reduce(rng, clean, self.scale, self.method)
        inner = slice(_MARGIN * self.scale, -_MARGIN * self.scale)
        return small[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN], clean[inner, inner]


@dataclass(frozen=True)
class EnlargedPairs(NumberedPairs):
    """Crops of photos made small by any factor and enlarged again, with the crops themselves.

    Both ways are MATLAB's bicubic; half of the small pictures are rounded as an 8-bit file's.

    Attributes:
        photos: clean photos to cut from.
        crop: side of both pictures in pixels.
        seed: start of all choices.
        largest: the largest factor, above 1.
    """

    photos: Sequence[Path]
    crop: int
    seed: int
    largest: float

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (enlarged, clean), both (crop, crop, 3)."""
        rng = np.random.default_rng((self.seed, number))
        factor = rng.uniform(1, self.largest)
        margin = math.ceil(_MARGIN * factor)
        side = self.crop + 2 * margin
        clean = turned(rng, random_cut(rng, self.photos, side))
        shorter = round(side / factor)
        small = np.clip(resize_bicubic(clean, shorter, shorter), 0, 1)
        if rng.uniform() < 0.5:
            small = np.round(small * 255) / 255
        enlarged = np.clip(resize_bicubic(small, side, side), 0, 1).astype(np.float32)
        inner = slice(margin, margin + self.crop)
        return enlarged[inner, inner], clean[inner, inner]
