"""Pairs that lie on disk: a folder of degraded pictures and one of clean ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dinplug.errors import UsageError
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.photos import decoded, turned


@dataclass(frozen=True)
class FolderPairs(NumberedPairs):
    """Crops cut at one place from a degraded picture and its clean one.

    Attributes:
        files: (degraded, clean) files; the clean ones larger by the factor `scale`.
        crop: side of the degraded crop in pixels.
        scale: how many times the clean picture is larger.
        seed: start of all choices.
    """

    files: Sequence[tuple[Path, Path]]
    crop: int
    scale: int
    seed: int

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (degraded, clean).

        Raises:
            UsageError: the two files are not of one size, or smaller than a crop.
        """
        rng = np.random.default_rng((self.seed, number))
        degraded_file, clean_file = self.files[int(rng.integers(len(self.files)))]
        degraded, clean = decoded(degraded_file), decoded(clean_file)
        if clean.size != (degraded.width * self.scale, degraded.height * self.scale):
            raise UsageError(f"{clean_file} is not {self.scale} times as large as {degraded_file}")
        if min(degraded.size) < self.crop:
            raise UsageError(f"{degraded_file} is smaller than a crop of {self.crop} pixels")
        left = int(rng.integers(degraded.width - self.crop + 1))
        top = int(rng.integers(degraded.height - self.crop + 1))
        state = rng.bit_generator.state
        crops = []
        for image, scale in ((degraded, 1), (clean, self.scale)):
            rng.bit_generator.state = state
            side = self.crop * scale
            box = (left * scale, top * scale, left * scale + side, top * scale + side)
            crops.append(turned(rng, np.asarray(image.crop(box), np.float32) / np.float32(255)))
        return crops[0], crops[1]


def find_folder_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """List the pairs of `folder/degraded` and `folder/clean`, by file name without suffix.

    Raises:
        UsageError: a folder is missing, or a degraded picture has no clean one.
    """
    degraded, clean = folder / "degraded", folder / "clean"
    if not degraded.is_dir() or not clean.is_dir():
        raise UsageError(f"{folder} needs the folders degraded/ and clean/ for paired data")
    clean_files = {file.stem: file for file in clean.iterdir() if file.is_file()}
    pairs = []
    for file in sorted(degraded.iterdir()):
        if file.stem not in clean_files:
            raise UsageError(f"{file} has no clean picture of its name in {clean}")
        pairs.append((file, clean_files[file.stem]))
    if not pairs:
        raise UsageError(f"no pictures in {degraded}")
    return pairs
