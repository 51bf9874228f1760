"""Models with their weights: bundled with dinplug, or imported into the user's data folder.

A weights file is `NAME.safetensors` with its card `NAME.json` beside it. Bundled files come first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dinplug.checkpoints.cards import ModelCard, read_card
from dinplug.checkpoints.fitting import count_parameters, describe_misfits, misfits, network_with
from dinplug.checkpoints.weights_file import parse_safetensors, read_bytes, sha256
from dinplug.errors import CheckpointError, SetupError, UsageError
from dinplug.folders import bundled_folder, imported_folder
from dinplug.networks.stages import StagedNetwork
from dinplug.specs import MODELS, ModelSpec, Protocol, Task

Origin = Literal["bundled", "imported", "none"]


@dataclass(frozen=True)
class LoadedModel:
    """A network with its weights, on the CPU, in float32 and evaluation mode.

    `weights_sha256` identifies the weights file; `any_factor` says that the input has to be
    enlarged to the wanted size first (the network's own scale is 1).
    """

    name: str
    task: Task
    scale: int
    network: StagedNetwork
    weights_sha256: str
    card: ModelCard
    protocol: Protocol
    any_factor: bool


@dataclass(frozen=True)
class ModelInfo:
    """A line of the list of models; `weights` says whether and where there are any."""

    name: str
    task: Task
    network: str
    scale: int
    any_factor: bool
    parameters: int
    weights: Origin
    licence: str
    is_default: bool


@dataclass(frozen=True)
class _Entry:
    """A model and where its weights are, if anywhere."""

    model: ModelSpec
    origin: Origin = "none"
    weights: Path | None = None
    card: ModelCard | None = None


def load_model(
    name: str | None = None, *, task: Task | str | None = None, scale: int | float | None = None
) -> LoadedModel:
    """Load a model with its weights, by name, or the first that fits a task and scale.

    Without a name, the task's default is taken if its weights are at hand, otherwise the first
    model in the table that has any; one that serves every factor comes last.

    Raises:
        UsageError: no such model, task or scale exists.
        SetupError: there are no weights for it.
        CheckpointError: the weights file is damaged.
    """
    entries = _entries()
    if name is None:
        return _load(_choose(entries, _task(task), scale))
    entry = entries.get(name)
    if entry is None:
        raise UsageError(f"no model is named {name!r}: `dinplug models` lists them")
    if task is not None and entry.model.task != _task(task):
        raise UsageError(f"the model {name} is for {entry.model.task}, not {task}")
    if scale is not None and not _serves(entry.model, scale):
        raise UsageError(f"the model {name} enlarges by {entry.model.scale}, not {scale:g}")
    return _load(entry)


def load_weights(weights: Path) -> LoadedModel:
    """Load a weights file by its path, with the card beside it.

    Unlike `load_model`, it finds imported weights even where bundled ones have the same name.
    Raises CheckpointError if the file or its card is damaged or missing.
    """
    card = read_card(weights.with_suffix(".json"))
    return _load(_Entry(card.model(), "imported", weights, card))


def list_models() -> list[ModelInfo]:
    """Every model of the table, and every imported one, with the state of its weights."""
    return [
        ModelInfo(
            entry.model.name,
            entry.model.task,
            entry.model.title,
            entry.model.scale,
            entry.model.any_factor,
            count_parameters(entry.model.network),
            entry.origin,
            entry.model.licence,
            entry.model.is_default,
        )
        for entry in _entries().values()
    ]


def model_card(name: str) -> ModelCard:
    """The card of a model; without weights, what the table says of it.

    Raises UsageError if no model has that name.
    """
    entry = _entries().get(name)
    if entry is None:
        raise UsageError(f"no model is named {name!r}: `dinplug models` lists them")
    model = entry.model
    return entry.card or ModelCard(
        name, model.task, model.network, model.licence, model.protocol, model.title, model.paper
    )


def _entries() -> dict[str, _Entry]:
    """Every model by name: the table's in its order, then the imported ones of other names."""
    entries = {name: _Entry(model) for name, model in MODELS.items()}
    folders: tuple[tuple[Origin, Path], ...] = (
        ("imported", imported_folder()),
        ("bundled", bundled_folder()),
    )
    for origin, folder in folders:
        for weights in sorted(folder.glob("*.safetensors")):
            card = _card_beside(weights)
            if card is not None:
                entries[weights.stem] = _Entry(card.model(), origin, weights, card)
            elif weights.stem in entries:
                entries[weights.stem] = _Entry(MODELS[weights.stem], origin, weights)
    return entries


def _card_beside(weights: Path) -> ModelCard | None:
    """The card of a weights file; None if it is damaged, so that the other models still load."""
    try:
        return read_card(weights.with_suffix(".json"))
    except CheckpointError:
        return None


def _task(task: Task | str | None) -> Task:
    if task is None:
        raise UsageError("name a model or a task")
    try:
        return Task(task)
    except ValueError as error:
        known = ", ".join(t.value for t in Task)
        raise UsageError(f"no task is named {task!r}: choose one of {known}") from error


def _serves(model: ModelSpec, scale: float) -> bool:
    return model.any_factor or model.scale == scale


def _choose(entries: dict[str, _Entry], task: Task, scale: float | None) -> _Entry:
    fitting = [
        entry
        for entry in entries.values()
        if entry.model.task == task and (scale is None or _serves(entry.model, scale))
    ]
    fitting.sort(key=lambda entry: (entry.model.any_factor, not entry.model.is_default))
    wish = f"{task}" if scale is None else f"{task} x{scale:g}"
    if not fitting:
        raise UsageError(f"no model is for {wish}: `dinplug models` lists them")
    for entry in fitting:
        if entry.weights is not None:
            return entry
    raise _no_weights(wish)


def _no_weights(wish: str) -> SetupError:
    return SetupError(
        f"no weights for {wish}: import some with `dinplug models import FILE`, or train some "
        "with `dinplug train`"
    )


def _load(entry: _Entry) -> LoadedModel:
    model, weights = entry.model, entry.weights
    if weights is None:
        raise _no_weights(f"the model {model.name}")
    card = entry.card or read_card(weights.with_suffix(".json"))
    content = read_bytes(weights)
    found = sha256(content)
    if card.weights_sha256 not in (None, found):
        raise CheckpointError(f"{weights} is not what its card was written for: import it again")
    state = parse_safetensors(content, weights)
    if misfit := misfits(card.network, state):
        raise CheckpointError(f"{weights} does not fit its card: {describe_misfits(misfit)}")
    return LoadedModel(
        model.name,
        model.task,
        model.scale,
        network_with(card.network, state),
        found,
        card,
        model.protocol,
        model.any_factor,
    )
