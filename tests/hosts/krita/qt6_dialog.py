"""Use a dialog under PyQt6 with a stand-in for Krita and a real worker; run by test_qt6.py."""

import sys
import time

from krita import Krita
from PyQt6 import QtCore, QtTest, QtWidgets

from dinplug.hosts.client import Client
from dinplug.hosts.krita import extension
from dinplug.hosts.krita.conversation import Workers
from dinplug.hosts.krita.dialog import RestoreDialog
from dinplug.hosts.krita.layers import Source
from dinplug.hosts.launch import MODULE, Launch
from dinplug.hosts.manifest import load_manifest, task_of


def main() -> None:
    application = QtWidgets.QApplication(["test"])
    krita = Krita.instance()
    document = krita.createDocument(90, 70)
    krita.documents().append(document)
    workers = Workers(lambda: Client(Launch((sys.executable, "-m", MODULE)), "Krita 6", "0.1.0"))
    task = task_of(load_manifest(), "dehaze")
    dialog = RestoreDialog(
        None, task, Source(document, document.topLevelNodes()[0], False), workers
    )
    dialog.show()
    preview, panel = dialog.comparison.preview, dialog.panel
    end = time.monotonic() + 120
    while preview.after is None and panel.message.isHidden() and time.monotonic() < end:
        QtTest.QTest.qWait(20)
    assert panel.message.isHidden(), panel.message.details.toPlainText()
    assert preview.after is not None and preview.after != preview.before
    QtTest.QTest.qWait(100)

    middle = preview.rect().center()
    left = QtCore.Qt.MouseButton.LeftButton
    QtTest.QTest.mousePress(preview, left, pos=middle)
    QtTest.QTest.mouseMove(preview, middle + QtCore.QPoint(20, 0))
    QtTest.QTest.mouseRelease(preview, left, pos=middle + QtCore.QPoint(20, 0))
    moved = preview.share
    assert moved > 0.6
    control = QtCore.Qt.KeyboardModifier.ControlModifier
    QtTest.QTest.keyClick(preview, QtCore.Qt.Key.Key_Left, control)
    assert preview.share < moved
    panel.form.controls["strength"].slider.setValue(30)
    assert panel.form.values()["strength"] == 0.3
    assert not dialog.grab().isNull()
    panel.message.say("a sentence", "a detail")
    panel.message.details_button.click()
    assert panel.message.details.isVisible()
    extension.refuse(dialog, "another sentence")
    assert any(w.objectName() == "dinplug_refusal" for w in application.topLevelWidgets())
    dialog.reject()
    QtTest.QTest.qWait(100)
    assert not dialog.isVisible() and workers.idle is not None
    workers.idle.close()
    print("done")  # noqa: T201


main()
