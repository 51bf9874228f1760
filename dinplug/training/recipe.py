"""Recipes: everything that decides what a training run does, in one small TOML file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from dinplug.errors import UsageError
from dinplug.networks.din import DINSpec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        task: what the network restores; "dehaze".
        network: the DIN's fields.
        seed: start of every random choice.
        steps: length of the schedule, in batches.
        batch: pairs in a batch.
        crop: side of a pair in pixels, a multiple of 4.
        classes: licence classes of the photos to use; empty for all.
        interiors: share of pairs, 0..1, made from rendered interiors.
        skies: share of photos, 0..1, that are given a skyline.
        landscapes: how many landscapes to render and cut pairs from.
        landscape_share: share of pairs, 0..1, cut from rendered landscapes.
        rate: Adam's learning rate after the warm-up.
        final_rate: learning rate at the last step; between them a half cosine.
        warmup: steps over which the rate rises from zero.
        clip: largest norm of the gradient.
        ema: decay of the averaged weights, 0..1.
        precision: in which type convolutions run; weights and loss are float32 always.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations.
    """

    task: Literal["dehaze"]
    network: DINSpec
    seed: int
    steps: int
    batch: int
    crop: int
    classes: tuple[str, ...]
    interiors: float
    skies: float
    landscapes: int
    landscape_share: float
    rate: float
    final_rate: float
    warmup: int
    clip: float
    ema: float
    precision: Precision
    checkpoint_every: int
    validate_every: int


def read_recipe(file: Path) -> Recipe:
    """Read a recipe.

    Raises:
        UsageError: the file is missing, no TOML, or a field is missing, unknown or out of range.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the recipe {file}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is no TOML: {error}") from error
    known = {field.name for field in fields(Recipe)}
    if missing := sorted(known - table.keys()):
        raise UsageError(f"{file} lacks {', '.join(missing)}: see the recipes that come along")
    if unknown := sorted(table.keys() - known):
        raise UsageError(f"{file} has unknown fields {', '.join(unknown)}: remove them")
    try:
        network = DINSpec(strided=True, **table.pop("network"))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{file}, [network]: {error}") from error
    table["classes"] = tuple(table["classes"])
    _check(file, table)
    return Recipe(network=network, **table)


def _check(file: Path, table: dict[str, Any]) -> None:
    """Raise UsageError for the first value that makes no sense."""
    rules = {
        "task": table["task"] == "dehaze",
        "precision": table["precision"] in ("float32", "bfloat16"),
        "crop": table["crop"] >= 32 and table["crop"] % 4 == 0,
        "interiors": 0 <= table["interiors"] <= 1 - table["landscape_share"],
        "skies": 0 <= table["skies"] <= 1,
        "landscape_share": 0 <= table["landscape_share"] <= 1,
        "landscapes": table["landscapes"] >= 1 or table["landscape_share"] == 0,
        "ema": 0 <= table["ema"] < 1,
        "rate": 0 < table["final_rate"] <= table["rate"],
        "clip": table["clip"] > 0,
    } | {
        name: table[name] >= 1 for name in ("steps", "batch", "checkpoint_every", "validate_every")
    }
    for name, good in rules.items():
        if not good:
            raise UsageError(f"{file}: {name} = {table[name]!r} cannot be used; see Recipe")
