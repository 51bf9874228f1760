"""Restore a photo with pointer and keyboard, as a person does; screenshots of what is seen."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from krita import Krita
from PyQt5.QtCore import QPoint, QSize
from PyQt5.QtGui import QGuiApplication

from . import handling

if TYPE_CHECKING:
    from .handling import Steps


def main(job: dict[str, Any], report: dict[str, Any], _folder: str) -> Steps:
    """`job` names the photo, the texts of the menus' entries, and a folder for screenshots."""
    krita = Krita.instance()
    document = krita.openDocument(job["photo"])
    yield from handling.show(document)
    window = krita.activeWindow().qwindow()
    krita.activeWindow().activeView().canvas().setZoomLevel(0.6 * document.xRes() / 72)
    yield 1000

    menu = window.menuBar()
    for text in job["menus"]:
        action = next(a for a in menu.actions() if a.text().replace("&", "") == text)
        place = menu.actionGeometry(action).center()
        yield from click_at(menu, place)
        yield 400
        if action.menu() is not None:
            menu = action.menu()
            yield from handling.until(menu.isVisible, f"the menu {text}")
            if text == job["menus"][-2]:
                screenshot(job, "menu")
    dialog = yield from handling.until(
        lambda: next(iter(handling.dialogs(f"dinplug_{job['task']}")), None), "the dialog"
    )
    dialog.move(445, 300)
    yield 300
    screenshot(job, "opened")
    preview = handling.part(dialog, "preview")
    yield from handling.until(lambda: preview.after is not None and dialog.doing == "", "a preview")
    screenshot(job, "preview")

    field = handling.part(dialog, "strength").field
    yield from click_at(field, QPoint(10, field.height() // 2))
    yield from tool("windowfocus", str(int(dialog.winId())))
    yield from tool("key", "ctrl+a")
    yield from tool("type", "0.9")
    yield from tool("key", "Tab")
    yield from handling.until(lambda: dialog.panel.form.values()["strength"] == 0.9, "the strength")
    yield from handling.until(
        lambda: not dialog.settling.isActive() and dialog.doing == "", "another preview"
    )
    report["strength"] = dialog.panel.form.values()["strength"]

    middle = QPoint(preview.width() // 2, preview.height() // 2)
    yield from drag(preview, middle, middle - QPoint(120, 0))
    report["divider"] = preview.share
    start = dialog.comparison.part()
    corner = QPoint(preview.width() - 60, 60)
    yield from drag(preview, corner, corner + QPoint(-40, 30))
    yield from handling.until(lambda: preview.after is not None and dialog.doing == "", "a preview")
    moved = dialog.comparison.part()
    report["moved"] = [moved[0] - start[0], moved[1] - start[1]]
    yield 300
    screenshot(job, "compared")
    image = window.screen().grabWindow(dialog.winId())
    image.save(os.path.join(job["screenshots"], "krita-dialog.png"))

    restore = handling.part(dialog, "restore")
    yield from click_at(restore, QPoint(restore.width() // 2, restore.height() // 2))
    yield from handling.until(lambda: handling.is_closed(dialog), "the result")
    document.waitForDone()
    yield 1000
    report["layers"] = [node.name() for node in document.topLevelNodes()]
    screenshot(job, "restored")
    yield from tool("windowfocus", str(int(window.winId())))
    yield from tool("key", "ctrl+z")
    yield from handling.until(lambda: len(document.topLevelNodes()) == 1, "undo", 30)
    report["undone"] = [node.name() for node in document.topLevelNodes()]
    yield from handling.close(document)


def tool(*words: str) -> Steps:
    """Run xdotool, and let Krita hear what it does."""
    process = subprocess.Popen(["xdotool", *words])
    yield from handling.until(lambda: process.poll() is not None, "xdotool", 30)
    assert process.returncode == 0, words
    yield 150


def click_at(widget: Any, place: QPoint) -> Steps:
    """Click a place of a widget with the pointer."""
    there = widget.mapToGlobal(place)
    yield from tool("mousemove", str(there.x()), str(there.y()), "click", "1")


def drag(widget: Any, start: QPoint, end: QPoint) -> Steps:
    """Drag from one place of a widget to another."""
    first, last = widget.mapToGlobal(start), widget.mapToGlobal(end)
    yield from tool("mousemove", str(first.x()), str(first.y()))
    yield from tool("mousedown", "1")
    yield from tool("mousemove", str((first.x() + last.x()) // 2), str(first.y()))
    yield from tool("mousemove", str(last.x()), str(last.y()))
    yield from tool("mouseup", "1")


def screenshot(job: dict[str, Any], name: str) -> None:
    """Keep what the whole screen shows."""
    path = os.path.join(job["screenshots"], f"krita-{name}.png")
    image = QGuiApplication.primaryScreen().grabWindow(0)
    assert image.size() != QSize(0, 0) and image.save(path)
