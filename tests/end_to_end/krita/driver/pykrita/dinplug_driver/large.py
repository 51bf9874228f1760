"""Restore a layer of 24 million pixels, and look whether Krita goes on meanwhile."""

from __future__ import annotations

import operator
import time
from typing import TYPE_CHECKING, Any

from PyQt5.QtCore import QTimer

from . import handling

if TYPE_CHECKING:
    from .handling import Steps


def main(job: dict[str, Any], report: dict[str, Any], folder: str) -> Steps:
    """`job` has the size, colours and pixels of the picture, and the model to choose."""
    width, height = job["size"]
    document = yield from handling.new_document(width, height, job["colours"])
    layer = document.topLevelNodes()[0]
    handling.fill(layer, job["pixels"], [0, 0, width, height])
    document.refreshProjection()
    document.waitForDone()
    yield 500

    ticks: list[float] = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(20)
    dialog = yield from handling.opened(job["task"])
    handling.part(dialog, "has_preview").click()
    yield from handling.until(lambda: dialog.doing == "", "the worker")
    models = handling.part(dialog, "model")
    models.box.setCurrentIndex(models.box.findData(job["model"]))
    models.box.activated.emit(models.box.currentIndex())
    yield from handling.until(
        lambda: not dialog.settling.isActive() and dialog.doing == "", "the model"
    )
    report["words"] = dialog.panel.about.text()
    handling.click(dialog, "restore")
    yield from handling.until(lambda: handling.is_closed(dialog), "the result")
    timer.stop()
    document.waitForDone()
    gaps = sorted(map(operator.sub, ticks[1:], ticks))
    report["ticks"], report["longest gaps"] = len(ticks), gaps[-5:]
    new = document.topLevelNodes()[-1]
    report["name"] = new.name()
    handling.dump(folder, "large.result", new.pixelData(0, 0, width, height))
    yield from handling.close(document)
