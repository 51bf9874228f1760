"""Restore a list of layers through the dialog, and dump what came of each."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from krita import Krita
from PyQt5.QtGui import QImage

from . import handling

if TYPE_CHECKING:
    from .handling import Steps


def main(job: dict[str, Any], report: dict[str, Any], folder: str) -> Steps:
    """`job["cases"]` by name; each report is under the same name."""
    for name, case in job["cases"].items():
        print(f"case {name}", file=sys.stderr, flush=True)
        report[name] = {}
        yield from restore(name, case, report[name], folder)


def restore(name: str, case: dict[str, Any], report: dict[str, Any], folder: str) -> Steps:
    krita = Krita.instance()
    width, height = case["canvas"]
    document = yield from handling.new_document(width, height, case["document"], case["ppi"])
    layer = document.topLevelNodes()[0]
    fills_canvas = case["place"] == [0, 0, width, height]
    if case["document"] != case["layer"] or case["parent"] or not fills_canvas:
        layer = document.createNode("photo", "paintlayer")
        layer.setColorSpace(*case["layer"])
    handling.fill(layer, os.path.join(folder, case["pixels"]), case["place"])
    if case["parent"]:
        group = document.createGroupLayer("group")
        document.rootNode().addChildNode(group, None)
        group.addChildNode(layer, None)
        layer = group if case["parent"] == "active" else layer
    elif layer.parentNode() is None:
        document.rootNode().addChildNode(layer, None)
    layer.setLocked(case["locked"])
    document.refreshProjection()
    yield 100  # only then Krita's list of layers knows it
    document.setActiveNode(layer)
    yield from handling.until(lambda: document.activeNode() == layer, "the active layer")
    if case["selection"]:
        selection = handling.select(document, *case["selection"])
        x, y, w, h = case["region"]
        handling.dump(folder, f"{name}.mask", selection.pixelData(x, y, w, h))
        yield 50
    documents, siblings = krita.documents(), layer.parentNode().childNodes()
    source = layer.projectionPixelData(*case["region"])
    handling.dump(folder, f"{name}.source", source)

    dialog = yield from handling.opened(case["task"])
    for key, value in case["parameters"].items():
        control = handling.part(dialog, key)
        if key == "strength":
            control.field.setValue(value)
        else:
            control.box.setCurrentIndex(control.box.findData(value))
            control.box.activated.emit(control.box.currentIndex())
    preview = handling.part(dialog, "preview")
    yield from handling.until(
        lambda: (preview.after is not None and dialog.doing == "") or handling.sentence(dialog),
        "the preview",
    )
    report["problem"] = handling.sentence(dialog)
    if report["problem"]:
        return
    left, top, width, height = dialog.comparison.part()
    after = preview.after.convertToFormat(QImage.Format_ARGB32)
    handling.click(dialog, "restore")
    yield from handling.until(lambda: handling.is_closed(dialog), "the result")
    document.waitForDone()
    yield 100

    x, y, _, _ = case["region"]
    if case["task"] == "sr":
        (new,) = [d for d in krita.documents() if d not in documents]
        (node,) = new.topLevelNodes()
        size = [new.width(), new.height()]
        report["new"] = {
            "size": size, "model": new.colorModel(), "depth": new.colorDepth(),
            "profile": new.colorProfile(), "ppi": new.xRes(), "resolution": new.resolution(),
            "name": new.name(), "is_active": krita.activeDocument() == new,
            "modified": new.modified(),
        }  # fmt: skip
        scale = new.width() // document.width()
        shown = new, [v * scale for v in (left, top, width, height)]
        region = [0, 0, *size]
    else:
        (node,) = [n for n in layer.parentNode().childNodes() if n not in siblings]
        region = case["region"]
        shown = document, [x + left, y + top, width, height]
        report["active"] = document.activeNode().name()
        place = siblings.index(layer) + 1
        expected = [*siblings[:place], node, *siblings[place:]]  # a selection is a node, too
        report["is_above"] = layer.parentNode().childNodes() == expected
    report["layer"] = {
        "name": node.name(), "model": node.colorModel(), "depth": node.colorDepth(),
        "profile": node.colorProfile(), "bounds": rectangle_of(node.bounds()),
    }  # fmt: skip
    handling.dump(folder, f"{name}.result", node.pixelData(*region))
    final = shown[0].projection(*shown[1]).convertToFormat(QImage.Format_ARGB32)
    report["preview"] = [after.width(), after.height()]
    handling.dump(folder, f"{name}.final", final.bits().asstring(final.byteCount()))
    handling.dump(folder, f"{name}.preview", after.bits().asstring(after.byteCount()))
    report["source_kept"] = bytes(layer.projectionPixelData(*case["region"])) == bytes(source)
    if case["task"] == "sr":
        report["kept"] = layer.parentNode().childNodes() == siblings
        yield from handling.close(new)
    elif case["undo"]:
        parent = layer.parentNode()
        handling.when_idle(document, "edit_undo")
        yield from handling.until(lambda: parent.childNodes() == siblings, "undo", 20)
        document.waitForDone()
        yield 100
        report["undone"] = bytes(layer.projectionPixelData(*case["region"])) == bytes(source)
        handling.when_idle(document, "edit_redo")
        yield from handling.until(lambda: parent.childNodes() != siblings, "redo", 20)
        (again,) = [n for n in parent.childNodes() if n not in siblings]
        handling.dump(folder, f"{name}.redone", again.pixelData(*region))
    yield from handling.close(document)


def rectangle_of(rectangle: Any) -> list[int]:
    """A QRect as numbers."""
    return [rectangle.x(), rectangle.y(), rectangle.width(), rectangle.height()]
