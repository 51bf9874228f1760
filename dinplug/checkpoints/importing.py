"""Import other people's checkpoints into the user's data folder, as safetensors with a card."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from dinplug.atomic import write_atomically
from dinplug.checkpoints.cards import ModelCard, read_card
from dinplug.checkpoints.fitting import count_parameters, describe_misfits, misfits
from dinplug.checkpoints.pickled import read_pickled
from dinplug.checkpoints.released import identify, state_dict_of
from dinplug.checkpoints.weights_file import (
    State,
    parse_safetensors,
    read_bytes,
    sha256,
    write_safetensors,
)
from dinplug.errors import CheckpointError, UsageError
from dinplug.folders import bundled_folder, imported_folder
from dinplug.specs import MODELS, NetworkSpec, Task, family_of, same_network

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
UNKNOWN_LICENCE = "not stated; do not redistribute"


@dataclass(frozen=True)
class ImportReport:
    """What was imported: the model's name and network, and the file it now lives in."""

    name: str
    network: str
    task: Task
    scale: int
    parameters: int
    source_sha256: str
    weights: Path
    replaced: bool


def import_checkpoint(path: Path | str, name: str | None = None) -> ImportReport:
    """Import a checkpoint under `name`, by default the name of the model it is.

    Recognised by keys and shapes: the authors' IMDN, IMDN_AS, MSFIN, MSFIN-S, RFDN, ARFDN and DIN
    (training checkpoints too), saved by PyTorch or as safetensors; and dinplug's own safetensors
    with their card beside them. Nothing in the file is run.

    Raises:
        CheckpointError: it is damaged, hostile, of no known network, or does not fit it exactly;
            nothing was written.
        UsageError: the name cannot be used.
        SetupError: the data folder cannot be written.
    """
    file = Path(path)
    if name is not None:
        _check_name(name)
    if not file.is_file():
        raise CheckpointError(f"{file} is no file: give the path of a checkpoint")
    content = read_bytes(file)
    card, state = _described(content, file)
    if misfit := misfits(card.network, state):
        raise CheckpointError(
            f"{file} looks like {card.title} but does not fit: {describe_misfits(misfit)}"
        )
    chosen = name or card.name
    _check_free(chosen, card)
    weights = imported_folder() / f"{chosen}.safetensors"
    replaced = weights.exists()
    written = write_safetensors(state, weights)
    card = replace(card, name=chosen, weights_sha256=written)
    write_atomically(card.to_json().encode(), weights.with_suffix(".json"))
    return ImportReport(
        chosen,
        card.title,
        card.task,
        card.network.scale,
        count_parameters(card.network),
        sha256(content),
        weights,
        replaced,
    )


def _described(content: bytes, file: Path) -> tuple[ModelCard, State]:
    """The card and the state dict, with our keys, of a checkpoint's content."""
    digest = sha256(content)
    if _is_safetensors(content):
        tensors = parse_safetensors(content, file)
        beside = file.with_suffix(".json")
        if beside.is_file():
            card = read_card(beside)
            if card.weights_sha256 not in (None, digest):
                raise CheckpointError(f"{file} is not what {beside.name} was written for")
            return replace(card, source=card.source or file.name, source_sha256=digest), tensors
        state = state_dict_of(tensors, file)
    else:
        state = state_dict_of(read_pickled(content, file), file)
    spec, renamed = identify(state, file)
    return _card_for(spec, file, digest), renamed


def _is_safetensors(content: bytes) -> bool:
    """Whether content begins as safetensors does: the header's length, then a JSON object."""
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content)


def _card_for(spec: NetworkSpec, file: Path, digest: str) -> ModelCard:
    model = same_network(spec)
    if model is not None:
        taken = _is_bundled(model.name)
        return ModelCard(
            f"{model.name}-{digest[:8]}" if taken else model.name,
            model.task,
            spec,
            UNKNOWN_LICENCE if model.licence.startswith("no ") else model.licence,
            model.protocol,
            model.title,
            model.paper,
            file.name,
            digest,
        )
    family = family_of(spec).name
    return ModelCard(
        f"{family}-x{spec.scale}-{digest[:8]}",
        Task.SR,
        spec,
        UNKNOWN_LICENCE,
        title=family.upper(),
        source=file.name,
        source_sha256=digest,
    )


def _check_name(name: str) -> None:
    if NAME.fullmatch(name) is None:
        raise UsageError(
            f"{name!r} cannot name a model: use up to 64 of a-z, 0-9, '.', '_', '-', "
            "beginning with a letter or digit"
        )


def _is_bundled(name: str) -> bool:
    return (bundled_folder() / f"{name}.safetensors").exists()


def _check_free(name: str, card: ModelCard) -> None:
    """Raise UsageError if `name` means another network, or weights that come with dinplug."""
    _check_name(name)
    if _is_bundled(name):
        raise UsageError(f"{name} comes with dinplug: choose another name with --name")
    listed = MODELS.get(name)
    if listed is not None and (listed.title, listed.task, listed.scale) != (
        card.title,
        card.task,
        card.network.scale,
    ):
        raise UsageError(f"{name} is the name of another model: choose another with --name")
