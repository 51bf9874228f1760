"""Weights cards: the JSON file beside every weights file that says what it holds and whence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from dinplug.errors import CheckpointError
from dinplug.specs import (
    MODELS,
    ModelSpec,
    NetworkSpec,
    Protocol,
    Task,
    family_of,
    spec_fields,
    spec_from_fields,
)

LARGEST_CARD = 1 << 20
"""Bytes; a card is a few hundred."""


@dataclass(frozen=True)
class ModelCard:
    """What is known of a weights file.

    `source` names where the weights are from, `source_sha256` the file they were imported from,
    `weights_sha256` the weights file itself; `notes` is everything else the card states (training
    data, time, PSNR).
    """

    name: str
    task: Task
    network: NetworkSpec
    licence: str
    protocol: Protocol = "whole"
    title: str = ""
    paper: str = ""
    source: str = ""
    source_sha256: str | None = None
    weights_sha256: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def model(self) -> ModelSpec:
        """The model that these weights are for."""
        listed = MODELS.get(self.name)
        return ModelSpec(
            self.name,
            self.task,
            self.network,
            self.title,
            self.paper,
            self.licence,
            self.protocol,
            listed is not None and listed.is_default,
        )

    def to_json(self) -> str:
        """The card as it is written beside the weights."""
        stated = {
            "name": self.name,
            "task": self.task.value,
            "family": family_of(self.network).name,
            "spec": spec_fields(self.network),
            "licence": self.licence,
            "protocol": self.protocol,
            "title": self.title,
            "paper": self.paper,
            "source": self.source,
            "source_sha256": self.source_sha256,
            "weights_sha256": self.weights_sha256,
        }
        return json.dumps(stated | self.notes, indent=2) + "\n"


def read_card(file: Path) -> ModelCard:
    """Read the card `file`; what it leaves out is taken from the table's model of its name.

    Required: `spec`, and where the table has no such model `family` and `task`.

    Raises:
        CheckpointError: it is missing, damaged, or states no network that exists.
    """
    try:
        if file.stat().st_size > LARGEST_CARD:
            raise CheckpointError(f"{file} is too large for a weights card: import again")
        stated = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} is no readable weights card: import again") from error
    try:
        return _card_from(file.stem, dict(stated))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{file} describes no model ({' '.join(str(error).split())}): import again"
        ) from error


def _card_from(name: str, stated: dict[str, Any]) -> ModelCard:
    listed = MODELS.get(name)
    stated.pop("name", None)
    family = str(stated.pop("family", None) or (family_of(listed.network).name if listed else ""))
    task = stated.pop("task", None) or (listed.task if listed else None)
    protocol = stated.pop("protocol", None) or (listed.protocol if listed else "whole")
    if protocol not in get_args(Protocol):
        raise ValueError(f"no protocol is named {protocol!r}")
    fields = stated.pop("spec")
    if not isinstance(fields, dict):
        raise ValueError("its spec is no object")
    network = spec_from_fields(family, fields)

    def text(key: str, fallback: str) -> str:
        value = stated.pop(key, None) or fallback
        return value if isinstance(value, str) else json.dumps(value)

    return ModelCard(
        name,
        Task(task),
        network,
        text("licence", "not stated"),
        protocol,
        text("title", listed.title if listed else family.upper()),
        text("paper", listed.paper if listed else ""),
        text("source", ""),
        text("source_sha256", "") or None,
        text("weights_sha256", "") or None,
        stated,
    )
