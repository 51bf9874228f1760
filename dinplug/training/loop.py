"""The training loop: averaged weights, a log, checkpoints that resume bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from dinplug.errors import Interrupted, SetupError, UsageError
from dinplug.networks.din import DIN, initialise
from dinplug.networks.stages import StagedNetwork
from dinplug.specs import build_network
from dinplug.training.descent import Descent
from dinplug.training.log import LogLine, RunLog
from dinplug.training.pairs.numbered import NumberedPairs
from dinplug.training.progress import View
from dinplug.training.ranks import ALONE, Ranks
from dinplug.training.recipe import Recipe
from dinplug.training.schedule import rate_at
from dinplug.training.state import TrainingState, Weights, load_state, save_state

STATE_FILE = "state.pt"
_LOG_EVERY = 50

Validation = Callable[[nn.Module], LogLine]


def fresh_network(recipe: Recipe) -> StagedNetwork:
    """The recipe's network with random weights, the same ones for a seed."""
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.network)
    if isinstance(network, DIN):
        initialise(network)
        # Zero here makes the untrained network a plain enlargement: output = input + to_rgb(...).
        nn.init.zeros_(network.upsampler.to_rgb.weight)
    return network


@dataclass(frozen=True)
class Limits:
    """When a run ends before the recipe's last step.

    Attributes:
        minutes: time budget of this call; None for no limit.
        stop: asked after every step; the run is saved and left once it says True.
    """

    minutes: float | None = None
    stop: Callable[[], bool] = bool


class Trainer:
    """One run in one folder: made fresh, or taken up where the folder's checkpoint left off.

    Args:
        recipe: what to train.
        folder: where checkpoint and log are kept; made if missing.
        start: weights to begin from instead of random ones, where name and shape agree: a network
            of another factor gives all but its upsampler; not for a folder that already holds a
            run.
        ranks: the processes that train together; only the first one uses the folder.

    Raises:
        UsageError: the folder's run is of another network, or `start` does not fit.
        CheckpointError: the folder's checkpoint is damaged.
    """

    def __init__(
        self, recipe: Recipe, folder: Path, start: Weights | None = None, ranks: Ranks = ALONE
    ) -> None:
        self.recipe, self.folder, self.ranks = recipe, folder, ranks
        self.device = ranks.device
        self.log = RunLog(folder)
        self.network = fresh_network(recipe).to(self.device)
        self.descent = Descent(
            recipe, list(self.network.parameters()), self.device.type, self.network.value_range
        )
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []
        if ranks.is_first:
            folder.mkdir(parents=True, exist_ok=True)
        # The others may be on machines that do not see this folder.
        state = ranks.of_first(self._read_state)
        if state is not None and start is not None:
            raise UsageError(f"{folder} already holds a run: resume it, or use a new folder")
        if start is not None:
            self._begin_from(start)
        self.average = {
            name: value.detach().clone() for name, value in self.network.state_dict().items()
        }
        if state is not None:
            self._take_up(state)

    def run(
        self,
        pairs: NumberedPairs,
        limits: Limits | None = None,
        validate: Validation | None = None,
        view: View | None = None,
    ) -> None:
        """Train until the recipe's last step or a limit, then save.

        Args:
            pairs: the data, of all processes together.
            limits: what ends the run early.
            validate: called in the first process with the network under its averaged weights
                every `recipe.validate_every` steps; what it returns is logged.
            view: shown how the run gets on.

        Raises:
            Interrupted: `limits.stop` said so; the run is saved.
            SetupError: loss or gradient is no longer a number; the last checkpoint stands.
            UsageError: the batch cannot be shared by the processes.
        """
        limits, view = limits or Limits(), view or View()
        end = math.inf if limits.minutes is None else time.monotonic() + 60 * limits.minutes
        model = self.ranks.joined(self.network)
        share, size = self.ranks.share(pairs, self.recipe.batch)
        view.began(self.step, self.recipe.steps, end)
        stopped = False
        with closing(share.batches(self.step, size)) as batches:
            while self.step < self.recipe.steps:
                stopped = self.ranks.any(limits.stop())
                if stopped or self.ranks.any(time.monotonic() >= end):
                    break
                self._train_on(model, *next(batches))
                view.stepped(self.step, self.losses[-1])
                if self.ranks.is_first:
                    self._keep_records(validate, view)
        self.save()
        if self.step < self.recipe.steps:
            view.unfinished(self.step, self.folder)
        if stopped:
            raise Interrupted(f"stopped after step {self.step}; {self.folder} goes on from there")

    def save(self) -> None:
        """Write checkpoint, table and plot, in the first process."""
        if not self.ranks.is_first:
            return
        save_state(
            TrainingState(
                self.step,
                self.seconds,
                self.network.state_dict(),
                self.average,
                self.descent.optimiser.state_dict(),
                self.descent.scaler.state_dict(),
                self.losses,
            ),
            self.folder / STATE_FILE,
        )
        self.log.draw()

    def _train_on(self, model: nn.Module, degraded: Tensor, clean: Tensor) -> None:
        """Do one step; note its loss, the mean over all processes."""
        began = time.monotonic()
        degraded = degraded.to(self.device, memory_format=torch.channels_last)
        loss = self.descent.loss(model, degraded, clean.to(self.device))
        value = self.ranks.mean(float(loss.detach()))
        try:
            if not math.isfinite(value):
                raise SetupError("the loss is no longer a number")
            self.descent.take(loss, rate_at(self.recipe, self.step))
        except SetupError as error:
            raise SetupError(
                f"{error} in step {self.step + 1}; {self.folder / STATE_FILE} holds the last good "
                "weights: go on from them with a smaller rate or clip"
            ) from error
        self.step += 1
        # A short memory at first, so that the average forgets the random start.
        keep = min(self.recipe.ema, self.step / (self.step + 9))
        for name, weight in self.network.state_dict().items():
            self.average[name].lerp_(weight, 1 - keep)
        self.seconds += time.monotonic() - began
        self.losses.append(value)

    def _keep_records(self, validate: Validation | None, view: View) -> None:
        """Log, validate and save where it is time to."""
        if self.step % _LOG_EVERY == 0:
            self._note({"loss": sum(self.losses) / len(self.losses)}, view)
            self.losses.clear()
        if validate is not None and self.step % self.recipe.validate_every == 0:
            with self._averaged():
                scores = validate(self.network)
            self._note(scores, view)
            self.log.draw()
        if self.step % self.recipe.checkpoint_every == 0:
            self.save()

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The network under its averaged weights, in evaluation mode."""
        trained = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        self.network.eval()
        try:
            yield
        finally:
            self.network.train()
            self.network.load_state_dict(trained)

    def _note(self, values: LogLine, view: View) -> None:
        line: LogLine = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "rate": rate_at(self.recipe, self.step - 1),
            **values,
        }
        self.log.append(line)
        view.logged(line)

    def _read_state(self) -> TrainingState | None:
        file = self.folder / STATE_FILE
        return load_state(file) if file.is_file() else None

    def _take_up(self, state: TrainingState) -> None:
        try:
            self.network.load_state_dict(state.network)
        except RuntimeError as error:
            raise UsageError(
                f"{self.folder / STATE_FILE} is of another network than the recipe's"
            ) from error
        self.average = {name: value.to(self.device) for name, value in state.average.items()}
        self.descent.optimiser.load_state_dict(state.optimiser)
        if state.scaler:
            self.descent.scaler.load_state_dict(state.scaler)
        self.step, self.seconds, self.losses = state.step, state.seconds, list(state.losses)
        if self.ranks.is_first:
            self.log.forget_after(self.step)

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
