"""Folders of clean photos: which files, which are held out, and random windows of them."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinplug.errors import ReadError, UsageError

F32 = NDArray[np.float32]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"}
_HELD_OUT_SHARE = 16


def list_photos(folder: Path, classes: Sequence[str]) -> list[Path]:
    """List the photos of a folder, sorted by name.

    Args:
        folder: where the photos are. A `manifest.csv` in it or beside it with the columns `file`
            and `class` gives each its licence class.
        classes: the licence classes to take; empty for every photo.

    Raises:
        UsageError: no photo is left, or classes are asked for and there is no manifest.
    """
    files = sorted(f for f in folder.glob("*") if f.suffix.lower() in _SUFFIXES)
    if classes:
        manifest = next(
            (m for m in (folder / "manifest.csv", folder.parent / "manifest.csv") if m.is_file()),
            None,
        )
        if manifest is None:
            raise UsageError(f"no manifest.csv in or beside {folder}: it names licence classes")
        with manifest.open(newline="", encoding="utf-8") as lines:
            class_of = {row["file"]: row["class"] for row in csv.DictReader(lines)}
        files = [f for f in files if class_of.get(f.name) in classes]
    if not files:
        raise UsageError(f"no photos in {folder}: give a folder of JPEG, PNG, WebP or TIFF files")
    return files


def split_held_out(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Split files into (training, held out); every cut of one photo lands on the same side.

    Cuts of a photo share the name up to the last underscore. About one photo in sixteen is held
    out, chosen by a checksum of that name, so that adding photos moves none.
    """
    training: list[Path] = []
    held_out: list[Path] = []
    for file in files:
        photo = file.stem.rpartition("_")[0] or file.stem
        out = zlib.crc32(photo.encode()) % _HELD_OUT_SHARE == 0
        (held_out if out else training).append(file)
    return training, held_out


@lru_cache(maxsize=2048)
def decoded(file: Path) -> Image.Image:
    """Read a photo as 8-bit RGB; raises ReadError if it is not a readable photo."""
    try:
        with Image.open(file) as image:
            return image.convert("RGB")
    except (OSError, ValueError) as error:
        raise ReadError(f"{file}: not a readable photo ({error}); remove it") from error


def random_window(rng: np.random.Generator, file: Path, size: int) -> F32:
    """Cut a random square out of a photo, reduce it to `size` pixels, and mirror it at times.

    The square's side is drawn log-uniformly between `size` and the photo's shorter side, so that
    a crop of 160 pixels shows anything from a detail to nearly the whole view.

    Returns:
        Display-encoded RGB (size, size, 3) in 0..1.

    Raises:
        ReadError: the file is not a readable photo.
    """
    image = decoded(file)
    shorter = min(image.size)
    smallest = min(size, shorter)
    # The root of a uniform number leans towards wide views: they are what needs dehazing.
    side = smallest * (shorter / smallest) ** float(np.sqrt(rng.uniform()))
    left = rng.uniform(0, image.width - side)
    top = rng.uniform(0, image.height - side)
    window = image.resize(
        (size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)
    )
    pixels = np.asarray(window, np.float32) / np.float32(255)
    return pixels[:, ::-1].copy() if rng.uniform() < 0.5 else pixels


def random_cut(rng: np.random.Generator, files: Sequence[Path], side: int) -> F32:
    """Cut a random square out of a random photo, pixel for pixel.

    A photo that is smaller is passed over.

    Returns:
        Display-encoded RGB (side, side, 3) in 0..1.

    Raises:
        ReadError: a file is not a readable photo.
        UsageError: no photo has both sides that long.
    """
    for index in rng.permutation(len(files)):
        image = decoded(files[index])
        if min(image.size) >= side:
            left = int(rng.integers(image.width - side + 1))
            top = int(rng.integers(image.height - side + 1))
            cut = image.crop((left, top, left + side, top + side))
            return np.asarray(cut, np.float32) / np.float32(255)
    raise UsageError(f"no photo is at least {side} pixels wide and high: use a smaller crop")


def turned(rng: np.random.Generator, picture: F32) -> F32:
    """Mirror and turn a square picture (S, S, 3) at random: one of its eight ways to lie."""
    picture = np.rot90(picture, int(rng.integers(4)))
    return picture[:, ::-1] if rng.uniform() < 0.5 else picture


def enlarged_cut(rng: np.random.Generator, files: Sequence[Path], side: int, factor: float) -> F32:
    """Cut a random square out of a random photo and enlarge it bicubically to `side` pixels.

    Args:
        rng: the source of all choices.
        files: the photos.
        side: side of the result in pixels.
        factor: how many times it is enlarged, >= 1.

    Returns:
        Display-encoded RGB (side, side, 3) in 0..1.

    Raises:
        ReadError: a file is not a readable photo.
        UsageError: no photo is large enough.
    """
    cut = random_cut(rng, files, int(np.ceil(side / factor)))
    levels = Image.fromarray(np.round(cut * 255).astype(np.uint8))
    large = levels.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(large, np.float32) / np.float32(255)
