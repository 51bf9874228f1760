"""The preview: a part of the layer before and after, and an overview to move that part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .introspection import Gegl
from .pane import Pane, enlarged, faded, framed, picture_of
from .widgets import Gdk, Gtk

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol import Message
    from ..session import Region
    from .source import Source

VIEW_SIDE = 320
"""Most pixels of the screen a view takes each way; a pixel of the result takes one."""
OVERVIEW_SIDE = 140
SPACE = 6
_STEPS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}
_STEP_PARTS = 8
_LEAST_FRAME = 4


class Preview:
    """Two views of a region of the source, and an overview that shows where it is.

    The region stays within what is to be restored. `on_move` is called when the user has moved
    it, by dragging a view, with the arrow keys, or in the overview.
    """

    def __init__(self, source: Source, on_move: Callable[[], None]) -> None:
        self.source, self.on_move = source, on_move
        self.scale = 1
        left, top, width, height = source.region
        self.centre = left + width / 2, top + height / 2
        self.grip: tuple[float, float] | None = None
        self.before, self.after = self._view(), self._view()
        self.views = Gtk.Box(spacing=2 * SPACE, homogeneous=True)
        for title, view in (("Before", self.before), ("After", self.after)):
            column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACE)
            column.pack_start(Gtk.Label(label=title), False, False, 0)
            column.pack_start(view.area, True, True, 0)
            self.views.pack_start(column, True, True, 0)
        self.reduction = min(1.0, OVERVIEW_SIDE / max(width, height))
        self.overview = self._overview()

    @property
    def region(self) -> Region:
        """What is shown, in the layer's coordinates."""
        left, top, width, height = self.source.region
        side = VIEW_SIDE // self.scale
        w, h = min(width, side), min(height, side)
        x = min(max(left, round(self.centre[0] - w / 2)), left + width - w)
        y = min(max(top, round(self.centre[1] - h / 2)), top + height - h)
        return x, y, w, h

    def set_scale(self, scale: int) -> None:
        """Show results that are `scale` times larger."""
        self.scale = scale
        width, height = (scale * side for side in self.region[2:])
        for view in (self.before, self.after):
            view.area.set_size_request(width, height)

    def show_before(self) -> None:
        """Show the region as it is; the other view waits for its result."""
        picture = enlarged(picture_of(self.source.shown, self.region), self.scale)
        self.before.show(picture)
        self.after.show(faded(picture))
        left, top = self.source.region[:2]
        x, y, w, h = self.region
        x0, y0 = int((x - left) * self.reduction), int((y - top) * self.reduction)
        x1 = max(x0 + _LEAST_FRAME, round((x - left + w) * self.reduction))
        y1 = max(y0 + _LEAST_FRAME, round((y - top + h) * self.reduction))
        width, height = self.small.get_width(), self.small.get_height()
        self.overview.show(framed(self.small, x0, y0, min(x1, width), min(y1, height)))

    def show_after(self, result: Message, pixels: Any) -> None:
        """Show a result of the region, in the layer's own format."""
        width, height = result["width"], result["height"]
        buffer = Gegl.Buffer.new(self.source.format, 0, 0, width, height)
        buffer.set(Gegl.Rectangle.new(0, 0, width, height), self.source.format, pixels)
        self.after.show(picture_of(buffer, (0, 0, width, height)))

    def _view(self) -> Pane:
        """A pane that can be dragged."""
        width, height = self.region[2:]
        pane = Pane(width, height, "Drag it, or press the arrow keys, to see another part")
        mask = Gdk.EventMask
        pane.area.set_can_focus(True)
        pane.area.add_events(
            mask.BUTTON_PRESS_MASK | mask.BUTTON_RELEASE_MASK | mask.BUTTON1_MOTION_MASK
            | mask.KEY_PRESS_MASK
        )  # fmt: skip
        pane.area.connect("button-press-event", self._gripped)
        pane.area.connect("motion-notify-event", self._dragged)
        pane.area.connect("button-release-event", self._let_go)
        pane.area.connect("key-press-event", self._key_pressed)
        return pane

    def _overview(self) -> Pane:
        """A pane of all that is to be restored."""
        x, y, width, height = (int(side * self.reduction) for side in self.source.region)
        width, height = max(1, width), max(1, height)
        self.small = picture_of(self.source.shown, (x, y, width, height), self.reduction)
        pane = Pane(width, height, "Click where you want to look")
        pane.area.add_events(Gdk.EventMask.BUTTON_PRESS_MASK | Gdk.EventMask.BUTTON1_MOTION_MASK)
        pane.area.connect("button-press-event", self._pointed)
        pane.area.connect("motion-notify-event", self._pointed)
        return pane

    def _move_to(self, x: float, y: float) -> None:
        """Centre the region on a point of the layer, as far as it goes."""
        before = self.region
        self.centre = x, y
        left, top, w, h = self.region
        self.centre = left + w / 2, top + h / 2  # so that the way back is felt at once
        if self.region != before:
            self.on_move()

    def _pointed(self, _area: Any, event: Any) -> bool:
        left, top = self.source.region[:2]
        self._move_to(left + event.x / self.reduction, top + event.y / self.reduction)
        return True

    def _gripped(self, area: Any, event: Any) -> bool:
        area.grab_focus()
        self.grip = event.x, event.y
        return True

    def _dragged(self, _area: Any, event: Any) -> bool:
        if self.grip is not None:
            dx, dy = self.grip[0] - event.x, self.grip[1] - event.y
            if max(abs(dx), abs(dy)) >= self.scale:
                self.grip = event.x, event.y
                self._move_to(self.centre[0] + dx / self.scale, self.centre[1] + dy / self.scale)
        return True

    def _let_go(self, _area: Any, _event: Any) -> bool:
        self.grip = None
        return True

    def _key_pressed(self, _area: Any, event: Any) -> bool:
        step = _STEPS.get(Gdk.keyval_name(event.keyval))
        if step is None:
            return False
        w, h = self.region[2:]
        self._move_to(
            self.centre[0] + step[0] * max(1, w // _STEP_PARTS),
            self.centre[1] + step[1] * max(1, h // _STEP_PARTS),
        )
        return True
