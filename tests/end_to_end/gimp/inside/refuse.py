"""Asks for what cannot be done, and tells what is answered."""

import json
import os
from typing import Any

from tests.end_to_end.gimp.inside import lab
from tests.end_to_end.gimp.inside.lab import Gimp

ORDER = lab.ORDERS["photo"]
RECORD = lab.PLUGIN / "dinplug.json"


def asked(image: Any, drawables: list[Any], task: str = "dehaze", **arguments: Any) -> Any:
    """Ask for a restoration that will not be; tell of it, and of the image."""
    images = len(Gimp.get_images())
    before = lab.layers(image)
    made, said = lab.run(f"dinplug-{task}", image, drawables, **arguments)
    unchanged = lab.layers(image) == before and len(Gimp.get_images()) == images
    image.delete()
    return {**said, "made": made is not None, "unchanged": unchanged}


def indexed() -> Any:
    image, layer = lab.photo(ORDER)
    none = Gimp.ConvertDitherType.NONE
    image.convert_indexed(none, Gimp.ConvertPaletteType.GENERATE, 8, False, False, "")
    return asked(image, [layer])


def nothing() -> Any:
    image, _ = lab.photo(ORDER)
    return asked(image, [])


def several() -> Any:
    image, layer = lab.photo(ORDER)
    other = lab.new_layer(image, ORDER["channels"], tuple(ORDER["size"]), ORDER["samples"])
    return asked(image, [layer, other])


def channel() -> Any:
    image, _ = lab.photo(ORDER)
    made = Gimp.Channel.new(image, "channel", *ORDER["size"], 50, Gimp.context_get_foreground())
    image.insert_channel(made, None, 0)
    return asked(image, [made])


def mask() -> Any:
    image, layer = lab.photo(ORDER)
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    return asked(image, [layer.get_mask()])


def enlarged_mask() -> Any:
    image, layer = lab.photo(ORDER)
    layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))
    return asked(image, [layer], "sr")


def floating() -> Any:
    image, layer = lab.photo(ORDER)
    layer.add_alpha()
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 2, 2, 8, 8)
    piece = Gimp.Selection.float(image, [layer], 0, 0)
    return asked(image, [piece])


def growing_filter() -> Any:
    image, layer = lab.photo(ORDER)
    shadow = Gimp.DrawableFilter.new(layer, "gegl:dropshadow", "shadow")
    layer.append_filter(shadow)
    shadow.update()
    return asked(image, [layer])


def elsewhere() -> Any:
    image, layer = lab.photo(ORDER)
    layer.set_offsets(ORDER["size"][0] // 2, 0)
    image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 4, 4)
    return asked(image, [layer])


def unknown_model() -> Any:
    image, layer = lab.photo(ORDER)
    return asked(image, [layer], model="no-such-model")


def misspelt_device() -> Any:
    image, layer = lab.photo(ORDER)
    return asked(image, [layer], device="gpu 1")


def with_worker(python: Any) -> Any:
    """Ask while the plug-in's record says that this is dinplug's Python."""
    record = RECORD.read_text("utf-8")
    RECORD.write_text(json.dumps({**json.loads(record), "python": str(python)}), "utf-8")
    try:
        image, layer = lab.photo(ORDER)
        return asked(image, [layer])
    finally:
        RECORD.write_text(record, "utf-8")


def program(name: str, text: str) -> Any:
    """An executable file."""
    path = lab.FOLDER / name
    path.write_text(text, "utf-8")
    os.chmod(path, 0o755)
    return path


def missing_worker() -> Any:
    return with_worker(lab.FOLDER / "nowhere" / "python")


def broken_worker() -> Any:
    return with_worker(program("broken", "#!/bin/sh\necho No module named torch >&2\nexit 1\n"))


def other_version() -> Any:
    answer = {"id": 1, "answer": "result", "protocol": 999, "dinplug": "9.9.9"}
    text = f"#!/bin/sh\nread line\necho '{json.dumps(answer)}'\nexec sleep 60\n"
    return with_worker(program("newer", text))


CASES = [
    indexed, nothing, several, channel, mask, enlarged_mask, floating, growing_filter, elsewhere,
    unknown_model, misspelt_device, missing_worker, broken_worker, other_version,
]  # fmt: skip
lab.report({case.__name__: case() for case in CASES})
