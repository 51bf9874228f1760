"""Verify a result: make it again from its photo, untiled where memory allows, and compare."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import dinplug
from dinplug.batch.arrivals import is_temporary
from dinplug.batch.noted import noted_options
from dinplug.batch.wishes import Wishes
from dinplug.errors import ReadError, SetupError, UsageError
from dinplug.evaluation.seams import SeamScore, TileBorders, seam_score
from dinplug.imaging import (
    Photo,
    Provenance,
    WriteOptions,
    read_photo,
    read_provenance,
    write_photo,
)
from dinplug.imaging.kinds import is_photo_name, output_format
from dinplug.inference.run import OnProgress, ShouldStop
from dinplug.restoration import Restorer

_TYPES = {"strength": float, "scale": float, "quality": int, "bit-depth": int}
_SMALLEST_TILE = 64
_MEMORY_SHARE = 0.5
_USUAL_MEMORY = 4 << 30


@dataclass(frozen=True)
class Difference:
    """How two pictures differ, in levels of a sample."""

    largest: float
    mean: float


@dataclass(frozen=True)
class Verdict:
    """What came of making a result again.

    `levels` is the value of full white: 255 for results of 8 bit, 65535 for deeper ones. `bound`
    is the largest difference that rounding explains: what half a level, added or taken anywhere
    before the file is encoded, does to its decoded pixels.
    """

    how: str
    levels: int
    difference: Difference
    bound: float
    lossy: bool
    seams: SeamScore | None

    @property
    def same(self) -> bool:
        """Whether the result is what dinplug makes of the photo, but for rounding."""
        return self.difference.largest <= self.bound


def verify(
    source: Path,
    result: Path,
    asked: Wishes,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Verdict:
    """Make `result` again from `source` and compare.

    `asked` says device, kernels, tile and memory. Raises UsageError for what cannot be verified,
    SetupError where its weights are not here, ReadError for files that cannot be read.
    """
    step = last_step(source, result)
    wishes = wishes_of(step, asked, result)
    model = wishes.load()
    if model.weights_sha256 != step.weights:
        raise SetupError(
            f"{result} was made with weights of {step.model} that are not here "
            f"(SHA-256 {step.weights[:16]}, here {model.weights_sha256[:16]})"
        )
    photo, made = read_photo(source), read_photo(result)
    restorer = wishes.restorer(model)
    height, width = (round(restorer.scale * side) for side in (photo.height, photo.width))
    if (made.height, made.width) != (height, width):
        raise UsageError(
            f"{result} is {made.width} x {made.height} pixels, and {source} becomes {width} x "
            f"{height}: it was cropped or resized since, or made from another photo"
        )
    large, how = in_largest_tiles(restorer, photo, asked.max_memory)
    restored = large.restore_photo(photo, on_progress=on_progress, should_stop=should_stop)
    options = replace(wishes.write_options, format=output_format(made.source.kind, None))
    again = as_written(restored, options)
    check_alike(made, again, result)
    levels = 255 if again.source.bits <= 8 else 65535
    shaken = as_written(shake(restored, 0.5 / levels), options)
    runner, plan = restorer.runner, restorer.plan(photo.width, photo.height)
    borders = TileBorders.of(runner.graph, plan, runner.network.scale)
    return Verdict(
        how,
        levels,
        difference(made, again, levels),
        difference(shaken, again, levels).largest,
        made.source.kind == "jpeg" or not made.source.lossless,
        seam_score(made.rgb, borders),
    )


def last_step(source: Path, result: Path) -> Provenance:
    """Return how `result` was made from `source`; UsageError if it was not, or not by us."""
    steps = read_provenance(result)
    if not steps:
        raise UsageError(f"{result}: not made by dinplug, or its note of that was removed")
    if read_provenance(source) != steps[:-1]:
        raise UsageError(
            f"{result} was not made from {source}: the last of its {len(steps)} restorations was "
            f"of {steps[-1].source or 'a photo'}"
        )
    if steps[-1].version != dinplug.__version__:
        raise UsageError(
            f"{result} was made by dinplug {steps[-1].version}, and this is "
            f"{dinplug.__version__}, whose pixels may differ: verify it with that version"
        )
    return steps[-1]


def wishes_of(step: Provenance, asked: Wishes, result: Path) -> Wishes:
    """Return the wishes that a note tells; UsageError for a note that dinplug does not write."""
    options = noted_options(step.options)
    if options is None:
        raise UsageError(f"{result}: its note of how it was made is not one that dinplug writes")
    noted: dict[str, Any] = {
        name.replace("-", "_"): True if value is None else _TYPES.get(name, str)(value)
        for name, value in options
    }
    if noted.get("reference"):
        asked = replace(asked, tile=None, max_memory=None)
    return replace(asked, model=step.model, **noted)


def in_largest_tiles(
    restorer: Restorer, photo: Photo, max_memory: int | None
) -> tuple[Restorer, str]:
    """Return the restorer with the largest tiles that memory allows, and its tiles in words."""
    if restorer.options.reference:
        return restorer, "untiled"
    budget = max_memory or int(_MEMORY_SHARE * _free_memory())
    height, width = restorer.enlarged_size(photo.height, photo.width)
    side = whole = max(restorer.runner.padded_size(height, width))
    while side >= _SMALLEST_TILE:
        large = restorer.adjusted(tile=side, max_memory=None)
        if _fits(large, photo, budget):
            return large, "untiled" if side == whole else f"in tiles of side {side}"
        side = -(-side // 2)
    return restorer.adjusted(tile=None, max_memory=budget), "in the usual tiles"


def _fits(restorer: Restorer, photo: Photo, budget: int) -> bool:
    """Whether a photo's run fits a budget of memory, and the device if it has its own."""
    try:
        return restorer.plan(photo.width, photo.height).peak_bytes <= budget
    except UsageError:
        return False


def _free_memory() -> int:
    try:
        pages, size = os.sysconf("SC_AVPHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows, macOS
        return _USUAL_MEMORY
    return pages * size


def as_written(photo: Photo, options: WriteOptions) -> Photo:
    """Return a photo as it is after being written and read."""
    with tempfile.TemporaryDirectory(prefix="dinplug-") as folder:
        path = Path(folder, "again")
        write_photo(photo, path, options)
        return read_photo(path)


def shake(photo: Photo, amount: float) -> Photo:
    """Return a photo with `amount` added to half of its samples and taken from the others."""
    signs = np.random.default_rng(0).integers(0, 2, photo.rgb.shape, dtype=np.int8) * 2 - 1
    return photo.restored(photo.rgb + signs.astype(np.float32) * np.float32(amount))


def check_alike(made: Photo, again: Photo, result: Path) -> None:
    """Raise UsageError where a result is now another kind of file than dinplug makes."""
    for name, one, other in (
        ("colours", made.source.model, again.source.model),
        ("bits", made.source.bits, again.source.bits),
        ("colour profile", made.source.profile, again.source.profile),
        ("alpha channel", made.alpha is None, again.alpha is None),
    ):
        if one != other:
            raise UsageError(
                f"{result}: its {name} is not what dinplug wrote; it was converted since"
            )


def difference(one: Photo, other: Photo, levels: int) -> Difference:
    """Compare two photos of one size, alpha too."""
    parts = [np.abs(one.rgb - other.rgb)]
    if one.alpha is not None and other.alpha is not None:
        parts.append(np.abs(one.alpha - other.alpha))
    count = sum(part.size for part in parts)
    total = sum(float(part.sum(dtype=np.float64)) for part in parts)
    largest = max(float(part.max()) for part in parts)
    # Whole levels are stored; reading them as fractions rounds in the seventh digit.
    return Difference(round(largest * levels, 2), total / count * levels)


def differing_photos(one: Path, other: Path) -> dict[Path, str]:
    """Compare the pixels of two files, or of all photos of two folders.

    Returns every photo compared, by its path within the folders, with how it differs in words,
    "" where not at all.
    """
    if one.is_dir() != other.is_dir():
        raise UsageError(f"{one} and {other}: compare two files, or two folders")
    if not one.is_dir():
        return {Path(other.name): differing_pixels(one, other)}
    names = {
        Path(found).relative_to(folder) / name
        for folder in (one, other)
        for found, _, files in os.walk(folder)
        for name in files
        if is_photo_name(name) and not is_temporary(name)
    }
    if not names:
        raise UsageError(f"no photos in {one} and {other}")
    return {
        name: next(
            (f"not in {folder}" for folder in (one, other) if not (folder / name).exists()),
            "",
        )
        or differing_pixels(one / name, other / name)
        for name in sorted(names)
    }


def differing_pixels(one: Path, other: Path) -> str:
    """Say how the pixels of two files differ, "" if not at all."""
    try:
        first, second = read_photo(one), read_photo(other)
    except ReadError as error:
        return str(error)
    if (first.width, first.height) != (second.width, second.height):
        return f"{first.width} x {first.height} pixels and {second.width} x {second.height} pixels"
    if (first.alpha is None) != (second.alpha is None):
        return "only one has an alpha channel"
    if first.source.bits != second.source.bits:
        return f"{first.source.bits} and {second.source.bits} bits"
    if first.source.profile != second.source.profile:
        return "different colour profiles"
    levels = 255 if first.source.bits <= 8 else 65535
    found = difference(first, second, levels)
    if found.largest == 0:
        return ""
    return f"largest difference {found.largest:g} of {levels} levels, mean {found.mean:.3g}"
