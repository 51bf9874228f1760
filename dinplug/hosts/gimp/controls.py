"""The widgets of a task's parameters, bound to a procedure's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .introspection import GObject
from .widgets import Gtk

if TYPE_CHECKING:
    from ..manifest import Manifest
    from ..protocol import Message

_SPACE = 6
_DIGITS = 2
_FIRST = {"model": ("", "Automatic"), "device": ("auto", "Automatic")}
"""What is offered before the worker has said what there is."""


class Controls:
    """One row for each parameter; models and devices are those that `offer` is told of."""

    def __init__(self, dialog: Any, config: Any, task: Manifest) -> None:
        self.config = config
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_SPACE)
        self.labels = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
        self.lists: dict[str, tuple[str, Any]] = {}
        self.models: list[Message] | None = None
        self.scale: int | None = None
        for parameter in task["parameters"]:
            name, kind = parameter["name"], parameter["kind"]
            if kind in _FIRST:
                widget = self._list(parameter)
            elif kind == "number":
                widget = dialog.get_scale_entry(name, 1)
                widget.set_increments(parameter["step"], 10 * parameter["step"])
                widget.set_digits(_DIGITS)
                self.labels.add_widget(widget.get_label())
            elif kind == "choice":
                widget = dialog.get_widget(name, GObject.TYPE_NONE)
                self.labels.add_widget(widget.get_label())
            else:
                widget = dialog.get_widget(name, Gtk.CheckButton)
            self.widget.pack_start(widget, False, False, 0)

    def offer(self, models: list[Message], devices: list[Message]) -> None:
        """Let the user choose among models and devices."""
        self.models = models
        if "device" in self.lists:
            self._fill("device", [(entry["value"], entry["label"]) for entry in devices])
        self._fill_models()

    def set_scale(self, scale: int) -> None:
        """Offer only models for this scale."""
        if self.scale != scale:
            self.scale = scale
            self._fill_models()

    def _fill_models(self) -> None:
        if self.models is None or "model" not in self.lists:
            return
        fitting = [m for m in self.models if m["scale"] in (None, self.scale)]
        entries = [(model["name"], f"{model['name']} ({model['network']})") for model in fitting]
        self._fill("model", [_FIRST["model"], *entries])

    def _list(self, parameter: Message) -> Any:
        """A labelled list that sets a text of the configuration."""
        name, kind = parameter["name"], parameter["kind"]
        label = Gtk.Label.new_with_mnemonic(self.config.find_property(name).nick)
        label.set_xalign(0)
        chooser = Gtk.ComboBoxText(tooltip_text=parameter["help"])
        self.lists[kind] = name, chooser
        label.set_mnemonic_widget(chooser)
        self.labels.add_widget(label)
        row = Gtk.Box(spacing=_SPACE)
        row.pack_start(label, False, False, 0)
        row.pack_start(chooser, True, True, 0)
        chooser.connect("changed", self._chosen, name)
        self.config.connect(f"notify::{name}", self._set, chooser, name)
        present = self.config.get_property(name)
        self._fill(kind, list(dict.fromkeys([_FIRST[kind], (present, present or "Automatic")])))
        return row

    def _fill(self, kind: str, entries: list[tuple[str, str]]) -> None:
        """Put entries into a list; what was chosen stays if it is among them."""
        name, chooser = self.lists[kind]
        present = self.config.get_property(name)
        known = [value for value, _ in entries]
        chooser.handler_block_by_func(self._chosen)
        chooser.remove_all()
        for value, label in entries:
            chooser.append(value, label)
        chooser.handler_unblock_by_func(self._chosen)
        chooser.set_active_id(present if present in known else known[0])

    def _chosen(self, chooser: Any, name: str) -> None:
        value = chooser.get_active_id()
        if value is not None and value != self.config.get_property(name):
            self.config.set_property(name, value)

    def _set(self, config: Any, _property: Any, chooser: Any, name: str) -> None:
        if chooser.get_active_id() != config.get_property(name):
            chooser.set_active_id(config.get_property(name))
