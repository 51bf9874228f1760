"""Recipes: everything that decides what a training run does, in one small TOML file."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from dinplug.errors import UsageError
from dinplug.specs import NetworkSpec, Task, spec_from_fields
from dinplug.training.degradations.reduction import Reduction

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Precision = Literal["float32", "bfloat16", "float16"]
Loss = Literal["l1", "l2", "psnr"]
Schedule = Literal["cosine", "halving"]
Optimiser = Literal["adam", "muon"]


@dataclass(frozen=True)
class HazeData:
    """Haze put over photos and rendered scenes.

    Attributes:
        interiors: share of pairs, 0..1, made from rendered interiors.
        skies: share of photos, 0..1, that are given a skyline.
        landscapes: how many landscapes to render and cut pairs from.
        landscape_share: share of pairs, 0..1, cut from rendered landscapes.
        clear: share of pairs, 0..1, without haze, so that clear photos stay as they are.
    """

    interiors: float = 0.0
    skies: float = 0.0
    landscapes: int = 0
    landscape_share: float = 0.0
    clear: float = 1 / 6

    def __post_init__(self) -> None:
        shares = (self.interiors, self.skies, self.landscape_share, self.clear)
        if not all(0 <= share <= 1 for share in shares) or self.interiors + shares[2] > 1:
            raise ValueError("shares are between 0 and 1, and together at most 1")
        if self.landscape_share > 0 and self.landscapes < 1:
            raise ValueError("landscape_share needs landscapes of at least 1")


@dataclass(frozen=True)
class ReducedData:
    """Photos made small: the task is super-resolution by the network's factor.

    Attributes:
        method: "bicubic" (BI), "blur" (BD: Gaussian, then reduced) or "noise" (DN: bicubic, then
            noise), as in the papers.
    """

    method: Reduction = "bicubic"

    def __post_init__(self) -> None:
        if self.method not in get_args(Reduction):
            raise ValueError(f"method is one of {', '.join(get_args(Reduction))}")


@dataclass(frozen=True)
class EnlargedData:
    """Photos made small by any factor and enlarged again: super-resolution as IMDN_AS does it.

    Attributes:
        largest: the largest factor; each pair's is drawn evenly between 1 and this.
    """

    largest: float = 4.0

    def __post_init__(self) -> None:
        if not 1 < self.largest <= 8:
            raise ValueError(f"largest is a factor above 1, at most 8, not {self.largest!r}")


@dataclass(frozen=True)
class RainData:
    """Streaks of rain drawn over photos.

    Attributes:
        clear: share of pairs, 0..1, left dry beside those that a drawn rain leaves dry anyway.
    """

    clear: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.clear <= 1:
            raise ValueError("clear is a share between 0 and 1")


@dataclass(frozen=True)
class MotionData:
    """Photos blurred by camera shake and by what moves in them.

    Attributes:
        largest: the largest movement in pixels. Long ones teach little until short ones are known.
        recorded: share of pairs, 0..1, whose blurred side passes through a camera's noise and file.
        whole: share of pairs, 0..1, in which the whole picture moves alike.
        growing: pairs over which these movements grow from short level sweeps to sweeps and shakes
            of all lengths; 0 for all at once. Shown all at once, a network that knows nothing yet
            finds nothing better than to leave pictures as they are.
    """

    largest: float = 36.0
    recorded: float = 1.0
    whole: float = 0.0
    growing: int = 0

    def __post_init__(self) -> None:
        if not 4 <= self.largest <= 36:
            raise ValueError(f"largest is a movement of 4 to 36 pixels, not {self.largest!r}")
        if not all(0 <= share <= 1 for share in (self.recorded, self.whole)):
            raise ValueError("recorded and whole are shares between 0 and 1")
        if self.growing < 0:
            raise ValueError("growing is a number of pairs")


@dataclass(frozen=True)
class PairedData:
    """Pictures that come in pairs: `degraded/` and `clean/` in the data folder, by name."""


DataSpec = HazeData | ReducedData | EnlargedData | RainData | MotionData | PairedData

DATA_KINDS: dict[str, type[DataSpec]] = {
    "haze": HazeData,
    "reduced": ReducedData,
    "enlarged": EnlargedData,
    "rain": RainData,
    "motion": MotionData,
    "paired": PairedData,
}


@dataclass(frozen=True)
class Recipe:
    """A training run.

    Attributes:
        task: what the network restores.
        network: the network's fields.
        data: what is done to the clean pictures.
        classes: licence classes of the photos to use; empty for all.
        crop: side of the network's input in pixels.
        batch: pairs in a batch.
        steps: length of the schedule, in batches.
        seed: start of every random choice.
        loss: "l1", the mean absolute difference, "l2", the mean squared one, or "psnr", the mean
            over the pictures of minus their PSNR.
        schedule: "cosine", half a cosine from `rate` to `final_rate`; or "halving", in which the
            rate halves every `halve_every` steps.
        optimiser: "adam", or "muon", which learns faster where gradients are small or one-sided.
        rate: the optimiser's learning rate after the warm-up.
        final_rate: learning rate at the last step of a cosine, the smallest one of halving.
        halve_every: steps between halvings.
        warmup: steps over which the rate rises from zero.
        betas: Adam's decay of the gradient's mean and of its square.
        clip: largest norm of the gradient.
        ema: decay of the averaged weights, 0..1; they are the ones that ship.
        precision: type in which convolutions run; weights and loss are float32 always.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations.
    """

    task: Task
    network: NetworkSpec
    data: DataSpec
    crop: int
    batch: int
    steps: int
    rate: float
    classes: tuple[str, ...] = ()
    seed: int = 2020
    loss: Loss = "l1"
    schedule: Schedule = "cosine"
    optimiser: Optimiser = "adam"
    final_rate: float = 1e-7
    halve_every: int = 200_000
    warmup: int = 0
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float = 0.5
    ema: float = 0.999
    precision: Precision = "float32"
    checkpoint_every: int = 500
    validate_every: int = 1000


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
    try:
        return recipe_from(table)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{file}: {_sentence(error)}; see docs/training.md") from error


def recipe_from(table: dict[str, Any]) -> Recipe:
    """Make a recipe of a table of its fields.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is unknown.
        ValueError: a value cannot be used.
    """
    stated = dict(table)
    network, data = dict(stated.pop("network")), dict(stated.pop("data"))
    kind = data.pop("kind")
    if kind not in DATA_KINDS:
        raise ValueError(f"data kind {kind!r} is none of {', '.join(DATA_KINDS)}")
    if unknown := sorted(stated.keys() - {field.name for field in fields(Recipe)}):
        raise TypeError(f"unknown fields {', '.join(unknown)}")
    stated["task"] = Task(stated["task"])
    stated["classes"] = tuple(stated.get("classes", ()))
    stated["betas"] = tuple(stated.get("betas", Recipe.betas))
    recipe = Recipe(
        network=spec_from_fields(network.pop("family"), network),
        data=DATA_KINDS[kind](**data),
        **stated,
    )
    _check(recipe)
    return recipe


def _check(recipe: Recipe) -> None:
    """Raise ValueError for the first value that makes no sense."""
    at_a_quarter = getattr(recipe.network, "strided", False) or _serves_any(recipe.network)
    rules = {
        "loss": recipe.loss in get_args(Loss),
        "schedule": recipe.schedule in get_args(Schedule),
        "precision": recipe.precision in get_args(Precision),
        "crop": recipe.crop >= 16 and (not at_a_quarter or recipe.crop % 4 == 0),
        "rate": 0 < recipe.final_rate <= recipe.rate,
        "warmup": recipe.warmup >= 0,
        "betas": len(recipe.betas) == 2 and all(0 <= beta < 1 for beta in recipe.betas),
        "clip": recipe.clip > 0,
        "ema": 0 <= recipe.ema < 1,
    } | {
        name: getattr(recipe, name) >= 1
        for name in ("steps", "batch", "halve_every", "checkpoint_every", "validate_every")
    }
    for name, good in rules.items():
        if not good:
            raise ValueError(f"{name} = {getattr(recipe, name)!r} cannot be used")
    if (recipe.task is Task.SR) != (recipe.network.scale > 1 or _serves_any(recipe.network)):
        raise ValueError(f"a network of scale {recipe.network.scale} is not for {recipe.task}")
    if isinstance(recipe.data, ReducedData) and recipe.network.scale == 1:
        raise ValueError("data of the kind reduced need a network that enlarges")
    if isinstance(recipe.data, EnlargedData) and not _serves_any(recipe.network):
        raise ValueError("data of the kind enlarged need a network of any factor")


def _serves_any(network: NetworkSpec) -> bool:
    return bool(getattr(network, "adaptive", False))


def _sentence(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return " ".join(str(error).split())
