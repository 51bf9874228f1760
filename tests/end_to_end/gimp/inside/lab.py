"""What the scripts share that tests run inside GIMP: images of given samples, runs, reports.

It runs in GIMP's own Python. The test's orders are in a JSON file that DINPLUG_TEST_ORDERS names;
the report goes beside it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gi.repository import Babl, Gegl, Gimp, Gio, GLib

ORDERS = json.loads(Path(os.environ["DINPLUG_TEST_ORDERS"]).read_text("utf-8"))
FOLDER = Path(os.environ["DINPLUG_TEST_ORDERS"]).parent
PLUGIN = Path(os.environ["GIMP3_DIRECTORY"], "plug-ins", "dinplug")
TYPES = {
    1: Gimp.ImageType.GRAY_IMAGE,
    2: Gimp.ImageType.GRAYA_IMAGE,
    3: Gimp.ImageType.RGB_IMAGE,
    4: Gimp.ImageType.RGBA_IMAGE,
}


def report(found: dict[str, Any]) -> None:
    """Hand what was found to the test."""
    (FOLDER / "report.json").write_text(json.dumps(found), "utf-8")


def whole(drawable: Any) -> Any:
    """The rectangle of all pixels."""
    return Gegl.Rectangle.new(0, 0, drawable.get_width(), drawable.get_height())


def read(drawable: Any) -> bytes:
    """All pixels as they are stored."""
    pixels: bytes = drawable.get_buffer().get(whole(drawable), 1.0, None, Gegl.AbyssPolicy.NONE)
    return pixels


def write(drawable: Any, pixels: bytes) -> None:
    """Replace all pixels as they are stored."""
    buffer = drawable.get_buffer()
    buffer.set(whole(drawable), Babl.get_name(drawable.get_format()), pixels)
    buffer.flush()
    drawable.update(0, 0, drawable.get_width(), drawable.get_height())


def new_image(precision: str, channels: int, size: tuple[int, int], profile: str = "") -> Any:
    """An empty image; `size` is (width, height), `profile` the name of a file."""
    base = Gimp.ImageBaseType.GRAY if channels < 3 else Gimp.ImageBaseType.RGB
    image = Gimp.Image.new_with_precision(*size, base, getattr(Gimp.Precision, precision))
    if profile:
        icc = (FOLDER / profile).read_bytes()
        assert image.set_color_profile(Gimp.ColorProfile.new_from_icc_profile(icc))
    return image


def new_layer(
    image: Any, channels: int, size: tuple[int, int], samples: str, parent: Any = None
) -> Any:
    """A layer of the samples in a file, at the top of an image or group."""
    layer = Gimp.Layer.new(image, "photo", *size, TYPES[channels], 100, Gimp.LayerMode.NORMAL)
    image.insert_layer(layer, parent, 0)
    write(layer, (FOLDER / samples).read_bytes())
    return layer


def photo(order: dict[str, Any]) -> tuple[Any, Any]:
    """An image with one layer, both as ordered."""
    size = tuple(order["size"])
    image = new_image(order["precision"], order["channels"], size, order.get("profile", ""))
    return image, new_layer(image, order["channels"], size, order["samples"])


def run(
    name: str, image: Any, drawables: list[Any], **arguments: Any
) -> tuple[Any, dict[str, Any]]:
    """Run a procedure as scripts do; return what it made, and what it said."""
    procedure = Gimp.get_pdb().lookup_procedure(name)
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_core_object_array("drawables", drawables)
    for key, value in arguments.items():
        config.set_property(key, value)
    values = procedure.run(config)
    status = values.index(0)
    made = values.index(1) if status == Gimp.PDBStatusType.SUCCESS else None
    return made, {"status": status.value_name, "message": Gimp.get_pdb().get_last_error()}


def told(layer: Any, name: str = "") -> dict[str, Any]:
    """What there is to say of a layer; its pixels, and its mask's, go to files called `name`."""
    found = {
        "name": layer.get_name(),
        "size": [layer.get_width(), layer.get_height()],
        "offsets": list(layer.get_offsets()[1:]),
        "format": Babl.get_name(layer.get_format()),
        "visible": layer.get_visible(),
        "opacity": layer.get_opacity(),
        "mode": layer.get_mode().value_nick,
        "mask": layer.get_mask() is not None,
        "children": [told(child) for child in layer.get_children()] if layer.is_group() else [],
    }
    if name:
        (FOLDER / f"{name}.pixels").write_bytes(read(layer))
        if layer.get_mask() is not None:
            (FOLDER / f"{name}.mask").write_bytes(read(layer.get_mask()))
    return found


def layers(image: Any) -> list[dict[str, Any]]:
    """What there is to say of an image's layers, the top one first."""
    return [told(layer) for layer in image.get_layers()]


def open_file(path: str) -> Any:
    """Open a file as users do."""
    return Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(path))


__all__ = [
    "FOLDER",
    "ORDERS",
    "PLUGIN",
    "GLib",
    "Gimp",
    "Gio",
    "layers",
    "new_image",
    "new_layer",
    "open_file",
    "photo",
    "read",
    "report",
    "run",
    "told",
    "whole",
    "write",
]  # fmt: skip
