"""The state of a training run on disk: whole files only, and enough to go on bit for bit."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dinplug.errors import CheckpointError

Weights = dict[str, Tensor]


@dataclass
class TrainingState:
    """Where a run stands. Data need no state: pair n of a seed is always the same.

    Attributes:
        step: batches done.
        seconds: time spent on them, over all parts of the run.
        network: weights being trained.
        average: their exponential moving average.
        optimiser: the optimiser's own state.
        scaler: the state of the scale of float16 gradients; empty in other precisions.
        losses: of the steps since the last line of the log.
    """

    step: int
    seconds: float
    network: Weights
    average: Weights
    optimiser: dict[str, Any]
    scaler: dict[str, Any] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)


def save_state(state: TrainingState, file: Path) -> None:
    """Write atomically: a kill at any moment leaves the old file or the new one."""
    part = file.with_name(file.name + ".part")
    with part.open("wb") as stream:
        torch.save(vars(state), stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def load_state(file: Path) -> TrainingState:
    """Read what `save_state` wrote; runs no code from the file.

    Raises:
        CheckpointError: the file is damaged or no training state.
    """
    try:
        return TrainingState(**torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{file} is no training state ({first}): delete it") from error
