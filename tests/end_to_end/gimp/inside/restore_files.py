"""Restores files as users have them: opened by GIMP, restored, exported by GIMP."""

from typing import Any

from tests.end_to_end.gimp.inside import lab
from tests.end_to_end.gimp.inside.lab import Gimp, Gio


def export(image: Any, path: str) -> None:
    """Export an image as its file's name says, with profile and metadata."""
    kind = "tiff" if path.endswith(".tif") else "jpeg"
    procedure = Gimp.get_pdb().lookup_procedure(f"file-{kind}-export")
    config = procedure.create_config()
    config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
    config.set_property("image", image)
    config.set_property("file", Gio.File.new_for_path(path))
    config.set_property("include-color-profile", True)
    config.set_property("include-exif", True)
    config.set_property("include-thumbnail", False)
    assert procedure.run(config).index(0) == Gimp.PDBStatusType.SUCCESS


def wide_gamut() -> dict[str, Any]:
    """A TIFF, restored with the values of the last time."""
    image = lab.open_file(lab.ORDERS["tiff"])
    (layer,) = image.get_layers()
    last = {"run-mode": Gimp.RunMode.WITH_LAST_VALS}
    _, said = lab.run("dinplug-dehaze", image, [layer], **last)
    image.remove_layer(layer)
    export(image, lab.ORDERS["exported"])
    return said


def enlarged() -> dict[str, Any]:
    """A JPEG with metadata."""
    image = lab.open_file(lab.ORDERS["jpeg"])
    made, said = lab.run("dinplug-sr", image, image.get_layers(), scale="2")
    export(made, lab.ORDERS["exported jpeg"])
    return said


lab.report({"wide_gamut": wide_gamut(), "enlarged": enlarged()})
