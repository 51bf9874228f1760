"""Where the entries are, when they can be used, and which layers are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krita import Krita

from . import handling

if TYPE_CHECKING:
    from .handling import Steps

SRGB = "sRGB-elle-V2-srgbtrc.icc"


def main(job: dict[str, Any], report: dict[str, Any], _folder: str) -> Steps:
    """`job["tasks"]` are the manifest's."""
    krita = Krita.instance()
    tasks = job["tasks"]
    bar = krita.activeWindow().qwindow().menuBar()
    report["places"] = {
        task: places(bar, krita.action(f"dinplug_{task}").text(), []) for task in tasks
    }
    # Krita looks a moment after its window came.
    yield from handling.until(lambda: not any(enabled(tasks)), "entries that are disabled", 20)
    krita.action("dinplug_dehaze").trigger()  # a shortcut cannot, but another script may
    report["no document"] = yield from handling.refusal()

    document = yield from handling.new_document(40, 30, ("RGBA", "U8", SRGB))
    background = document.topLevelNodes()[0]
    report["with"] = enabled(tasks)
    handling.trigger("dehaze")
    dialog = yield from handling.until(
        lambda: next(iter(handling.dialogs("dinplug_dehaze")), None), "a dialog"
    )
    handling.trigger("dehaze")
    yield 300
    report["dialogs for one layer"] = len(handling.dialogs("dinplug_dehaze"))
    handling.click(dialog, "close")
    yield from handling.until(lambda: handling.is_closed(dialog), "the dialog's end")

    layers: dict[str, Any] = {"empty": document.createNode("empty", "paintlayer")}
    for model in ("CMYKA", "LABA", "XYZA", "YCbCrA"):
        layer = layers[model] = document.createNode(model, "paintlayer")
        profile = next(iter(krita.profiles(model, "U16")))
        layer.setColorSpace(model, "U16", profile)
    layers["hidden"] = document.createNode("hidden", "paintlayer")
    layers["hidden"].setVisible(False)
    layers["outside"] = document.createNode("outside", "paintlayer")
    group = document.createGroupLayer("group")
    group.setVisible(False)
    layers["in a hidden group"] = document.createNode("child", "paintlayer")
    for name, layer in layers.items():
        x = 100 if name == "outside" else 0
        if name != "empty":
            layer.setPixelData(b"\x80" * 8 * 200, x, 0, 10, 10)
    document.rootNode().addChildNode(group, None)
    for name, layer in layers.items():
        (group if "group" in name else document.rootNode()).addChildNode(layer, None)
    document.refreshProjection()
    yield 200
    for name, layer in layers.items():
        yield from choose(document, layer)
        handling.trigger("dehaze")
        report[name] = yield from handling.refusal()

    # A mask stands for its layer, whose pixels are those that the mask leaves.
    handling.select(document, [5, 5, 10, 10])
    report["mask"] = []
    mask = document.createFilterMask("mask", krita.filter("invert"), document.selection())
    background.setPixelData(b"\x40\x50\x60\xff" * 1200, 0, 0, 40, 30)
    background.addChildNode(mask, None)
    document.setSelection(None)
    document.refreshProjection()
    document.waitForDone()
    yield 200
    yield from choose(document, mask)
    dialog = yield from handling.opened("dehaze")
    report["mask"] = [dialog.source.layer == background, dialog.windowTitle()]
    shown = bytes(dialog.source.read((0, 0, 40, 30)))
    report["mask"].append(shown == bytes(background.projectionPixelData(0, 0, 40, 30)))
    report["mask"].append(shown != bytes(background.pixelData(0, 0, 40, 30)))
    handling.click(dialog, "close")
    yield 100
    report["documents left"] = len(krita.documents())
    yield from handling.close(document)
    yield from handling.until(lambda: not any(enabled(tasks)), "entries that are disabled", 20)


def enabled(tasks: list[str]) -> list[bool]:
    """Which entries can be used."""
    return [bool(Krita.instance().action(f"dinplug_{task}").isEnabled()) for task in tasks]


def choose(document: Any, layer: Any) -> Steps:
    """Make a layer the active one."""
    document.setActiveNode(layer)
    yield from handling.until(lambda: document.activeNode() == layer, "the active layer")


def places(menu: Any, text: str, path: list[str]) -> list[list[str]]:
    """The menus below one that hold an entry of that text, by their own texts."""
    found = []
    for action in menu.actions():
        if action.menu() is not None:
            found += places(action.menu(), text, [*path, action.text().replace("&", "")])
        elif action.text() == text:
            found.append(path)
    return found
