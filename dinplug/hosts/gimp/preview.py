"""The preview: a part of the layer before and after, and an overview to move that part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .introspection import Gegl, Gimp, GLib
from .widgets import Gdk, GdkPixbuf, GimpUi, Gtk

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol import Message
    from ..session import Region
    from .source import Source

VIEW_SIDE = 320
"""Most pixels of the screen a view takes each way; a pixel of the result takes one."""
OVERVIEW_SIDE = 140
SPACE = 6
_DISPLAYED = "R'G'B'A u8"
"""What views show; babl converts to it from the layer's own colour space."""
_STEPS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}
_STEP_PARTS = 8


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
        self.before, self.after = self._view("Before"), self._view("After")
        self.overview = self._overview()
        self.views = Gtk.Box(spacing=2 * SPACE, homogeneous=True)
        for title, view in (("Before", self.before), ("After", self.after)):
            column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACE)
            column.pack_start(Gtk.Label(label=title), False, False, 0)
            column.pack_start(view, True, True, 0)
            self.views.pack_start(column, True, True, 0)

    @property
    def region(self) -> Region:
        """What is shown, in the layer's coordinates."""
        left, top, width, height = self.source.region
        w, h = min(width, VIEW_SIDE // self.scale), min(height, VIEW_SIDE // self.scale)
        x = min(max(left, round(self.centre[0] - w / 2)), left + width - w)
        y = min(max(top, round(self.centre[1] - h / 2)), top + height - h)
        return x, y, w, h

    def set_scale(self, scale: int) -> None:
        """Show results that are `scale` times larger."""
        self.scale = scale
        self.show_before()

    def show_before(self) -> None:
        """Show the region as it is; the other view waits for its result."""
        x, y, w, h = self.region
        data = self.source.shown.get(
            Gegl.Rectangle.new(x, y, w, h), 1.0, _DISPLAYED, Gegl.AbyssPolicy.NONE
        )
        picture = pixbuf_of(data, w, h)
        if self.scale != 1:
            size = w * self.scale, h * self.scale
            picture = picture.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)
        draw(self.before, picture)
        faded = picture.copy()
        picture.saturate_and_pixelate(faded, 0.2, True)
        draw(self.after, faded)
        self._draw_overview()

    def show_after(self, result: Message, pixels: Any) -> None:
        """Show a result of the region, in the layer's own format."""
        rectangle = Gegl.Rectangle.new(0, 0, result["width"], result["height"])
        buffer = Gegl.Buffer.new(self.source.format, 0, 0, result["width"], result["height"])
        buffer.set(rectangle, self.source.format, pixels)
        data = buffer.get(rectangle, 1.0, _DISPLAYED, Gegl.AbyssPolicy.NONE)
        draw(self.after, pixbuf_of(data, result["width"], result["height"]))

    def _view(self, title: str) -> Any:
        """An area that shows pixels and can be dragged."""
        area = GimpUi.PreviewArea()
        area.set_size_request(*(min(VIEW_SIDE, self.scale * side) for side in self._sides()))
        area.set_halign(Gtk.Align.CENTER)
        area.set_valign(Gtk.Align.CENTER)
        area.set_color_config(Gimp.get_color_configuration())
        area.set_can_focus(True)
        area.get_accessible().set_name(title)
        area.set_tooltip_text("Drag, or press the arrow keys, to see another part")
        mask = Gdk.EventMask
        area.add_events(
            mask.BUTTON_PRESS_MASK | mask.BUTTON_RELEASE_MASK | mask.BUTTON1_MOTION_MASK
            | mask.KEY_PRESS_MASK
        )  # fmt: skip
        area.connect("button-press-event", self._gripped)
        area.connect("motion-notify-event", self._dragged)
        area.connect("button-release-event", self._let_go)
        area.connect("key-press-event", self._key_pressed)
        return area

    def _sides(self) -> tuple[int, int]:
        return self.source.region[2], self.source.region[3]

    def _overview(self) -> Any:
        """An area with all that is to be restored, and a frame around the region."""
        left, top, width, height = self.source.region
        self.reduction = min(1.0, OVERVIEW_SIDE / max(width, height))
        w, h = (max(1, int(side * self.reduction)) for side in (width, height))
        rectangle = Gegl.Rectangle.new(
            round(left * self.reduction), round(top * self.reduction), w, h
        )
        data = self.source.shown.get(
            rectangle, self.reduction, _DISPLAYED, Gegl.AbyssPolicy.CLAMP
        )
        self.small = pixbuf_of(data, w, h)
        area = GimpUi.PreviewArea()
        area.set_size_request(w, h)
        area.set_halign(Gtk.Align.CENTER)
        area.set_valign(Gtk.Align.START)
        area.set_color_config(Gimp.get_color_configuration())
        area.set_tooltip_text("Click where you want to look")
        area.add_events(Gdk.EventMask.BUTTON_PRESS_MASK | Gdk.EventMask.BUTTON1_MOTION_MASK)
        area.connect("button-press-event", self._pointed)
        area.connect("motion-notify-event", self._pointed)
        return area

    def _draw_overview(self) -> None:
        """Draw a light frame with a dark edge where the region is."""
        picture = self.small.copy()
        width, height = picture.get_width(), picture.get_height()
        left, top = self.source.region[:2]
        x, y, w, h = self.region
        x0, y0 = int((x - left) * self.reduction), int((y - top) * self.reduction)
        x1 = min(width, max(x0 + 3, round((x - left + w) * self.reduction)))
        y1 = min(height, max(y0 + 3, round((y - top + h) * self.reduction)))
        for inset, colour in ((0, 0x000000FF), (1, 0xFFFFFFFF)):
            frame(picture, x0 + inset, y0 + inset, x1 - inset, y1 - inset, colour)
        draw(self.overview, picture)

    def move_to(self, x: float, y: float) -> None:
        """Centre the region on a point of the layer, as far as it goes."""
        before = self.region
        self.centre = x, y
        x0, y0, w, h = self.region
        self.centre = x0 + w / 2, y0 + h / 2  # so that a drag back is felt at once
        if self.region != before:
            self.show_before()
            self.on_move()

    def _pointed(self, _area: Any, event: Any) -> bool:
        left, top = self.source.region[:2]
        self.move_to(left + event.x / self.reduction, top + event.y / self.reduction)
        return True

    def _gripped(self, area: Any, event: Any) -> bool:
        area.grab_focus()
        self.grip = event.x, event.y
        return True

    def _dragged(self, _area: Any, event: Any) -> bool:
        if self.grip is not None:
            dx, dy = (self.grip[0] - event.x, self.grip[1] - event.y)
            if abs(dx) >= self.scale or abs(dy) >= self.scale:
                self.grip = event.x, event.y
                self.move_to(self.centre[0] + dx / self.scale, self.centre[1] + dy / self.scale)
        return True

    def _let_go(self, _area: Any, _event: Any) -> bool:
        self.grip = None
        return True

    def _key_pressed(self, _area: Any, event: Any) -> bool:
        step = _STEPS.get(Gdk.keyval_name(event.keyval))
        if step is None:
            return False
        w, h = self.region[2:]
        self.move_to(
            self.centre[0] + step[0] * max(1, w // _STEP_PARTS),
            self.centre[1] + step[1] * max(1, h // _STEP_PARTS),
        )
        return True


def pixbuf_of(data: bytes, width: int, height: int) -> Any:
    """A pixbuf of RGBA bytes."""
    return GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(data), GdkPixbuf.Colorspace.RGB, True, 8, width, height, 4 * width
    )


def draw(area: Any, picture: Any) -> None:
    """Show a pixbuf of RGBA in a preview area; what is clear shows GIMP's checks."""
    area.draw(
        0, 0, picture.get_width(), picture.get_height(),
        Gimp.ImageType.RGBA_IMAGE, picture.get_pixels(), picture.get_rowstride(),
    )  # fmt: skip


def frame(picture: Any, x0: int, y0: int, x1: int, y1: int, colour: int) -> None:
    """Draw a frame of one pixel into a pixbuf."""
    w, h = x1 - x0, y1 - y0
    if w < 1 or h < 1:
        return
    for x, y, width, height in (
        (x0, y0, w, 1), (x0, y1 - 1, w, 1), (x0, y0, 1, h), (x1 - 1, y0, 1, h),
    ):  # fmt: skip
        picture.new_subpixbuf(x, y, width, height).fill(colour)
