"""The controls of a task's parameters, made from the manifest alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .qt import QtCore, QtWidgets

if TYPE_CHECKING:
    from ..manifest import Manifest, Parameters
    from ..protocol import Message

_AUTOMATIC = "Automatic"


class Form(QtWidgets.QWidget):
    """One row for each parameter of a task; `changed` is emitted when the user alters one."""

    changed = QtCore.pyqtSignal()

    def __init__(self, task: Manifest, values: Parameters) -> None:
        super().__init__()
        self.controls: dict[str, Control] = {}
        rows = QtWidgets.QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        for parameter in task["parameters"]:
            name = parameter["name"]
            control = _KINDS[parameter["kind"]](parameter)
            control.set_value(values[name])
            control.changed.connect(self._note_change)
            control.setObjectName(name)
            control.setToolTip(parameter["help"])
            label = "" if isinstance(control, Switch) else f"{parameter['label']}:"
            rows.addRow(label, control)
            self.controls[name] = control

    def values(self) -> Parameters:
        """The parameters as the controls show them."""
        return {name: control.value() for name, control in self.controls.items()}

    def offer(self, task: Message, devices: list[Message]) -> None:
        """Fill the lists of models and devices with what the worker has."""
        for control in self.controls.values():
            if isinstance(control, Models):
                control.models = task["models"]
                control.offer_for(self._scale())
            elif isinstance(control, Devices):
                control.offer([(device["value"], device["label"]) for device in devices])

    def _note_change(self) -> None:
        for control in self.controls.values():
            if isinstance(control, Models):
                control.offer_for(self._scale())
        self.changed.emit()

    def _scale(self) -> Any:
        """How many times a task enlarges, if that is for the user to say."""
        return self.controls["scale"].value() if "scale" in self.controls else None


class Control(QtWidgets.QWidget):
    """A control for one parameter; `changed` is emitted when the user alters it."""

    changed = QtCore.pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.row = QtWidgets.QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)

    def value(self) -> Any:
        """What it shows."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value the parameter can take, without telling of a change."""
        raise NotImplementedError


class Number(Control):
    """A slider, and a field beside it."""

    def __init__(self, parameter: Manifest) -> None:
        super().__init__()
        least, most, self.step = (parameter[key] for key in ("minimum", "maximum", "step"))
        self.least = least
        self.slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.slider.setRange(0, round((most - least) / self.step))
        self.field = QtWidgets.QDoubleSpinBox()
        self.field.setDecimals(len(f"{self.step:g}".partition(".")[2]))
        self.field.setRange(least, most)
        self.field.setSingleStep(self.step)
        self.row.addWidget(self.slider, 1)
        self.row.addWidget(self.field)
        self.slider.valueChanged.connect(self._follow_slider)
        self.field.valueChanged.connect(self._follow_field)

    def value(self) -> float:
        return float(self.field.value())

    def set_value(self, value: float) -> None:
        _show_quietly(self.field, value)
        self._move_slider(value)

    def _move_slider(self, value: float) -> None:
        _show_quietly(self.slider, round((value - self.least) / self.step))

    def _follow_slider(self, steps: int) -> None:
        _show_quietly(self.field, self.least + steps * self.step)
        self.changed.emit()

    def _follow_field(self, value: float) -> None:
        """The field itself stays as it is: someone is typing there."""
        self._move_slider(value)
        self.changed.emit()


def _show_quietly(part: Any, value: float) -> None:
    """Show a value without telling of a change."""
    part.blockSignals(True)
    part.setValue(value)
    part.blockSignals(False)


class Switch(Control):
    """A check box."""

    def __init__(self, parameter: Manifest) -> None:
        super().__init__()
        self.box = QtWidgets.QCheckBox(parameter["label"])
        self.row.addWidget(self.box)
        self.box.clicked.connect(lambda _: self.changed.emit())

    def value(self) -> bool:
        return bool(self.box.isChecked())

    def set_value(self, value: bool) -> None:
        self.box.setChecked(value)


class Choice(Control):
    """A list to choose from."""

    def __init__(self, parameter: Manifest) -> None:
        super().__init__()
        self.box = QtWidgets.QComboBox()
        self.row.addWidget(self.box, 1)
        self.box.activated.connect(lambda _: self.changed.emit())
        self.offer([(one["value"], one["label"]) for one in parameter.get("choices", [])])

    def value(self) -> Any:
        return self.box.currentData()

    def set_value(self, value: Any) -> None:
        index = self.box.findData(value)
        if index < 0:
            self.box.addItem(str(value), value)
            index = self.box.count() - 1
        self.box.setCurrentIndex(index)

    def offer(self, choices: list[tuple[Any, str]]) -> None:
        """Offer (value, label) to choose from, and keep what is chosen if it is among them."""
        chosen = self.value()
        self.box.clear()
        for value, label in choices:
            self.box.addItem(label, value)
        self.box.setCurrentIndex(max(0, self.box.findData(chosen)))


class Models(Choice):
    """A list of models; the first, an empty text, leaves the choice to dinplug."""

    def __init__(self, parameter: Manifest) -> None:
        super().__init__(parameter)
        self.models: list[Message] | None = None
        self.offer([("", _AUTOMATIC)])

    def offer_for(self, scale: Any) -> None:
        """Offer the models that enlarge `scale` times, or all if that is None."""
        if self.models is not None:
            fitting = [m for m in self.models if scale is None or m["scale"] in (None, scale)]
            self.offer([("", _AUTOMATIC), *((m["name"], m["name"]) for m in fitting)])


class Devices(Choice):
    """A list of devices."""

    def __init__(self, parameter: Manifest) -> None:
        super().__init__(parameter)
        self.offer([("auto", _AUTOMATIC)])


_KINDS = {"number": Number, "boolean": Switch, "choice": Choice, "model": Models, "device": Devices}
