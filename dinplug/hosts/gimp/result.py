"""What becomes of a result: a layer above the restored one, or a new image."""

from __future__ import annotations

import operator
from array import array
from typing import TYPE_CHECKING, Any

from .introspection import Babl, Gegl, Gimp
from .source import MASK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..protocol import Message
    from .source import Source


def add_layer(source: Source, result: Message, pixels: Any) -> Any:
    """Put a result above the layer it was made of, as one step of undo; return the new layer.

    It takes the layer's mode, opacity and mask, and a mask of the selection. Without a selection
    it stands for the whole layer, which is hidden where both together would look different.
    Raises RefusalError if the layer is gone.
    """
    source.check_unchanged()
    image, below = source.image, source.layer
    image.undo_group_start()
    try:
        layer = new_layer(image, source, result, pixels)
        copy_look(below, layer)
        left, top = below.get_offsets()[1:]
        layer.set_offsets(left + result["region"][0], top + result["region"][1])
        add_mask(layer, mask_values(source, result["region"]))
        if source.selection is None and not hides_what_is_below(source):
            below.set_visible(False)
        image.insert_layer(layer, below.get_parent(), image.get_item_position(below))
        image.set_selected_layers([layer])
    finally:
        image.undo_group_end()
    return layer


def add_image(source: Source, result: Message, pixels: Any) -> Any:
    """Make an image of a result, with the profile, metadata and resolution of its source.

    Raises RefusalError if the source is gone.
    """
    source.check_unchanged()
    old = source.image
    width, height = result["width"], result["height"]
    image = Gimp.Image.new_with_precision(width, height, old.get_base_type(), old.get_precision())
    image.undo_disable()
    if old.get_color_profile() is not None:
        image.set_color_profile(old.get_color_profile())
    image.set_resolution(*old.get_resolution()[1:])
    image.set_unit(old.get_unit())
    for name in old.get_parasite_list():
        if name not in image.get_parasite_list():
            image.attach_parasite(old.get_parasite(name))
    metadata = old.get_metadata()
    if metadata is not None:
        metadata.set_pixel_size(width, height)
        image.set_metadata(metadata)
    image.insert_layer(new_layer(image, source, result, pixels), None, 0)
    image.undo_enable()
    return image


def new_layer(image: Any, source: Source, result: Message, pixels: Any) -> Any:
    """A layer of the kind of the source's, with the pixels of a result."""
    width, height = result["width"], result["height"]
    layer = Gimp.Layer.new(
        image, result["name"], width, height, source.layer.type(), 100, Gimp.LayerMode.NORMAL
    )
    form = Babl.get_name(layer.get_format())
    if form != source.format:  # other pixels would be converted, and so changed
        raise RuntimeError(f"a layer of {source.format} became one of {form}")
    buffer = layer.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), form, pixels)
    buffer.flush()
    layer.update(0, 0, width, height)
    return layer


def copy_look(below: Any, layer: Any) -> None:
    """Give a layer what decides how another looks among the others."""
    if below.get_mode() != Gimp.LayerMode.PASS_THROUGH:
        layer.set_mode(below.get_mode())
    layer.set_blend_space(below.get_blend_space())
    layer.set_composite_space(below.get_composite_space())
    layer.set_composite_mode(below.get_composite_mode())
    layer.set_opacity(below.get_opacity())


def hides_what_is_below(source: Source) -> bool:
    """Whether a copy of a layer above it is all that is seen of both."""
    layer = source.layer
    return (
        layer.get_mode() in (Gimp.LayerMode.NORMAL, Gimp.LayerMode.NORMAL_LEGACY)
        and layer.get_opacity() == 100
        and layer_mask(layer) is None
        and source.is_opaque
    )


def layer_mask(layer: Any) -> Any:
    """The mask that is in effect on a layer, or None."""
    return layer.get_mask() if layer.get_apply_mask() else None


def mask_values(source: Source, region: Sequence[int]) -> bytes | None:
    """The values of a mask for a region: selection and layer's mask together, or None."""
    mask = layer_mask(source.layer)
    if mask is None:
        return source.selection
    rectangle = Gegl.Rectangle.new(*region)
    values: bytes = mask.get_buffer().get(rectangle, 1.0, MASK, Gegl.AbyssPolicy.NONE)
    return values if source.selection is None else product(values, source.selection)


def product(first: bytes, second: bytes) -> bytes:
    """Multiply values of two masks as MASK, rounded; 65535 is 1."""
    products = map(operator.mul, array("H", first), array("H", second))
    return array("H", [(value + 32767) // 65535 for value in products]).tobytes()


def add_mask(layer: Any, values: bytes | None) -> None:
    """Give a layer a mask of these values, if there are any."""
    if values is None:
        return
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    rectangle = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    buffer = mask.get_buffer()
    buffer.set(rectangle, MASK, values)
    buffer.flush()
    mask.update(0, 0, layer.get_width(), layer.get_height())
