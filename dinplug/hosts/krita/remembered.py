"""The values a dialog showed last, as one line of JSON a task for Krita's settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..manifest import checked_value, defaults
from ..protocol import ProtocolError

if TYPE_CHECKING:
    from ..manifest import Manifest, Parameters

GROUP = "dinplug"
"""The group of Krita's settings; a task's id is the key."""


def as_text(parameters: Parameters, has_preview: bool) -> str:
    """What to keep: the parameters, and whether a preview was shown."""
    return json.dumps({"parameters": parameters, "preview": has_preview})


def from_text(task: Manifest, text: str) -> tuple[Parameters, bool]:
    """What `text` says, as far as the task takes it, and the defaults of the rest."""
    values = defaults(task)
    try:
        kept: Any = json.loads(text)
        given = dict(kept["parameters"])
        has_preview = kept["preview"] is not False
    except (ValueError, TypeError, KeyError, RecursionError):
        return values, True
    for parameter in task["parameters"]:
        name = parameter["name"]
        if name in given:
            try:
                values[name] = checked_value(parameter, given[name])
            except ProtocolError:
                continue  # written by another version
    return values, has_preview
