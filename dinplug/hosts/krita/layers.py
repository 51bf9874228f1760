"""Which layer is restored, and its pixels as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from krita import Krita, ManagedColor

from ..protocol import SAMPLE_BYTES
from .samples import CHANNELS, DTYPES

if TYPE_CHECKING:
    Rectangle = tuple[int, int, int, int]

_MODEL_NAMES = {"CMYKA": "CMYK", "LABA": "L*a*b*", "XYZA": "XYZ", "YCbCrA": "YCbCr", "A": "a mask"}
_LINEAR_PROFILE = "sRGB-elle-V2-g10.icc"
_CLOSE = 0.01


class LayerError(Exception):
    """A layer that cannot be restored, or is no more; the text is one sentence."""


class Look(NamedTuple):
    """What a layer is at present: the part to restore (x, y, width, height), and its colours."""

    region: Rectangle
    model: str
    depth: str
    profile: str

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel."""
        return CHANNELS[self.model] * SAMPLE_BYTES[DTYPES[self.depth]]


class Source:
    """A layer to restore; `takes_canvas` if the part is the whole canvas, filled or not."""

    def __init__(self, document: Any, layer: Any, takes_canvas: bool) -> None:
        self.document, self.layer, self.takes_canvas = document, layer, takes_canvas

    @property
    def is_open(self) -> bool:
        """Whether the document is still there."""
        return self.document in Krita.instance().documents()

    def look(self) -> Look:
        """What the layer is now; raises LayerError."""
        self.check_place()
        layer, name = self.layer, self.layer.name()
        node = layer
        while node is not None:
            if not node.visible():
                raise LayerError(f'the layer "{name}" is hidden: show it and its groups first')
            node = node.parentNode()
        model = layer.colorModel()
        if model not in CHANNELS:
            raise LayerError(
                f'the layer "{name}" is {_MODEL_NAMES.get(model, model)}, and dinplug restores '
                "RGB and grey: convert the layer or a copy of it first"
            )
        region = canvas = (0, 0, self.document.width(), self.document.height())
        bounds = layer.bounds()
        filled = overlap((bounds.x(), bounds.y(), bounds.width(), bounds.height()), canvas)
        if filled is None:
            raise LayerError(f'the layer "{name}" is empty: choose the layer with the picture')
        if not self.takes_canvas:
            # What lies outside the canvas is neither seen nor saved with a picture, and would
            # change the result: networks pool over all they are given.
            region = filled
        return Look(region, model, layer.colorDepth(), layer.colorProfile())

    def check_place(self) -> None:
        """Raise LayerError if the document is closed, or the layer no more in it."""
        if not self.is_open:
            raise LayerError("the picture was closed in the meantime: nothing was added")
        node = self.layer
        while node.parentNode() is not None:
            node = node.parentNode()
        if node != self.document.rootNode():
            raise LayerError("the layer was removed in the meantime: nothing was added")

    def read(self, part: Rectangle) -> bytearray:
        """The samples of a part as Krita keeps them, with what masks and styles make of them.

        A group's are those of all that is in it.
        """
        return bytearray(self.layer.projectionPixelData(*part))


def active_source(takes_canvas: bool) -> Source:
    """The active layer of the active document; raises LayerError if there is none to restore."""
    document = Krita.instance().activeDocument()
    if document is None:
        raise LayerError("no picture is open: open one first")
    layer = document.activeNode()
    while layer is not None and layer.type().endswith("mask"):
        layer = layer.parentNode()
    if layer is None or layer.parentNode() is None:
        raise LayerError("no layer is chosen: choose the layer with the picture")
    source = Source(document, layer, takes_canvas)
    source.look()
    return source


def overlap(one: Rectangle, other: Rectangle) -> Rectangle | None:
    """What two rectangles (x, y, width, height) share, or None."""
    left, top = max(one[0], other[0]), max(one[1], other[1])
    right = min(one[0] + one[2], other[0] + other[2])
    bottom = min(one[1] + one[3], other[1] + other[3])
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def encoding_of(model: str, profile: str) -> str:
    """Whether samples in a profile are "linear" light or encoded for "display".

    Krita tells a profile's name only, but converts single colours: where half intensity is half
    the light, the samples are linear. "profile" where Krita does not know the profile any more.
    """
    for value in (0.25, 0.5):
        colour = ManagedColor(model, "F32", profile)
        if colour.colorProfile() != profile:
            return "profile"
        colour.setComponents([value] * (CHANNELS[model] - 1) + [1.0])
        colour.setColorSpace("RGBA", "F32", _LINEAR_PROFILE)
        if abs(colour.components()[0] - value) > _CLOSE:
            return "display"
    return "linear"
