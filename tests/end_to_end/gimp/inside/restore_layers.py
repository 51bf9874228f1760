"""Restores layers in every situation there is, and tells what the image looks like then."""

from typing import Any

from tests.end_to_end.gimp.inside import lab
from tests.end_to_end.gimp.inside.lab import Gimp

ORDER = lab.ORDERS["photo"]
SIZE = tuple(ORDER["size"])


def restored(name: str, image: Any, layer: Any) -> dict[str, Any]:
    """Run the task; keep the pixels of its result, and of all that is seen."""
    made, said = lab.run("dinplug-dehaze", image, [layer])
    seen = image.duplicate()
    projection = seen.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)
    (lab.FOLDER / f"{name}.seen").write_bytes(lab.read(projection))
    seen.delete()
    result = lab.told(made, name) if made is not None else None
    selected = [entry.get_name() for entry in image.get_selected_layers()]
    found = {**said, "result": result, "layers": lab.layers(image), "selected": selected}
    image.delete()
    return found


def hard_selection() -> dict[str, Any]:
    image, layer = lab.photo(ORDER)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, *lab.ORDERS["rectangle"])
    return restored("hard_selection", image, layer)


def soft_selection() -> dict[str, Any]:
    image, layer = lab.photo(ORDER)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, *lab.ORDERS["rectangle"])
    Gimp.Selection.feather(image, 4)
    selection = image.get_selection()
    (lab.FOLDER / "soft_selection.selection").write_bytes(lab.read(selection))
    return restored("soft_selection", image, layer)


def off_the_canvas() -> dict[str, Any]:
    image, layer = lab.photo(ORDER)
    layer.set_offsets(*lab.ORDERS["offsets"])
    image.select_rectangle(Gimp.ChannelOps.REPLACE, *lab.ORDERS["rectangle"])
    return restored("off_the_canvas", image, layer)


def masked(image: Any, layer: Any) -> None:
    """Give a layer a mask of growing values."""
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    layer.add_mask(mask)
    lab.write(mask, (lab.FOLDER / lab.ORDERS["mask"]).read_bytes())


def mask() -> dict[str, Any]:
    image, layer = lab.photo(ORDER)
    masked(image, layer)
    return restored("mask", image, layer)


def mask_and_selection() -> dict[str, Any]:
    image, layer = lab.photo(ORDER)
    masked(image, layer)
    image.select_ellipse(Gimp.ChannelOps.REPLACE, *lab.ORDERS["rectangle"])
    Gimp.Selection.feather(image, 4)
    return restored("mask_and_selection", image, layer)


def in_a_group() -> dict[str, Any]:
    image = lab.new_image(ORDER["precision"], ORDER["channels"], SIZE)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    layer = lab.new_layer(image, ORDER["channels"], SIZE, ORDER["samples"], group)
    lab.new_layer(image, ORDER["channels"], SIZE, ORDER["samples"], group).set_name("top")
    layer.set_opacity(60)
    layer.set_mode(Gimp.LayerMode.MULTIPLY)
    return restored("in_a_group", image, layer)


def a_group() -> dict[str, Any]:
    image = lab.new_image(ORDER["precision"], ORDER["channels"], SIZE)
    group = Gimp.GroupLayer.new(image, "group")
    image.insert_layer(group, None, 0)
    lab.new_layer(image, ORDER["channels"], SIZE, ORDER["samples"], group)
    return restored("a_group", image, group)


def with_a_filter() -> dict[str, Any]:
    image, layer = lab.photo(ORDER)
    effect = Gimp.DrawableFilter.new(layer, "gegl:invert-gamma", "inverted")
    layer.append_filter(effect)
    effect.update()
    copy = image.duplicate()
    inverted = copy.get_layers()[0]
    inverted.merge_filters()
    (lab.FOLDER / "with_a_filter.input").write_bytes(lab.read(inverted))
    copy.delete()
    found = restored("with_a_filter", image, layer)
    return found


CASES = [
    hard_selection, soft_selection, off_the_canvas, mask, mask_and_selection, in_a_group, a_group,
    with_a_filter,
]  # fmt: skip
lab.report({case.__name__: case() for case in CASES})
