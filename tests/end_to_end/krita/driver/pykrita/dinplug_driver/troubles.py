"""What goes wrong while a layer is restored, and what is done beside it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from krita import Krita
from PyQt5.QtCore import QEvent, QPoint, Qt
from PyQt5.QtGui import QImage, QMouseEvent
from PyQt5.QtWidgets import QApplication

import dinplug

from . import handling

if TYPE_CHECKING:
    from .handling import Steps

COLOURS = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
RECORD = os.path.join(os.path.dirname(dinplug.__file__), "dinplug.json")


def main(job: dict[str, Any], report: dict[str, Any], folder: str) -> Steps:
    """`job` names the files and sizes of a small and a large picture, and pythons to try."""
    for scenario in (
        missing, other_version, broken, cancelled, killed, closed, two_documents, edited,
        compared, let_go,
    ):  # fmt: skip
        print(f"scenario {scenario.__name__}", file=sys.stderr, flush=True)
        report[scenario.__name__] = {}
        yield from scenario(job, report[scenario.__name__], folder)


def photo(job: dict[str, Any], which: str) -> Steps:
    """Open a document with a picture."""
    width, height = job[which]["size"]
    document = yield from handling.new_document(width, height, COLOURS)
    handling.fill(document.topLevelNodes()[0], job[which]["pixels"], [0, 0, width, height])
    document.refreshProjection()
    document.waitForDone()
    return document


def names(document: Any) -> list[str]:
    """The names of a document's layers."""
    return [node.name() for node in document.topLevelNodes()]


def use_python(path: str) -> None:
    """Record another interpreter for dinplug."""
    with open(RECORD, "w", encoding="utf-8") as file:
        json.dump({"python": path}, file)


def end_workers() -> None:
    """End the worker that is kept for the next dialog."""
    for extension in Krita.instance().extensions():
        workers = getattr(extension, "workers", None)
        if workers is not None and workers.idle is not None:
            workers.idle.close()
            workers.idle = None


def without_preview(task: str) -> Steps:
    """Open a task's dialog and switch its preview off."""
    dialog = yield from handling.opened(task)
    if handling.part(dialog, "has_preview").isChecked():
        handling.part(dialog, "has_preview").click()
    return dialog


def in_the_middle(dialog: Any) -> Steps:
    """Wait until a restoration is under way, some of it done and some not."""
    yield from handling.until(
        lambda: dialog.doing == "restoring" and 0 < dialog.panel.bar.value() < 1000, "progress"
    )


def told(dialog: Any) -> Steps:
    """Wait for what the dialog says went wrong; return that and the detail."""
    said = yield from handling.until(lambda: handling.sentence(dialog), "a message")
    return said, dialog.panel.message.details.toPlainText()


def restored_after_all(dialog: Any, document: Any) -> Steps:
    """Click Restore again, and tell the layers that are there in the end."""
    handling.click(dialog, "restore")
    yield from handling.until(lambda: handling.is_closed(dialog), "the result")
    document.waitForDone()
    return names(document)


def fails(python: str, job: dict[str, Any], found: dict[str, Any]) -> Steps:
    """Restore with a python that is none of dinplug's, then with the right one."""
    with open(RECORD, encoding="utf-8") as file:
        right = json.load(file)["python"]
    document = yield from photo(job, "small")
    use_python(python)
    end_workers()
    dialog = yield from handling.opened("derain")
    found["said"], found["detail"] = yield from told(dialog)
    found["layers"] = names(document)
    handling.click(dialog, "copy")
    found["copied"] = QApplication.clipboard().text()
    if found["detail"]:
        handling.click(dialog, "details")
        found["shows detail"] = dialog.panel.message.details.isVisible()
    use_python(right)
    found["after"] = yield from restored_after_all(dialog, document)
    yield from handling.close(document)


def missing(job: dict[str, Any], found: dict[str, Any], _folder: str) -> Steps:
    yield from fails("/nowhere/bin/python", job, found)


def other_version(job: dict[str, Any], found: dict[str, Any], _folder: str) -> Steps:
    yield from fails(job["newer"], job, found)


def broken(job: dict[str, Any], found: dict[str, Any], _folder: str) -> Steps:
    yield from fails(job["broken"], job, found)


def cancelled(job: dict[str, Any], found: dict[str, Any], _folder: str) -> Steps:
    document = yield from photo(job, "large")
    dialog = yield from without_preview("dehaze")
    handling.click(dialog, "restore")
    yield from in_the_middle(dialog)
    found["status"] = dialog.panel.status.text()
    found["enabled"] = [handling.part(dialog, n).isEnabled() for n in ("restore", "strength")]
    handling.click(dialog, "cancel")
    found["after"] = [handling.part(dialog, n).isEnabled() for n in ("restore", "strength")]
    found["said"] = dialog.panel.status.text()
    yield 1500
    found["lives"] = dialog.worker.client.alive
    found["layers"] = names(document)
    # In the middle of a preview, too, and closing is a cancel.
    handling.part(dialog, "has_preview").click()
    yield from handling.until(lambda: dialog.panel.bar.value() > 0, "a preview")
    handling.click(dialog, "cancel")
    found["previews"] = handling.part(dialog, "has_preview").isChecked()
    handling.click(dialog, "restore")
    yield from in_the_middle(dialog)
    handling.click(dialog, "close")
    yield from handling.until(lambda: handling.is_closed(dialog), "the dialog's end")
    yield 1000
    found["layers at last"] = names(document)
    yield from handling.close(document)


def killed(job: dict[str, Any], found: dict[str, Any], _folder: str) -> Steps:
    document = yield from photo(job, "large")
    dialog = yield from without_preview("dehaze")
    handling.click(dialog, "restore")
    yield from in_the_middle(dialog)
    os.kill(dialog.worker.client.process.process.pid, signal.SIGKILL)
    found["said"], _ = yield from told(dialog)
    yield 300
    found["layers"] = names(document)
    handling.part(dialog, "strength").field.setValue(0)
    found["after"] = yield from restored_after_all(dialog, document)
    yield from handling.close(document)


def closed(job: dict[str, Any], found: dict[str, Any], _folder: str) -> Steps:
    other = yield from photo(job, "small")
    document = yield from photo(job, "large")
    dialog = yield from without_preview("dehaze")
    handling.click(dialog, "restore")
    yield from in_the_middle(dialog)
    document.setModified(False)
    document.close()
    found["said"], _ = yield from told(dialog)
    found["restores"] = handling.part(dialog, "restore").isEnabled()
    handling.click(dialog, "close")
    yield 300
    found["layers"] = names(other)
    # A dialog in which nothing is under way goes with its document.
    yield from handling.until(
        lambda: Krita.instance().activeDocument() == other and other.activeNode(), "the other"
    )
    dialog = yield from handling.opened("dehaze")
    yield 300
    yield from handling.close(other)
    yield from handling.until(lambda: handling.is_closed(dialog), "the dialog's end")
    found["documents"] = len(Krita.instance().documents())


def two_documents(job: dict[str, Any], found: dict[str, Any], folder: str) -> Steps:
    documents: list[Any] = []
    windows: list[Any] = []
    for which in ("small", "other"):
        document = yield from photo(job, which)
        dialog = yield from without_preview("derain")
        handling.part(dialog, "strength").field.setValue(1)
        documents.append(document)
        windows.append(dialog)
    yield from handling.until(lambda: all(d.doing == "" for d in windows), "both workers")
    found["workers"] = len({d.worker.client.process.process.pid for d in windows})
    for dialog in windows:
        handling.click(dialog, "restore")
    found["at once"] = [dialog.doing for dialog in windows]
    yield from handling.until(lambda: all(map(handling.is_closed, windows)), "both results")
    found["layers"] = [names(document) for document in documents]
    for which in ("small", "other"):
        document = documents.pop(0)
        width, height = job[which]["size"]
        new = document.topLevelNodes()[-1]
        handling.dump(folder, f"two-{which}.result", new.pixelData(0, 0, width, height))
        yield from handling.close(document)


def edited(job: dict[str, Any], found: dict[str, Any], folder: str) -> Steps:
    document = yield from photo(job, "small")
    layer = document.topLevelNodes()[0]
    width, height = job["small"]["size"]
    dialog = yield from handling.opened("derain")
    handling.part(dialog, "strength").field.setValue(0.7)
    yield from handling.until(lambda: dialog.doing == "" and dialog.worker.picture, "the worker")
    handling.fill(layer, job["other"]["pixels"], [0, 0, *job["other"]["size"]])
    handling.dump(folder, "edited.source", layer.pixelData(0, 0, width, height))
    yield from restored_after_all(dialog, document)
    new = document.topLevelNodes()[-1]
    handling.dump(folder, "edited.result", new.pixelData(0, 0, width, height))
    dialog = yield from handling.opened("derain")
    found["remembered"] = dialog.panel.form.values()
    handling.click(dialog, "close")
    yield from handling.close(document)


def compared(job: dict[str, Any], found: dict[str, Any], _folder: str) -> Steps:
    """Move the part that a preview shows, and compare it with what is there afterwards."""
    document = yield from photo(job, "wide")
    dialog = yield from handling.opened("derain")
    preview = handling.part(dialog, "preview")
    handling.part(dialog, "strength").field.setValue(1)
    if not handling.part(dialog, "has_preview").isChecked():
        handling.part(dialog, "has_preview").click()
    yield from handling.until(lambda: preview.after is not None and dialog.doing == "", "a preview")
    first = dialog.comparison.part()
    start = QPoint(preview.width() // 4, preview.height() // 2)
    drag(preview, start, start - QPoint(60, 35))
    yield from handling.until(lambda: preview.after is not None and dialog.doing == "", "a preview")
    x, y, w, h = dialog.comparison.part()
    found["moved"] = [x - first[0], y - first[1]]
    found["size"] = [w, h, preview.width(), preview.height()]
    middle = QPoint(preview.width() // 2, preview.height() // 2)
    drag(preview, middle, middle + QPoint(50, 0))
    found["divider"] = round(preview.share * w) - w // 2
    after, before = (
        image.convertToFormat(QImage.Format_ARGB32) for image in (preview.after, preview.before)
    )
    yield from restored_after_all(dialog, document)
    final = document.projection(x, y, w, h).convertToFormat(QImage.Format_ARGB32)
    found["equal"] = after == final
    found["differs"] = before != final
    yield from handling.close(document)


def drag(widget: Any, start: QPoint, end: QPoint) -> None:
    """Drag with the left button."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    for kind, place, button, held in (
        (QEvent.Type.MouseButtonPress, start, left, left),
        (QEvent.Type.MouseMove, end, none, left),
        (QEvent.Type.MouseButtonRelease, end, left, none),
    ):
        event = QMouseEvent(kind, place, button, held, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(widget, event)


def let_go(_job: dict[str, Any], found: dict[str, Any], _folder: str) -> Steps:
    """In the end one worker is kept at most, and it goes when it is told to."""
    pids = []
    for extension in Krita.instance().extensions():
        idle = getattr(getattr(extension, "workers", None), "idle", None)
        if idle is not None:
            pids.append(idle.process.process.pid)
    found["kept"] = len(pids)
    end_workers()
    yield 500
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            found["kept"] = 99
