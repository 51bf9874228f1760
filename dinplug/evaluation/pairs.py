"""Pair clean and degraded pictures by name, and read them as the 8-bit RGB the papers measure."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from dinplug.errors import ReadError, UsageError
from dinplug.evaluation.metrics import U8Image

PICTURE_SUFFIXES = frozenset({".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".ppm"})
_CLEAN_MARK = re.compile(r"[ ._-](hr|gt|clean)$", re.IGNORECASE)
_DEGRADED_MARK = re.compile(r"^([ ._-].*|x\d.*)$", re.IGNORECASE)
_SCALE_MARK = re.compile(r"x(\d+(?:\.\d+)?)(?![\d.]*\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Pair:
    """A clean picture and the degraded one, or None where it is to be made by reduction."""

    name: str
    clean: Path
    degraded: Path | None


def find_pairs(clean_dir: Path, degraded_dir: Path | None, scale: float) -> list[Pair]:
    """Return the pairs of two folders, sorted by name.

    The degraded picture of `bird.png` is `bird.*`, or `birdx2.*`, `bird_x2.*`, `bird_LR.*` and the
    like; names of another scale do not count. Where only longer names fit, each of them makes a
    pair (hazy pictures come in several strengths). Raises UsageError if a folder holds no
    pictures or a clean picture has no partner.
    """
    clean = {_CLEAN_MARK.sub("", path.stem): path for path in _pictures(clean_dir)}
    if degraded_dir is None:
        return [Pair(name, path, None) for name, path in sorted(clean.items())]
    partners: dict[str, list[tuple[str, Path]]] = {name: [] for name in clean}
    for path in _pictures(degraded_dir):
        owner = _owner(path.stem, clean)
        if owner is not None and _scale_fits(mark := path.stem[len(owner) :], scale):
            partners[owner].append((mark, path))
    lonely = sorted(name for name, found in partners.items() if not found)
    if lonely:
        raise UsageError(
            f"{degraded_dir} has no partner for {clean[lonely[0]].name}"
            + (f" and {len(lonely) - 1} more" if len(lonely) > 1 else "")
            + "; name it the same, or with a suffix such as x2"
        )
    return sorted(_make_pairs(clean, partners), key=lambda pair: pair.name)


def read_rgb8(path: Path) -> U8Image:
    """Read an 8-bit picture as (H, W, 3) RGB samples, as stored: no colour management.

    Raises ReadError if it cannot be read or has more than 8 bits a sample.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is damaged fails, too
            with Image.open(path) as picture:
                if picture.mode not in {"1", "L", "LA", "P", "PA", "RGB", "RGBA"}:
                    raise ReadError(f"{path}: only 8-bit RGB or grey pictures can be scored")
                return np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError as error:
        raise ReadError(
            f"{path}: cannot be read (damaged, or of a kind that cannot be scored)"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ReadError(f"{path}: cannot be read ({error})") from error


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    if not found:
        raise UsageError(f"{folder} holds no pictures")
    return found


def _owner(stem: str, clean: dict[str, Path]) -> str | None:
    """Return the longest clean name that `stem` is, or continues with a mark."""
    fitting = [
        name
        for name in clean
        if stem == name or (stem.startswith(name) and _DEGRADED_MARK.match(stem[len(name) :]))
    ]
    return max(fitting, key=len, default=None)


def _scale_fits(mark: str, scale: float) -> bool:
    named = _SCALE_MARK.search(mark)
    return named is None or float(named.group(1)) == scale


def _make_pairs(
    clean: dict[str, Path], partners: dict[str, list[tuple[str, Path]]]
) -> Iterator[Pair]:
    for name, found in partners.items():
        exact = [path for mark, path in found if not mark or _SCALE_MARK.search(mark)]
        if exact or len(found) == 1:
            yield Pair(name, clean[name], exact[0] if exact else found[0][1])
        else:
            yield from (Pair(path.stem, clean[name], path) for _, path in found)
