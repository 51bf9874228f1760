"""Put a result into Krita: as a layer above the restored one, or as a document of its own.

Both are generators that yield True between steps of a few milliseconds. Nothing shows before the
last step, so that stopping one leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krita import Krita

from .layers import LayerError, overlap
from .samples import limit_alpha, strips, swap_blue_and_red

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..protocol import Message
    from .layers import Look, Rectangle, Source


class Mask:
    """A document's selection as it was at one time, or everything if there was none."""

    def __init__(self, document: Any) -> None:
        selection = document.selection()
        self.selection = None if selection is None else selection.duplicate()

    def chosen(self, region: Rectangle) -> Rectangle:
        """The smallest part of a region that holds what is selected; LayerError if none is."""
        if self.selection is None:
            return region
        found = self.selection
        part = overlap(region, (found.x(), found.y(), found.width(), found.height()))
        if part is None:
            raise LayerError("nothing of the layer is selected: select a part of it, or nothing")
        return part

    def apply(self, samples: bytearray, part: Rectangle, look: Look) -> None:
        """Multiply the alpha of a part's samples by the selection.

        So the layer below shows through as far as a pixel is not selected, and with an opaque
        layer a soft edge looks as if restored and original were mixed by the selection. The
        colours are those of the whole layer's result everywhere: pixels at the edge were
        restored with what lies outside as context.
        """
        if self.selection is not None:
            limit_alpha(samples, bytes(self.selection.pixelData(*part)), look.model, look.depth)


def add_layer(
    source: Source, look: Look, result: Message, pixels: Any, mask: Mask
) -> Iterator[bool]:
    """Add the result above the layer, in one step of undo; raises LayerError if it is gone."""
    source.check_place()
    node = source.document.createNode(result["name"], "paintlayer")
    node.setColorSpace(look.model, look.depth, look.profile)
    left, top, width, _ = look.region
    x, y, w, h = mask.chosen(look.region)
    for start, rows in strips(w, h):
        part = (x, y + start, w, rows)
        place = (x - left, y - top + start, w, rows)
        samples = cut(pixels, place, width, look.pixel_bytes)
        swap_blue_and_red(samples, look.model, look.depth)
        mask.apply(samples, part, look)
        node.setPixelData(samples, *part)
        yield True
    # Only now: a layer's pixels that are set after it was added cannot be undone.
    source.check_place()
    source.layer.parentNode().addChildNode(node, source.layer)


def open_document(source: Source, look: Look, result: Message, pixels: Any) -> Iterator[bool]:
    """Open the result as a document with the layer's colours and the document's resolution."""
    old, (width, height) = source.document, result["whole"]
    name = f"{old.name() or 'picture'}, {result['name']}"
    new = Krita.instance().createDocument(
        width, height, name, look.model, look.depth, look.profile, old.xRes()
    )
    is_shown = False
    try:
        (node,) = new.topLevelNodes()
        node.setName(result["name"])
        for start, rows in strips(width, height):
            part = (0, start, width, rows)
            samples = cut(pixels, part, width, look.pixel_bytes)
            swap_blue_and_red(samples, look.model, look.depth)
            node.setPixelData(samples, *part)
            yield True
        new.refreshProjection()
        new.setModified(True)
        Krita.instance().activeWindow().addView(new)
        is_shown = True
    finally:
        if not is_shown:
            new.close()


def cut(pixels: Any, part: Rectangle, width: int, size: int) -> bytearray:
    """The samples of a part of a picture `width` pixels wide, of `size` bytes a pixel."""
    x, y, w, h = part
    if w == width:
        return bytearray(pixels[y * width * size : (y + h) * width * size])
    starts = range((y * width + x) * size, ((y + h) * width + x) * size, width * size)
    return bytearray().join(pixels[start : start + w * size] for start in starts)
