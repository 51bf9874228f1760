"""Documents, dialogs and waiting, for the scenarios."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from krita import Krita, Selection
from PyQt5 import sip
from PyQt5.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    Steps = Generator[int, None, Any]


def until(condition: Callable[[], Any], what: str, seconds: float = 120) -> Steps:
    """Wait until something is so, and return it."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        yield 20


def new_document(width: int, height: int, colours: Sequence[str], ppi: float = 300.0) -> Steps:
    """Open an empty document in the window, and return it when it can be used.

    `colours` are model, depth and profile.
    """
    krita = Krita.instance()
    document = krita.createDocument(width, height, "test", *colours, ppi)
    yield from show(document)
    return document


def show(document: Any) -> Steps:
    """Make a document the active one."""
    krita = Krita.instance()
    krita.activeWindow().addView(document)
    krita.setActiveDocument(document)
    yield from until(
        lambda: krita.activeDocument() == document and document.activeNode(), "a document"
    )
    yield 50


def fill(node: Any, path: str, rectangle: list[int]) -> None:
    """Set a node's pixels from a file."""
    with open(path, "rb") as file:
        node.setPixelData(file.read(), *rectangle)


def dump(folder: str, name: str, data: Any) -> None:
    """Keep bytes for the test."""
    with open(os.path.join(folder, name), "wb") as file:
        file.write(bytes(data))


def close(document: Any) -> Steps:
    """Close a document without a question."""
    document.waitForDone()
    document.setModified(False)
    document.close()
    yield 50


def select(document: Any, rectangle: list[int], feather: int = 0) -> Any:
    """Select a rectangle with edges that soft."""
    selection = Selection()
    selection.select(*rectangle, 255)
    if feather:
        selection.feather(feather)
    document.setSelection(selection)
    return selection


def when_idle(document: Any, action: str) -> None:
    """Choose an entry of Krita's own menus.

    Undo was once seen to do nothing, as if Krita had been busy with the image, on which it also
    works by itself after a while: what has begun must end in the same step.
    """
    document.waitForDone()
    Krita.instance().action(action).trigger()


def trigger(task: str) -> None:
    """Choose a task's menu entry."""
    Krita.instance().action(f"dinplug_{task}").trigger()


def dialogs(name: str) -> list[Any]:
    """The visible windows of that name."""
    return [w for w in QApplication.topLevelWidgets() if w.objectName() == name and w.isVisible()]


def opened(task: str) -> Steps:
    """Choose a task's menu entry, and return its dialog."""
    before = dialogs(f"dinplug_{task}")
    trigger(task)
    return (
        yield from until(
            lambda: next((d for d in dialogs(f"dinplug_{task}") if d not in before), None),
            f"the dialog of {task}",
        )
    )


def is_closed(dialog: Any) -> bool:
    """Whether a dialog is gone."""
    return sip.isdeleted(dialog) or not dialog.isVisible()


def part(dialog: Any, name: str) -> Any:
    """A widget of a dialog."""
    found = dialog.findChild(QWidget, name)
    assert found is not None, f"no {name} in the dialog"
    return found


def click(dialog: Any, name: str) -> None:
    """Click a button of a dialog."""
    button = part(dialog, name)
    assert isinstance(button, QAbstractButton) and button.isEnabled(), f"{name} cannot be clicked"
    button.click()


def sentence(dialog: Any) -> str:
    """What a dialog says went wrong, or an empty text."""
    label = part(dialog, "sentence")
    assert isinstance(label, QLabel)
    return str(label.text()) if label.isVisible() else ""


def refusal() -> Steps:
    """Wait for the box that refuses a layer, close it, and return what it said."""
    box = yield from until(lambda: next(iter(dialogs("dinplug_refusal")), None), "a refusal")
    said = box.text()
    box.close()
    yield 50
    return said
