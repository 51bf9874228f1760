"""Which part of the layer the preview shows, and what it looks like before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .preview import Preview
from .qt import QtCore, QtGui
from .results import Mask
from .samples import swap_blue_and_red
from .screen import Screen, visible_centre

if TYPE_CHECKING:
    from ..protocol import Message
    from .layers import Look, Rectangle, Source


class Comparison:
    """The preview of a layer; `makes_layer` if the result will lie above it.

    `scale` is how many times the result is larger; the preview shows the result's pixels one for
    one.
    """

    def __init__(self, source: Source, *, makes_layer: bool) -> None:
        self.source, self.makes_layer = source, makes_layer
        self.scale = 1.0
        self.preview = Preview()
        self.look = source.look()
        x, y = visible_centre(source.document)
        self.centre = x - self.look.region[0], y - self.look.region[1]
        self.screen: Screen | None = None

    def part(self) -> Rectangle:
        """The part of the restored region that the preview has room for, about its centre."""
        _, _, width, height = self.look.region
        w = max(1, min(width, int(self.preview.width() / self.scale)))
        h = max(1, min(height, int(self.preview.height() / self.scale)))
        left = min(max(0, round(self.centre[0] - w / 2)), width - w)
        top = min(max(0, round(self.centre[1] - h / 2)), height - h)
        return left, top, w, h

    def move(self, x: float, y: float) -> None:
        """Show a part that many pixels further right and further down."""
        self.centre = self.centre[0] + x / self.scale, self.centre[1] + y / self.scale
        left, top, width, height = self.part()
        self.centre = left + width / 2, top + height / 2
        self.show_before(self.look)

    def show_before(self, look: Look) -> None:
        """Show the layer as it is now, without a result."""
        self.look = look
        self.preview.show_images(self._before(self.part()), None)

    def show_after(self, part: Rectangle, samples: bytearray, result: Message) -> None:
        """Show a part of the result as the canvas will."""
        before, look = self._before(part), self.look
        swap_blue_and_red(samples, look.model, look.depth)
        if self.makes_layer:
            Mask(self.source.document).apply(samples, self._place(part), look)
        after = self._screen().image(samples, result["width"], result["height"])
        if self.makes_layer:
            above, after = after, before.copy()
            painter = QtGui.QPainter(after)
            painter.drawImage(0, 0, above)
            painter.end()
        self.preview.show_images(before, after)

    def close(self) -> None:
        """Let go of what makes the images."""
        if self.screen is not None:
            self.screen.close()
            self.screen = None

    def _before(self, part: Rectangle) -> Any:
        """An image of a part of the layer, of the size it has in the result."""
        _, _, w, h = part
        image = self._screen().image(self.source.read(self._place(part)), w, h)
        if self.scale == 1:
            return image
        smooth = QtCore.Qt.TransformationMode.SmoothTransformation
        aspect = QtCore.Qt.AspectRatioMode.IgnoreAspectRatio
        size = QtCore.QSize(round(w * self.scale), round(h * self.scale))
        return image.scaled(size, aspect, smooth)

    def _place(self, part: Rectangle) -> Rectangle:
        """Where a part of the region lies in the document."""
        left, top, _, _ = self.look.region
        return left + part[0], top + part[1], part[2], part[3]

    def _screen(self) -> Screen:
        """What makes images of samples like the layer's."""
        if self.screen is not None and self.screen.look[1:] != self.look[1:]:
            self.close()
        if self.screen is None:
            self.screen = Screen(self.look)
        return self.screen
