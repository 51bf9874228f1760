"""A pane of the dialog that shows pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .introspection import Gegl, Gimp, GLib
from .widgets import GdkPixbuf, GimpUi, Gtk

if TYPE_CHECKING:
    from ..session import Region

_DISPLAYED = "R'G'B'A u8"
"""What panes show; babl converts to it from the layer's own colour space."""


class Pane:
    """Shows an RGBA pixbuf in the colours of the display, on GIMP's checks where it is clear."""

    def __init__(self, width: int, height: int, hint: str) -> None:
        self.picture: Any = None
        self.area = GimpUi.PreviewArea(halign=Gtk.Align.CENTER, valign=Gtk.Align.START)
        self.area.set_size_request(width, height)
        self.area.set_color_config(Gimp.get_color_configuration())
        self.area.set_tooltip_text(hint)
        # Before it has a size it takes no pixels.
        self.area.connect_after("size-allocate", self._draw)

    def show(self, picture: Any) -> None:
        """Show a pixbuf."""
        self.picture = picture
        self._draw()

    def _draw(self, *_: object) -> None:
        picture = self.picture
        if picture is not None and self.area.get_allocated_width() > 1:
            self.area.draw(
                0, 0, picture.get_width(), picture.get_height(),
                Gimp.ImageType.RGBA_IMAGE, picture.get_pixels(), picture.get_rowstride(),
            )  # fmt: skip


def picture_of(buffer: Any, region: Region, scale: float = 1.0) -> Any:
    """A pixbuf of a region of a buffer; region and result are those of the scaled buffer."""
    x, y, width, height = region
    data = buffer.get(
        Gegl.Rectangle.new(x, y, width, height), scale, _DISPLAYED, Gegl.AbyssPolicy.CLAMP
    )
    return GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(data), GdkPixbuf.Colorspace.RGB, True, 8, width, height, 4 * width
    )


def enlarged(picture: Any, scale: int) -> Any:
    """A pixbuf enlarged without more detail."""
    size = picture.get_width() * scale, picture.get_height() * scale
    return picture.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)


def faded(picture: Any) -> Any:
    """A pixbuf as it looks where a result is still to come."""
    pale = picture.copy()
    picture.saturate_and_pixelate(pale, 0.2, True)
    return pale


def framed(picture: Any, x0: int, y0: int, x1: int, y1: int) -> Any:
    """A pixbuf with a frame, light with a dark edge, from (x0, y0) to before (x1, y1)."""
    copy = picture.copy()
    for inset, colour in ((0, 0x000000FF), (1, 0xFFFFFFFF)):
        left, top = x0 + inset, y0 + inset
        width, height = x1 - x0 - 2 * inset, y1 - y0 - 2 * inset
        if width < 1 or height < 1:
            break
        for x, y, w, h in (
            (left, top, width, 1), (left, top + height - 1, width, 1),
            (left, top, 1, height), (left + width - 1, top, 1, height),
        ):  # fmt: skip
            copy.new_subpixbuf(x, y, w, h).fill(colour)
    return copy
