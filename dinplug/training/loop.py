"""The training loop: Adam on L1, averaged weights, checkpoints that resume bit for bit."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from dinplug.errors import Interrupted, UsageError
from dinplug.networks.din import DIN, initialise
from dinplug.specs import build_network
from dinplug.training.recipe import Recipe
from dinplug.training.state import TrainingState, Weights, load_state, save_state

LogLine = dict[str, float | int]

STATE_FILE = "state.pt"
LOG_FILE = "log.jsonl"
_LOG_EVERY = 50


class Pairs(Protocol):
    """Where batches come from; number n must always give the same batch."""

    def batches(self, step: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (degraded, clean), each (size, 3, H, W) in 0..1, from batch `step` on."""
        ...


def rate_at(recipe: Recipe, step: int) -> float:
    """Learning rate of a step: linear warm-up, then a half cosine, or halvings."""
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    if recipe.schedule == "halving":
        return max(recipe.rate * 0.5 ** (step // recipe.halve_every), recipe.final_rate)
    progress = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return recipe.final_rate + (recipe.rate - recipe.final_rate) * cosine


def fresh_network(recipe: Recipe) -> nn.Module:
    """The recipe's network with random weights, the same ones for a seed."""
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.network)
    if isinstance(network, DIN):
        initialise(network)
        # Zero here makes the untrained network a plain enlargement: output = input + to_rgb(...).
        nn.init.zeros_(network.upsampler.to_rgb.weight)
    return network


class Trainer:
    """One run in one folder: made fresh, or taken up where the folder's checkpoint left off.

    Args:
        recipe: what to train.
        folder: where checkpoint and log are kept; made if missing.
        start: weights to begin from instead of random ones, where name and shape agree: a network
            of another factor gives all but its upsampler; not for a folder that already holds a
            run.

    Raises:
        UsageError: the folder's run is of another network, or `start` does not fit.
        CheckpointError: the folder's checkpoint is damaged.
    """

    def __init__(self, recipe: Recipe, folder: Path, start: Weights | None = None) -> None:
        self.recipe = recipe
        self.folder = folder
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        folder.mkdir(parents=True, exist_ok=True)
        self.network = fresh_network(recipe).to(self.device)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=recipe.rate, betas=recipe.betas
        )
        self.step, self.seconds = 0, 0.0
        existing = folder / STATE_FILE
        if existing.is_file():
            if start is not None:
                raise UsageError(f"{folder} already holds a run: resume it, or use a new folder")
            self._take_up(load_state(existing), existing)
        else:
            if start is not None:
                self._begin_from(start)
            self.average = {
                name: value.detach().clone() for name, value in self.network.state_dict().items()
            }

    def run(
        self,
        pairs: Pairs,
        minutes: float | None = None,
        validate: Callable[[nn.Module], LogLine] | None = None,
        report: Callable[[LogLine], None] | None = None,
    ) -> None:
        """Train until the recipe's last step or until `minutes` are over, then save.

        Args:
            pairs: the data.
            minutes: time budget of this call; None for no limit.
            validate: called with the network under its averaged weights every
                `recipe.validate_every` steps; what it returns is logged.
            report: called with each line of the log.

        Raises:
            Interrupted: Ctrl-C; the last checkpoint stands.
        """
        end = math.inf if minutes is None else time.monotonic() + 60 * minutes
        losses: list[float] = []
        try:
            for degraded, clean in pairs.batches(self.step, self.recipe.batch):
                if self.step >= self.recipe.steps or time.monotonic() >= end:
                    break
                losses.append(self._train_on(degraded, clean))
                if self.step % _LOG_EVERY == 0:
                    self._log({"loss": sum(losses) / len(losses)}, report)
                    losses.clear()
                if validate is not None and self.step % self.recipe.validate_every == 0:
                    self._log(self._validated(validate), report)
                if self.step % self.recipe.checkpoint_every == 0:
                    self.save()
        except KeyboardInterrupt as error:
            raise Interrupted(
                f"stopped after step {self.step}; run again to go on from {self.folder}"
            ) from error
        self.save()

    def save(self) -> None:
        """Write the checkpoint."""
        save_state(
            TrainingState(
                self.step,
                self.seconds,
                self.network.state_dict(),
                self.average,
                self.optimiser.state_dict(),
            ),
            self.folder / STATE_FILE,
        )

    def _train_on(self, degraded: Tensor, clean: Tensor) -> float:
        """Do one step; return its loss."""
        began = time.monotonic()
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.recipe, self.step)
        degraded = degraded.to(self.device, memory_format=torch.channels_last)
        clean = clean.to(self.device)
        narrow = self.recipe.precision != "float32"
        with torch.autocast(
            self.device.type, getattr(torch, self.recipe.precision), enabled=narrow
        ):
            restored = self.network(degraded)
        error = restored.float() - clean
        loss = error.abs().mean() if self.recipe.loss == "l1" else error.square().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimiser.step()
        self.step += 1
        # A short memory at first, so that the average forgets the random start.
        keep = min(self.recipe.ema, self.step / (self.step + 9))
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        self.seconds += time.monotonic() - began
        return float(loss.detach())

    def _validated(self, validate: Callable[[nn.Module], LogLine]) -> LogLine:
        trained = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        self.network.eval()
        line = validate(self.network)
        self.network.train()
        self.network.load_state_dict(trained)
        return line

    def _log(self, values: LogLine, report: Callable[[LogLine], None] | None) -> None:
        line: LogLine = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "rate": rate_at(self.recipe, self.step - 1),
            **values,
        }
        with (self.folder / LOG_FILE).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        if report is not None:
            report(line)

    def _take_up(self, state: TrainingState, file: Path) -> None:
        try:
            self.network.load_state_dict(state.network)
        except RuntimeError as error:
            raise UsageError(f"{file} is of another network than the recipe's") from error
        self.average = {name: value.to(self.device) for name, value in state.average.items()}
        self.optimiser.load_state_dict(state.optimiser)
        self.step, self.seconds = state.step, state.seconds

    def _begin_from(self, weights: Weights) -> None:
        own = self.network.state_dict()
        fitting = {
            name: value
            for name, value in weights.items()
            if name in own and own[name].shape == value.shape
        }
        if 2 * len(fitting) < len(own):
            raise UsageError("the starting weights are of another network than the recipe's")
        self.network.load_state_dict(own | fitting)
