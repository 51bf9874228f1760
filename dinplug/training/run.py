"""A training run from its parts: recipe, data, folder, and the processes that share it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from dinplug.checkpoints.weights_file import parse_safetensors
from dinplug.errors import UsageError
from dinplug.training.bundled import find_recipe
from dinplug.training.log import LogLine
from dinplug.training.loop import Limits, Trainer
from dinplug.training.pairs.sources import pairs_of
from dinplug.training.progress import View
from dinplug.training.ranks import join_ranks
from dinplug.training.recipe import read_recipe
from dinplug.training.state import Weights, load_state
from dinplug.training.validation import validate

RECIPE_FILE = "recipe.toml"
_VALIDATION_BATCHES, _VALIDATION_SIZE = 6, 8


@dataclass(frozen=True)
class Wish:
    """What the user asks for.

    Attributes:
        recipe: a TOML file, or the name of a recipe that comes along.
        data: folder of pictures.
        out: the run's folder.
        start: file of weights to begin from; None for random ones.
        limits: when to end early.
    """

    recipe: str
    data: Path
    out: Path
    start: Path | None
    limits: Limits


def train(wish: Wish, make_view: Callable[[], View]) -> None:
    """Train, or go on training, in this process and those that torchrun started with it.

    The view is made in the first process only. A copy of the recipe is kept in the run's folder.

    Raises:
        UsageError: recipe, data or starting weights cannot be used.
        CheckpointError: the run's checkpoint, or the starting one, is damaged.
        SetupError: the training diverged.
        Interrupted: the user stopped it.
    """
    recipe_file = find_recipe(wish.recipe)
    recipe = read_recipe(recipe_file)
    start = read_weights(wish.start) if wish.start is not None else None
    _be_repeatable()
    with join_ranks() as ranks:
        pairs, unseen = ranks.one_after_another(lambda: pairs_of(recipe, wish.data, wish.out))
        trainer = Trainer(recipe, wish.out, start, ranks)

        def score(network: nn.Module) -> LogLine:
            assert unseen is not None
            return vars(validate(network, unseen, _VALIDATION_BATCHES, _VALIDATION_SIZE))

        if ranks.is_first:
            (wish.out / RECIPE_FILE).write_bytes(recipe_file.read_bytes())
        with make_view() if ranks.is_first else View() as view:
            trainer.run(pairs, wish.limits, score if unseen is not None else None, view)


def read_weights(file: Path) -> Weights:
    """Read weights to begin from: a run's averaged ones (`state.pt`), or a safetensors file.

    Raises:
        UsageError: the file has no such name.
        CheckpointError: it is damaged.
    """
    if file.suffix == ".safetensors":
        return parse_safetensors(file.read_bytes(), file)
    if file.suffix == ".pt":
        return load_state(file).average
    raise UsageError(f"{file} is neither a run's state.pt nor a .safetensors file")


def _be_repeatable() -> None:
    """Let a GPU compute the same twice, as a CPU does, so that runs resume bit for bit."""
    if torch.cuda.is_available():
        # cuBLAS reads this when the first matrix is multiplied.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
