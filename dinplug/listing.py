"""Models, cards and imports as text for a person."""

from __future__ import annotations

import json
from collections.abc import Sequence

from dinplug.checkpoints import ModelInfo
from dinplug.checkpoints.cards import ModelCard
from dinplug.checkpoints.importing import ImportReport
from dinplug.specs import Task

_HEADINGS = ("task", "model", "network", "scale", "parameters", "weights", "licence")


def model_table(models: Sequence[ModelInfo]) -> str:
    """Return a line for each model, in columns; `*` marks a task's default."""
    rows = [
        (
            str(model.task),
            f"{model.name}{' *' if model.is_default else ''}",
            model.network,
            "any" if model.any_factor else f"x{model.scale}",
            f"{model.parameters:,}",
            model.weights,
            model.licence,
        )
        for model in models
    ]
    widths = [max(len(row[column]) for row in [_HEADINGS, *rows]) for column in range(6)]
    return "\n".join(_line(row, widths) for row in [_HEADINGS, *rows])


def card_text(card: ModelCard) -> str:
    """Return a card as `name: value` lines, those without a value left out."""
    stated = {key: value for key, value in json.loads(card.to_json()).items() if value}
    width = max(map(len, stated))
    return "\n".join(f"{key:<{width}}  {_plain(value)}" for key, value in stated.items())


def import_text(report: ImportReport) -> str:
    """Return in one line what was imported and how to use it."""
    done = "replaced" if report.replaced else "imported"
    # A network for super-resolution that keeps the size sharpens what was enlarged before.
    any_factor = report.task is Task.SR and report.scale == 1
    scale = "any factor" if any_factor else f"x{report.scale}"
    return (
        f"{done} {report.name}: {report.network} for {report.task}, {scale}, "
        f"{report.parameters:,} parameters, in {report.weights}; use it with --model {report.name}"
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Align a row; numbers of parameters to the right, the last column as long as it is."""
    cells = [
        f"{cell:>{width}}" if column == _HEADINGS.index("parameters") else f"{cell:<{width}}"
        for column, (cell, width) in enumerate(zip(row[:-1], widths, strict=True))
    ]
    return "  ".join([*cells, row[-1]]).rstrip()


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)
