"""The manifest's parameters as arguments of GIMP's procedures, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import manifest as manifests
from ..protocol import ProtocolError
from .introspection import Gimp, GObject
from .refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..manifest import Manifest, Parameters

SHOW_PREVIEW = "show-preview"
"""An argument of the dialog alone: whether it computes a preview."""
_TAKEN_LETTERS = " ochrslp"
"""First letters of OK, Cancel, Help, Reset, Save, Load and Preview in a dialog."""
_FLAGS = GObject.ParamFlags.READWRITE


def add_arguments(procedure: Any, task: Manifest) -> None:
    """Give a procedure an argument for each parameter of a task, with its range and default."""
    labels = with_mnemonics([parameter["label"] for parameter in task["parameters"]])
    for number, parameter in enumerate(task["parameters"]):
        kind, default = parameter["kind"], parameter["default"]
        words = parameter["name"].replace("_", "-"), labels[number], parameter["help"]
        if kind == "number":
            limits = parameter["minimum"], parameter["maximum"]
            procedure.add_double_argument(*words, *limits, default, _FLAGS)
        elif kind == "boolean":
            procedure.add_boolean_argument(*words, default, _FLAGS)
        elif kind == "choice":
            choices = Gimp.Choice.new()
            for place, choice in enumerate(parameter["choices"]):
                choices.add(str(choice["value"]), place, choice["label"], "")
            procedure.add_choice_argument(*words, choices, str(default), _FLAGS)
        else:  # a model or a device: which there are is known to the worker alone
            procedure.add_string_argument(*words, default, _FLAGS)
    procedure.add_boolean_aux_argument(
        SHOW_PREVIEW, "_Preview", "Show a part of the result before it is made.", True, _FLAGS
    )


def with_mnemonics(labels: Sequence[str]) -> list[str]:
    """Labels with an underscore before a letter that none of the others, and no button, has."""
    taken = set(_TAKEN_LETTERS)
    marked = []
    for label in labels:
        free = [place for place, letter in enumerate(label.lower()) if letter not in taken]
        if free:
            taken.add(label[free[0]].lower())
            label = label[: free[0]] + "_" + label[free[0] :]
        marked.append(label)
    return marked


def parameters_from(config: Any, task: Manifest) -> Parameters:
    """The values of a task's parameters; raises RefusalError for one that it cannot take."""
    given = {}
    for parameter in task["parameters"]:
        value = config.get_property(parameter["name"].replace("_", "-"))
        if parameter["kind"] == "choice":
            known = {str(choice["value"]): choice["value"] for choice in parameter["choices"]}
            value = known.get(value, value)
        given[parameter["name"]] = value
    try:
        return manifests.checked(task, given)
    except ProtocolError as error:
        raise RefusalError(str(error)) from error
