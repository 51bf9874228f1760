"""What becomes of a result: a layer above the restored one, or a new image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .introspection import Babl, Gegl, Gimp

if TYPE_CHECKING:
    from ..protocol import Message
    from .source import Source


def add_layer(source: Source, result: Message, pixels: Any) -> Any:
    """Put a result above the layer it was made of, as one step of undo; return the new layer.

    It takes the layer's mode, opacity and mask, and a mask of the selection. Without a selection
    it stands for the whole layer, which is hidden where both together would look different.
    """
    image, below = source.image, source.layer
    image.undo_group_start()
    try:
        layer = new_layer(image, source, result, pixels)
        copy_look(below, layer)
        left, top = below.get_offsets()[1:]
        layer.set_offsets(left + result["region"][0], top + result["region"][1])
        mask_of_selection(source, layer)
        if not source.has_selection and not hides_what_is_below(source):
            below.set_visible(False)
        image.insert_layer(layer, below.get_parent(), image.get_item_position(below))
        image.set_selected_layers([layer])
    finally:
        image.undo_group_end()
    return layer


def add_image(source: Source, result: Message, pixels: Any) -> Any:
    """Make an image of a result, with the profile, metadata and resolution of its source."""
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


def mask_of_selection(source: Source, layer: Any) -> None:
    """Give a layer, at its place, a mask of the selection and of the source's mask."""
    image, mask = source.image, layer_mask(source.layer)
    if mask is None and not source.has_selection:
        return
    saved = None
    if mask is not None:
        how = Gimp.ChannelOps.INTERSECT if source.has_selection else Gimp.ChannelOps.REPLACE
        saved = Gimp.Selection.save(image)
        image.select_item(how, mask)
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.SELECTION))
    if saved is not None:
        image.select_item(Gimp.ChannelOps.REPLACE, saved)
        image.remove_channel(saved)
