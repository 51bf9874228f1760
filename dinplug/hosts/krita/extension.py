"""dinplug's entries in Krita's menus."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from krita import Extension, Krita

from ..client import Client
from ..launch import recorded_launch
from ..manifest import load_manifest
from .conversation import Workers
from .dialog import RestoreDialog
from .layers import LayerError, active_source
from .message import as_sentence
from .qt import QtCore, QtWidgets

if TYPE_CHECKING:
    from ..manifest import Manifest


class Dinplug(Extension):
    """An entry for each task of the manifest, at its place."""

    def __init__(self, parent: Any, plugin_folder: str) -> None:
        super().__init__(parent)
        self.plugin_folder = plugin_folder
        self.manifest = load_manifest()
        self.workers = Workers(self._start_worker)
        self.dialogs: list[RestoreDialog] = []

    def setup(self) -> None:
        """Krita calls this once; there is nothing to do before a window opens."""

    def createActions(self, window: Any) -> None:
        """Krita calls this for each of its windows."""
        for task in self.manifest["tasks"]:
            action = window.createAction(
                f"dinplug_{task['id']}", task["menu_label"], task["menu_path"]["krita"]
            )
            action.triggered.connect(functools.partial(self._open, task))

    def _start_worker(self) -> Client:
        """Start a worker; raises launch.LaunchError and protocol.ProtocolError."""
        launch = recorded_launch(self.plugin_folder, "krita")
        host = f"Krita {Krita.instance().version()}"
        return Client(launch, host, self.manifest["version"])

    def _open(self, task: Manifest, _checked: bool = False) -> None:
        """Open a task's dialog for the active layer, or show the one that is open for it."""
        parent = Krita.instance().activeWindow().qwindow()
        try:
            source = active_source(task["result"] == "new-image")
        except LayerError as refusal:
            refuse(parent, str(refusal))
            return
        for dialog in self.dialogs:
            if dialog.task is task and dialog.source.layer == source.layer:
                dialog.raise_()
                dialog.activateWindow()
                return
        dialog = RestoreDialog(parent, task, source, self.workers)
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(lambda _: self.dialogs.remove(dialog))
        self.dialogs.append(dialog)
        dialog.show()


def refuse(parent: Any, sentence: str) -> None:
    """Say why nothing can be restored, in a box whose text can be copied."""
    box = QtWidgets.QMessageBox(parent)
    box.setObjectName("dinplug_refusal")
    box.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QtWidgets.QMessageBox.Icon.Warning)
    box.setWindowTitle("dinplug")
    box.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    box.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
    box.setText(as_sentence(sentence))
    box.open()


def register(plugin_folder: str) -> None:
    """Add dinplug to Krita; `plugin_folder` is where it is installed."""
    krita = Krita.instance()
    krita.addExtension(Dinplug(krita, plugin_folder))
