"""What is to be restored: a layer, its pixels as they are stored, and where the selection is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .. import protocol
from ..pixels import PixelShape
from .introspection import Babl, Gegl, Gimp
from .refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client import Client
    from ..protocol import Message
    from ..session import Region

MASK = "Y u16"
"""The format in which values of selections and masks are read and written."""
DTYPES = {
    "u8": "uint8", "u16": "uint16", "u32": "uint32",
    "half": "float16", "float": "float32", "double": "float64",
}  # fmt: skip
"""The worker's names for babl's types of samples."""
_OPAQUE = {
    "uint8": b"\xff", "uint16": b"\xff" * 2, "uint32": b"\xff" * 4,
    "float16": b"\x00\x3c", "float32": b"\x00\x00\x80\x3f",
    "float64": b"\x00\x00\x00\x00\x00\x00\xf0\x3f",
}  # fmt: skip
"""Full alpha, in the byte order of the machines GIMP runs on."""


class Source(NamedTuple):
    """A layer or group, its pixels in its own format and colour space, and what is selected.

    `region` is in the layer's coordinates, and all of it where there is no selection;
    `selection` are the values of a selection there, as MASK, or None. `shown` is a buffer of the
    pixels, for previews. They are as they were when the layer was read.
    """

    image: Any
    layer: Any
    format: str
    shape: PixelShape
    samples: bytes
    profile: bytes
    encoding: str
    region: Region
    selection: bytes | None
    shown: Any

    @property
    def is_opaque(self) -> bool:
        """Whether no pixel lets through what is below."""
        if self.shape.channels in (1, 3):
            return True
        full = _OPAQUE[self.shape.dtype]
        step = len(full) * self.shape.channels
        start = step - len(full)
        pixels = self.shape.width * self.shape.height
        return all(
            self.samples[start + place :: step].count(byte) == pixels
            for place, byte in enumerate(full)
        )

    def check_unchanged(self) -> None:
        """Raise RefusalError if the layer is gone, or can take no layer above it."""
        image, layer = self.image, self.layer
        if not image.is_valid() or not layer.is_valid() or layer.get_image() != image:
            raise RefusalError("the layer is not there any more: nothing was added")
        check_image(image)
        if size_and_format(layer) != (*self.shape[:2], self.format):
            raise RefusalError("the layer was changed in the meantime: nothing was added")

    def hand_over(self, client: Client) -> Message:
        """Put the pixels into a client's folder; return the fields of "open"."""
        fields = client.put_pixels(self.shape, self.samples, self.profile)
        return {**fields, "encoding": self.encoding}


def chosen_layer(image: Any, drawables: Sequence[Any]) -> Any:
    """The one layer or group to restore; raises RefusalError if there is none, or more."""
    check_image(image)
    if not drawables:
        raise RefusalError("no layer is selected: select the one to restore")
    if len(drawables) > 1:
        raise RefusalError(f"{len(drawables)} layers are selected: dinplug restores one at a time")
    layer = drawables[0]
    if not isinstance(layer, Gimp.Layer):
        raise RefusalError("a channel or mask is selected: select a layer")
    if layer.get_width() * layer.get_height() > protocol.MOST_PIXELS:
        raise RefusalError(
            f"the layer has more than the {protocol.MOST_PIXELS} pixels dinplug takes"
        )
    return layer


def check_image(image: Any) -> None:
    """Raise RefusalError for an image that dinplug cannot work in."""
    if image.get_base_type() == Gimp.ImageBaseType.INDEXED:
        raise RefusalError(
            "an image of indexed colours cannot be restored: choose Image > Mode > RGB first"
        )
    if image.get_floating_sel() is not None:
        raise RefusalError("there is a floating selection: anchor it or make it a layer first")


def read_source(image: Any, drawables: Sequence[Any]) -> Source:
    """Read the layer to restore; raises RefusalError if it cannot be restored as it is."""
    layer = chosen_layer(image, drawables)
    width, height = layer.get_width(), layer.get_height()
    touched, *selected = layer.mask_intersect()
    if not touched:
        raise RefusalError(
            "the selection does not touch the layer: change it, or choose Select > None"
        )
    buffer, form = buffer_as_seen(image, layer), layer.get_format()
    shape = PixelShape(
        width, height, Babl.format_get_n_components(form),
        DTYPES[Babl.get_name(Babl.format_get_type(form, 0))],
    )  # fmt: skip
    profile = image.get_color_profile()
    return Source(
        image=image,
        layer=layer,
        format=Babl.get_name(form),
        shape=shape,
        samples=buffer.get(
            Gegl.Rectangle.new(0, 0, width, height), 1.0, None, Gegl.AbyssPolicy.NONE
        ),
        profile=b"" if profile is None else bytes(profile.get_icc_profile()),
        encoding=encoding_of(image),
        region=tuple(selected),
        selection=selection_in(image, layer, selected),
        shown=buffer,
    )


def selection_in(image: Any, layer: Any, region: Sequence[int]) -> bytes | None:
    """The selection's values in a region of a layer, or None where nothing is selected."""
    if Gimp.Selection.is_empty(image):
        return None
    x, y, width, height = region
    left, top = layer.get_offsets()[1:]
    place = Gegl.Rectangle.new(left + x, top + y, width, height)
    values: bytes = image.get_selection().get_buffer().get(place, 1.0, MASK, Gegl.AbyssPolicy.NONE)
    return values


def buffer_as_seen(image: Any, layer: Any) -> Any:
    """A layer's pixels with its non-destructive filters, which stay as they are.

    Raises RefusalError if they make another layer of it, larger or with alpha.
    """
    if not layer.get_filters():
        return layer.get_buffer()
    workshop = Gimp.Image.new_with_precision(
        image.get_width(), image.get_height(), image.get_base_type(), image.get_precision()
    )
    try:
        if image.get_color_profile() is not None:
            workshop.set_color_profile(image.get_color_profile())
        copy = Gimp.Layer.new_from_drawable(layer, workshop)
        workshop.insert_layer(copy, None, 0)
        copy.merge_filters()
        if size_and_format(copy) != size_and_format(layer):
            raise RefusalError("a filter reaches beyond the layer: merge the layer's filters first")
        return copy.get_buffer().dup()
    finally:
        workshop.delete()


def size_and_format(layer: Any) -> tuple[int, int, str]:
    """What the pixels of a layer are like."""
    return layer.get_width(), layer.get_height(), Babl.get_name(layer.get_format())


def encoding_of(image: Any) -> str:
    """Whether an image's samples are linear light, in the worker's words.

    Linear and perceptual precisions put another curve in the place of the profile's.
    """
    precision = image.get_precision().value_nick
    if precision.endswith("-linear") and not precision.endswith("-non-linear"):
        return "linear"
    if precision.endswith("-perceptual") or image.get_color_profile() is None:
        return "display"
    return "profile"
