"""The plugin manifest: which tasks there are, and which parameters each takes.

It lies beside the modules in a host's plugin, inside the package `dinplug` in a wheel, and beside
that package in a checkout.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from . import protocol
from .protocol import ProtocolError

if TYPE_CHECKING:
    Manifest = dict[str, Any]
    Parameters = dict[str, Any]

NAME = "plugin_manifest.json"
_MODEL = re.compile(r"[\w.+-]{0,100}", re.ASCII)
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?", re.ASCII)


def manifest_path() -> str:
    """Where the manifest is; raises FileNotFoundError if it is missing."""
    folder = os.path.dirname(os.path.abspath(__file__))
    for _ in range(3):
        path = os.path.join(folder, NAME)
        if os.path.isfile(path):
            return path
        folder = os.path.dirname(folder)
    raise FileNotFoundError(f"{NAME} is missing: install dinplug again")


def load_manifest(path: str | None = None) -> Manifest:
    """Read the manifest."""
    with open(path or manifest_path(), encoding="utf-8") as file:
        manifest: Manifest = json.load(file)
    return manifest


def task_of(manifest: Manifest, name: str) -> Manifest:
    """The entry of a task; raises ProtocolError if there is none."""
    for task in manifest["tasks"]:
        if task["id"] == name:
            found: Manifest = task
            return found
    known = ", ".join(task["id"] for task in manifest["tasks"])
    raise ProtocolError(f"no task is named {name[:40]!r}: it is one of {known}")


def defaults(task: Manifest) -> Parameters:
    """The values that a dialog shows first."""
    return {parameter["name"]: parameter["default"] for parameter in task["parameters"]}


def checked(task: Manifest, given: Parameters) -> Parameters:
    """All parameters of a task: those given, checked, and the defaults of the others.

    Raises ProtocolError for one that the task does not have, or a value it cannot take.
    """
    known = {parameter["name"]: parameter for parameter in task["parameters"]}
    for name in given:
        if name not in known:
            raise ProtocolError(f"the task {task['id']} has no parameter {name[:40]!r}")
    found = defaults(task)
    for name, value in given.items():
        found[name] = checked_value(known[name], value)
    return found


def checked_value(parameter: Manifest, value: object) -> object:
    """The value if a parameter can take it; raises ProtocolError otherwise."""
    name, kind = parameter["name"], parameter["kind"]
    if kind == "number":
        return protocol.number(value, name, parameter["minimum"], parameter["maximum"])
    if kind == "boolean":
        if isinstance(value, bool):
            return value
        raise ProtocolError(f"{name} must be true or false")
    if kind == "choice":
        choices = [choice["value"] for choice in parameter["choices"]]
        if type(value) in (int, str) and value in choices:
            return value
        raise ProtocolError(f"{name} must be one of {', '.join(str(c) for c in choices)}")
    pattern = {"model": _MODEL, "device": _DEVICE}[kind]
    if isinstance(value, str) and pattern.fullmatch(value):
        return value
    raise ProtocolError(f"{name} is no name of a {kind}")
