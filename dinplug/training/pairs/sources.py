"""From a recipe and a folder of pictures to the pairs it trains and is validated on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dinplug.training.pairs.folders import FolderPairs, find_folder_pairs
from dinplug.training.pairs.haze import HazePairs
from dinplug.training.pairs.motion import MotionPairs
from dinplug.training.pairs.numbered import NumberedPairs
from dinplug.training.pairs.rain import RainPairs
from dinplug.training.pairs.reduced import EnlargedPairs, ReducedPairs
from dinplug.training.photos import list_photos, split_held_out
from dinplug.training.recipe import (
    EnlargedData,
    HazeData,
    MotionData,
    PairedData,
    RainData,
    Recipe,
    ReducedData,
)
from dinplug.training.scenes.pool import landscape_pool

_VALIDATION_SEED = 77


def pairs_of(
    recipe: Recipe, pictures: Path, cache: Path
) -> tuple[NumberedPairs, NumberedPairs | None]:
    """Return the pairs to train on and those of held-out photos, None if there are none of these.

    Args:
        recipe: what to train.
        pictures: folder of clean photos, or of `degraded/` and `clean/` for paired data.
        cache: folder where rendered landscapes are kept.

    Raises:
        UsageError: the folder does not hold what the recipe needs.
    """
    if isinstance(recipe.data, PairedData):
        files = find_folder_pairs(pictures)
        clean_of = {clean: degraded for degraded, clean in files}
        training, held_out = split_held_out(list(clean_of))
        return (
            _folder_pairs(recipe, [(clean_of[file], file) for file in training], recipe.seed),
            _folder_pairs(recipe, [(clean_of[file], file) for file in held_out], _VALIDATION_SEED)
            if held_out
            else None,
        )
    training, held_out = split_held_out(list_photos(pictures, recipe.classes))
    return (
        _photo_pairs(recipe, training, recipe.seed, cache),
        _photo_pairs(recipe, held_out, _VALIDATION_SEED, None) if held_out else None,
    )


def _folder_pairs(recipe: Recipe, files: Sequence[tuple[Path, Path]], seed: int) -> FolderPairs:
    return FolderPairs(files, recipe.crop, recipe.network.scale, seed)


def _photo_pairs(
    recipe: Recipe, photos: Sequence[Path], seed: int, cache: Path | None
) -> NumberedPairs:
    """Pairs made from photos; without a cache, from photos alone and no rendered scenes."""
    data = recipe.data
    if isinstance(data, ReducedData):
        return ReducedPairs(photos, recipe.crop, recipe.network.scale, seed, data.method)
    if isinstance(data, EnlargedData):
        return EnlargedPairs(photos, recipe.crop, seed, data.largest)
    if isinstance(data, RainData):
        return RainPairs(photos, recipe.crop, seed, data.clear)
    if isinstance(data, MotionData):
        growing = 0 if cache is None else data.growing
        return MotionPairs(
            photos, recipe.crop, seed, data.largest, data.recorded, data.whole, growing
        )
    assert isinstance(data, HazeData)
    if cache is None:
        return HazePairs(photos, recipe.crop, seed, skies=data.skies, clear=data.clear)
    pool = None
    if data.landscape_share > 0:
        cache.mkdir(parents=True, exist_ok=True)
        pool = landscape_pool(cache / "landscapes.npz", data.landscapes, recipe.seed)
    return HazePairs(
        photos,
        recipe.crop,
        seed,
        data.interiors,
        data.skies,
        pool,
        data.landscape_share,
        data.clear,
    )
