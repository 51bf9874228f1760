"""Make the pictures of docs/degradations.md: what training does to clean photos, on our own.

python scripts/show_degradations.py [FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinplug.imaging import read_photo
from dinplug.training.degradations.depth import sample_depth
from dinplug.training.degradations.haze import apply_haze, sample_haze
from dinplug.training.degradations.motion import Motion, blur, sample_motion
from dinplug.training.degradations.rain import add_rain, sample_rain
from dinplug.training.degradations.reduction import Reduction, reduce

F32 = NDArray[np.float32]

ROOT = Path(__file__).resolve().parents[1]
PHOTOS = [ROOT / "examples" / "photos" / name for name in ("lake.jpg", "valley.tif", "ridges.png")]
FOLDER = ROOT / "docs" / "images" / "degradations"
LARGEST_FILE = 120_000
"""Bytes of one picture."""

CELL = (208, 280)
"""Height and width of one sample in pixels."""
GAP = 6
"""White pixels between samples."""
MARGIN = 24
"""Pixels around a sample that motion blur moves in."""
DRAWN = 48
"""Samples drawn, of which eight are shown, from light to heavy."""


def main(folder: Path = FOLDER) -> None:
    """Write one contact sheet for each degradation."""
    folder.mkdir(parents=True, exist_ok=True)
    photos = [read_photo(file).rgb for file in PHOTOS]
    for name, picture in (
        ("reduction", reductions(photos[1])),
        ("rain", sheet(rainy(photos))),
        ("haze", sheet(hazy(photos))),
        ("motion", sheet(moved(photos))),
    ):
        save(picture, folder / f"{name}.jpg")


def reductions(photo: F32) -> F32:
    """A part of a photo, and the same made small by BI x4, BD x3 and DN x3, in large pixels."""
    side = 240
    clean = cut(photo, side, side, 0.95, 0.95)
    cells = [clean]
    wishes: list[tuple[Reduction, int]] = [("bicubic", 4), ("blur", 3), ("noise", 3)]
    for method, factor in wishes:
        small = reduce(np.random.default_rng(0), clean, factor, method)
        cells.append(small.repeat(factor, 0).repeat(factor, 1))
    return beside(cells, axis=1)


def rainy(photos: Sequence[F32]) -> list[F32]:
    """Eight rains, the least first."""
    drawn = []
    for number in range(DRAWN):
        rng = np.random.default_rng((1, number))
        clean = sample_place(rng, photos)
        rainy = add_rain(rng, clean, sample_rain(rng))
        drawn.append((distance(clean, rainy), rainy))
    return spread(drawn)


def hazy(photos: Sequence[F32]) -> list[F32]:
    """Eight hazes, the thinnest first."""
    drawn = []
    for number in range(DRAWN):
        rng = np.random.default_rng((2, number))
        clean = sample_place(rng, photos)
        depth = sample_depth(rng, clean)
        hazy = apply_haze(clean, depth, sample_haze(rng, depth))
        drawn.append((distance(clean, hazy), hazy))
    return spread(drawn)


def moved(photos: Sequence[F32]) -> list[F32]:
    """Eight exposures, the stillest first; in a corner what becomes of a point of light."""
    drawn = []
    for number in range(DRAWN):
        rng = np.random.default_rng((3, number))
        clean = sample_place(rng, photos, MARGIN)
        motion = sample_motion(rng)
        start = rng.bit_generator.state
        blurred = blur(rng, clean, motion, MARGIN)[0]
        rng.bit_generator.state = start
        inset(blurred, trace(rng, motion, clean.shape))
        drawn.append((motion.extent, blurred))
    return spread(drawn)


def trace(rng: np.random.Generator, motion: Motion, shape: tuple[int, ...]) -> F32:
    """The path of a point in the middle of the picture under the same exposure, (49, 49, 3)."""
    point = np.zeros(shape, np.float32)
    row, column = shape[0] // 2, shape[1] // 2
    point[row, column] = 1
    light, _ = blur(rng, point, motion, MARGIN)
    row, column = row - MARGIN, column - MARGIN
    near = light[row - 24 : row + 25, column - 24 : column + 25]
    return np.asarray((near / max(float(near.max()), 1e-6)) ** 0.5, np.float32)


def inset(picture: F32, small: F32) -> None:
    """Put a small picture, with a white frame, into the lower right corner."""
    height, width = small.shape[:2]
    picture[-height - 4 :, -width - 4 :] = 1
    picture[-height - 2 : -2, -width - 2 : -2] = small


def sample_place(rng: np.random.Generator, photos: Sequence[F32], margin: int = 0) -> F32:
    """A random part of a random photo, a cell and `margin` around it."""
    photo = photos[int(rng.integers(len(photos)))]
    height, width = (side + 2 * margin for side in CELL)
    return cut(photo, height, width, float(rng.uniform(0.2, 0.9)), float(rng.uniform()))


def cut(photo: F32, height: int, width: int, down: float, right: float) -> F32:
    """A part of a photo of half its size, `down` and `right` (0..1) of the way it can move."""
    levels = np.rint(photo.clip(0, 1) * 255).astype(np.uint8)
    half = Image.fromarray(levels).reduce(2)
    top = round(down * (half.height - height))
    left = round(right * (half.width - width))
    part = half.crop((left, top, left + width, top + height))
    return np.asarray(part, np.float32) / np.float32(255)


def distance(clean: F32, degraded: F32) -> float:
    """Mean squared difference."""
    return float(np.square(clean - degraded).mean())


def spread(drawn: list[tuple[float, F32]]) -> list[F32]:
    """Eight of the drawn samples, evenly over their ranks, without those left as they were."""
    ranked = sorted((d for d in drawn if d[0] > 0), key=lambda d: d[0])
    picks = np.linspace(0, len(ranked) - 1, 8).round().astype(int)
    return [ranked[pick][1] for pick in picks]


def sheet(cells: Sequence[F32]) -> F32:
    """Eight cells in two rows of four."""
    return beside([beside(cells[:4], axis=1), beside(cells[4:], axis=1)], axis=0)


def beside(cells: Sequence[F32], axis: int) -> F32:
    """Pictures beside each other (axis 1) or below (axis 0), white between them."""
    shape = list(cells[0].shape)
    shape[axis] = GAP
    gap = np.ones(shape, np.float32)
    parts = [part for cell in cells for part in (gap, cell)][1:]
    return np.concatenate(parts, axis)


def save(picture: F32, file: Path) -> None:
    """Write a JPEG of the best quality that stays small."""
    image = Image.fromarray(np.rint(picture.clip(0, 1) * 255).astype(np.uint8))
    for quality in range(90, 20, -4):
        image.save(file, quality=quality, optimize=True)
        if file.stat().st_size <= LARGEST_FILE:
            break
    print(f"{file}: {image.width} x {image.height}, quality {quality}, {file.stat().st_size} bytes")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
