"""Runs in Krita: imports a plugin's zip through Krita's menu, or says which plugins there are.

DRIVER_STEP is "import" (of DRIVER_ZIP) or "look"; what is found goes to DRIVER_REPORT as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any

from krita import Extension, Krita
from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import QApplication, QDialog, QListView, QMessageBox, QTreeView


def import_zip() -> None:
    """Trigger Tools > Scripts > Import Python Plugin from File, and answer its dialogs."""
    from plugin_importer import plugin_importer_extension as importer

    answers: list[list[str]] = []

    class FileDialog:
        @staticmethod
        def getOpenFileName(*_: object) -> tuple[str, str]:  # noqa: N802 - Qt's name
            return os.environ["DRIVER_ZIP"], ""

    def answer(_parent: object, title: str, text: str, *_: object) -> Any:
        answers.append([title, text])
        return QMessageBox.Yes

    importer.QFileDialog = FileDialog
    importer.QMessageBox.question = answer
    importer.QMessageBox.warning = answer
    Krita.instance().action("plugin_importer_file").trigger()
    report({"answers": answers})


def look() -> None:
    """Open the settings dialog at the page that lists the plugins."""
    QTimer.singleShot(2000, open_page)
    Krita.instance().action("options_configure").trigger()


def open_page() -> None:
    """Choose the page in the dialog's list of pages."""
    for pages in settings_dialog().findChildren(QListView):
        model = pages.model()
        for number in range(model.rowCount() if model else 0):
            if model.index(number, 0).data() == "Python Plugin Manager":
                pages.setCurrentIndex(model.index(number, 0))
    QTimer.singleShot(1000, read_page)


def read_page() -> None:
    """Every plugin of the list: its comment, whether it is on, and what is wrong with it."""
    plugins = {}
    model = settings_dialog().findChild(QTreeView, "pluginsList").model()
    for number in range(model.rowCount()):
        name, comment = (model.index(number, column) for column in (0, 1))
        plugins[name.data()] = {
            "comment": comment.data(),
            "on": name.data(Qt.CheckStateRole) == Qt.Checked,
            "usable": bool(name.flags() & Qt.ItemIsEnabled),
            "tip": name.data(Qt.ToolTipRole),
        }
    report({"plugins": plugins, "loaded": "dinplug" in sys.modules})


def settings_dialog() -> Any:
    """The open dialog."""
    return next(
        widget
        for widget in QApplication.topLevelWidgets()
        if widget.metaObject().className() == "KisDlgPreferences"
    )


def report(found: dict[str, Any]) -> None:
    """Write what was found, close what is open, and quit Krita as its menu does."""
    with open(os.environ["DRIVER_REPORT"], "w") as file:
        json.dump(found, file)
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, QDialog):
            widget.reject()
    QTimer.singleShot(500, Krita.instance().action("file_quit").trigger)


class Driver(Extension):
    """Takes its step once Krita's window is there."""

    def setup(self) -> None:
        pass

    def createActions(self, window: object) -> None:  # noqa: N802 - Krita's name
        step = {"import": import_zip, "look": look}[os.environ["DRIVER_STEP"]]
        QTimer.singleShot(1500, step)


def leave(*error: Any) -> None:
    """Krita would show the error in a dialog, and wait."""
    traceback.print_exception(*error)
    os._exit(70)


sys.excepthook = leave
Krita.instance().addExtension(Driver(Krita.instance()))
