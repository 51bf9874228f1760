"""From a training run to weights that ship: float16 safetensors with a card beside them."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from dinplug.checkpoints.cards import ModelCard
from dinplug.checkpoints.models import LoadedModel
from dinplug.errors import CheckpointError, WriteError
from dinplug.specs import NetworkSpec, build_network
from dinplug.training.state import Weights

LARGEST_ROUNDING = 1 / 255
"""How far float16 weights may move any output value: less than one step of an 8-bit photo."""


def half_precision(weights: Weights) -> Weights:
    """Round weights to float16.

    Raises:
        CheckpointError: a weight is not finite, or too large for float16.
    """
    halves = {name: value.detach().half().contiguous() for name, value in weights.items()}
    for name, value in halves.items():
        if not bool(value.isfinite().all()):
            raise CheckpointError(
                f"weights of {name} do not fit float16: train on, or ship float32"
            )
    return halves


def rounding_effect(spec: NetworkSpec, weights: Weights, pictures: Tensor) -> float:
    """Largest change of the output, on 0..1, by float16 rounding; pictures (N, 3, H, W) in 0..1."""
    network = build_network(spec).eval()
    unit = network.value_range
    with torch.inference_mode():
        network.load_state_dict(weights)
        exact = network(pictures * unit)
        network.load_state_dict(
            {name: value.float() for name, value in half_precision(weights).items()}
        )
        return float((network(pictures * unit) - exact).abs().max()) / unit


def as_shipped(card: ModelCard, weights: Weights) -> LoadedModel:
    """The model as it will load from disk, with float16-rounded weights, to be scored.

    Raises:
        CheckpointError: the weights do not fit float16.
    """
    network = build_network(card.network).eval()
    halves = half_precision(weights)
    network.load_state_dict({name: value.float() for name, value in halves.items()})
    model = card.model()
    return LoadedModel(
        card.name,
        card.task,
        model.scale,
        network,
        hashlib.sha256(save(halves)).hexdigest(),
        card,
        card.protocol,
        model.any_factor,
    )


def export_weights(card: ModelCard, weights: Weights, folder: Path, probe: Tensor) -> Path:
    """Write `<name>.safetensors` in float16 and its card `<name>.json`, each atomically.

    Args:
        card: what to state; the weights' hash is filled in here.
        weights: float32 weights of the card's network.
        folder: where to write.
        probe: pictures (N, 3, H, W) in 0..1 on which the rounding is checked.

    Returns:
        The weights file.

    Raises:
        CheckpointError: float16 would change an output value by `LARGEST_ROUNDING` or more.
        WriteError: the folder cannot be written.
    """
    effect = rounding_effect(card.network, weights, probe)
    if effect >= LARGEST_ROUNDING:
        raise CheckpointError(
            f"float16 changes the output of {card.name} by {effect:.4f}: train on, or ship float32"
        )
    content = save(half_precision(weights))
    file = folder / f"{card.name}.safetensors"
    signed = replace(
        card,
        weights_sha256=hashlib.sha256(content).hexdigest(),
        notes=card.notes | {"file": file.name, "float16_effect": round(effect, 6)},
    )
    try:
        _write(file, content)
        _write(file.with_suffix(".json"), signed.to_json().encode())
    except OSError as error:
        raise WriteError(
            f"cannot write {file} ({error.strerror}); choose another folder"
        ) from error
    return file


def credits(manifest: Path, photos: Sequence[Path]) -> list[dict[str, str | int]]:
    """Say whose photos were used: one entry for each licence and source, with a count.

    Args:
        manifest: CSV with the columns `file`, `class`, `licence`, `source_repo`, `source_path`.
        photos: the files that were used.

    Returns:
        Entries with `licence`, `source`, `files` (their number) and `works` (their original
        names, which is where the collections keep the authors' names).
    """
    used = {photo.name for photo in photos}
    groups: dict[tuple[str, str], tuple[int, set[str]]] = {}
    with manifest.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["file"] in used:
                key = (row["licence"], row["source_repo"])
                count, works = groups.get(key, (0, set()))
                groups[key] = (count + 1, works | {Path(row["source_path"]).name})
    return [
        {"licence": licence, "source": source, "files": count, "works": ", ".join(sorted(works))}
        for (licence, source), (count, works) in sorted(groups.items())
    ]


def _write(file: Path, content: bytes) -> None:
    part = file.with_name(file.name + ".part")
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)
