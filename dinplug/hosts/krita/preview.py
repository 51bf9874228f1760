"""A part of the picture before and after, side by side at a divider that can be moved."""

from __future__ import annotations

from typing import Any

from .qt import QtCore, QtGui, QtWidgets
from .screen import LONGEST_SIDE

_GRIP = 8
_STEP = 32
_SQUARE = 8


class Preview(QtWidgets.QWidget):
    """Shows two images of one size in its middle, one pixel for one.

    Dragging the divider, or Ctrl with left and right, moves it; dragging elsewhere, or the arrow
    keys, move the part that is shown: `dragged` tells by how much, and `resized` of another size.
    """

    dragged = QtCore.pyqtSignal(float, float)
    resized = QtCore.pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.before: Any = None
        self.after: Any = None
        self.share = 0.5
        self._grip: Any = None
        self._moves_divider = False
        self.setObjectName("preview")
        self.setMinimumSize(320, 240)
        self.setMaximumSize(LONGEST_SIDE, LONGEST_SIDE)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setToolTip("Drag the line to compare, drag the picture to see another part.")

    def sizeHint(self) -> Any:
        return QtCore.QSize(520, 420)

    def show_images(self, before: Any, after: Any) -> None:
        """Show two images, or the first alone where the other is None."""
        self.before, self.after = before, after
        self.update()

    def _frame(self) -> Any:
        """Where the images are drawn."""
        size = self.before.size()
        left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        return QtCore.QRect(QtCore.QPoint(left, top), size)

    def _divider(self) -> int:
        frame = self._frame()
        return int(frame.left() + round(self.share * frame.width()))

    def paintEvent(self, _event: Any) -> None:
        painter = QtGui.QPainter(self)
        painter.fillRect(self.rect(), self.palette().dark())
        if self.before is None:
            return
        frame = self._frame()
        _draw_squares(painter, frame)
        painter.drawImage(frame.topLeft(), self.before)
        if self.after is None:
            return
        divider = self._divider()
        right = QtCore.QRect(frame)
        right.setLeft(divider)
        painter.setClipRect(right)
        _draw_squares(painter, frame)
        painter.drawImage(frame.topLeft(), self.after)
        painter.setClipping(False)
        painter.fillRect(divider - 1, frame.top(), 3, frame.height(), QtGui.QColor(0, 0, 0, 160))
        painter.fillRect(divider, frame.top(), 1, frame.height(), QtGui.QColor(255, 255, 255))
        self._draw_word(painter, "Before", frame.left() + 6, divider - 6, is_left=True)
        self._draw_word(painter, "After", divider + 6, frame.right() - 6, is_left=False)
        painter.end()

    def _draw_word(self, painter: Any, word: str, left: int, right: int, *, is_left: bool) -> None:
        """Write a word on the image if there is room for it."""
        metrics = painter.fontMetrics()
        width, height = metrics.horizontalAdvance(word) + 8, metrics.height() + 2
        if width <= right - left:
            place = QtCore.QRect(left if is_left else right - width, 0, width, height)
            place.moveTop(self._frame().top() + 6)
            painter.fillRect(place, QtGui.QColor(0, 0, 0, 150))
            painter.setPen(QtGui.QColor(255, 255, 255))
            painter.drawText(place, QtCore.Qt.AlignmentFlag.AlignCenter, word)

    def resizeEvent(self, _event: Any) -> None:
        self.resized.emit()

    def mousePressEvent(self, event: Any) -> None:
        if event.button() == QtCore.Qt.MouseButton.LeftButton and self.before is not None:
            self._grip = event.pos()
            self._moves_divider = self._is_at_divider(event.pos())

    def mouseMoveEvent(self, event: Any) -> None:
        if self._grip is None:
            over = self._is_at_divider(event.pos())
            shape = QtCore.Qt.CursorShape
            self.setCursor(shape.SplitHCursor if over else shape.OpenHandCursor)
        elif self._moves_divider:
            self._place_divider(event.pos().x())
        else:
            step = self._grip - event.pos()
            self._grip = event.pos()
            self.dragged.emit(step.x(), step.y())

    def mouseReleaseEvent(self, _event: Any) -> None:
        self._grip = None

    def keyPressEvent(self, event: Any) -> None:
        keys = QtCore.Qt.Key
        moves = {keys.Key_Left: (-1, 0), keys.Key_Right: (1, 0), keys.Key_Up: (0, -1),
                 keys.Key_Down: (0, 1)}  # fmt: skip
        move = moves.get(event.key())
        if move is None or self.before is None:
            super().keyPressEvent(event)
        elif event.modifiers() & QtCore.Qt.KeyboardModifier.ControlModifier:
            self._place_divider(self._divider() + move[0] * _GRIP)
        else:
            self.dragged.emit(move[0] * _STEP, move[1] * _STEP)

    def _is_at_divider(self, place: Any) -> bool:
        return self.after is not None and abs(place.x() - self._divider()) <= _GRIP

    def _place_divider(self, x: int) -> None:
        frame = self._frame()
        self.share = min(1.0, max(0.0, (x - frame.left()) / frame.width()))
        self.update()


def _draw_squares(painter: Any, frame: Any) -> None:
    """Draw what shows through clear pixels."""
    painter.fillRect(frame, QtGui.QColor(255, 255, 255))
    tile = QtGui.QPixmap(2 * _SQUARE, 2 * _SQUARE)
    tile.fill(QtGui.QColor(255, 255, 255))
    drawing = QtGui.QPainter(tile)
    for place in (0, _SQUARE):
        drawing.fillRect(place, place, _SQUARE, _SQUARE, QtGui.QColor(200, 200, 200))
    drawing.end()
    painter.drawTiledPixmap(frame, tile)
