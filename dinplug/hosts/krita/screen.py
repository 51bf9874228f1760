"""What of a layer is on the screen: where the canvas shows it, and its samples as an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krita import Krita

from .qt import QtCore, QtWidgets

if TYPE_CHECKING:
    from .layers import Look

LONGEST_SIDE = 1024
"""Width and height, in pixels, of the largest image that can be shown."""


class Screen:
    """Turns samples into images by Krita's own colour management.

    PyKrita can do that for documents only, so there is one that has no window.
    """

    def __init__(self, look: Look) -> None:
        self.look = look
        self.document = Krita.instance().createDocument(
            LONGEST_SIDE, LONGEST_SIDE, "dinplug", look.model, look.depth, look.profile, 72.0
        )

    def image(self, samples: bytearray, width: int, height: int) -> Any:
        """A QImage of samples in Krita's order."""
        (node,) = self.document.topLevelNodes()
        node.setPixelData(samples, 0, 0, width, height)
        self.document.refreshProjection()
        self.document.waitForDone()
        return self.document.projection(0, 0, width, height)

    def close(self) -> None:
        """Remove the document."""
        self.document.close()


def visible_centre(document: Any) -> tuple[float, float]:
    """The place of the picture in the middle of its canvas; the picture's own middle if unknown."""
    middle = document.width() / 2, document.height() / 2
    window = Krita.instance().activeWindow()
    view: Any = None if window is None else window.activeView()
    if view is None or view.document() != document:
        return middle
    canvas = _canvas_of(window)
    if canvas is None:
        return middle
    half = canvas.viewport().width() / 2, canvas.viewport().height() / 2
    if hasattr(view, "flakeToCanvasTransform"):  # since Krita 5.2
        to_flake, is_possible = view.flakeToCanvasTransform().inverted()
        if is_possible:
            there = view.flakeToImageTransform().map(to_flake.map(QtCore.QPointF(*half)))
            return there.x(), there.y()
    elif view.canvas().rotation() == 0 and not view.canvas().mirror():
        zoom = view.canvas().zoomLevel() * 72 / document.xRes()
        return (
            (canvas.horizontalScrollBar().value() + half[0]) / zoom,
            (canvas.verticalScrollBar().value() + half[1]) / zoom,
        )
    return middle


def _canvas_of(window: Any) -> Any:
    """The scroll area of the window's active canvas, or None."""
    for area in window.qwindow().findChildren(QtWidgets.QMdiArea):
        active = area.activeSubWindow()
        if active is not None:
            for canvas in active.findChildren(QtWidgets.QAbstractScrollArea):
                if canvas.metaObject().className() == "KisCanvasController":
                    return canvas
    return None
