"""The dialog of a task: its parameters, a preview, and the way to the result.

It is not modal: Krita can be used while it is open, and nothing in it waits. A timer steps through
a generator (`_prepare`, `_compare` or `_restore`), which asks the worker and never blocks.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from typing import TYPE_CHECKING, Any

from krita import Krita

from ..client import WorkerError
from ..launch import LaunchError
from ..protocol import ProtocolError
from ..session import Wish
from . import remembered
from .comparison import Comparison
from .conversation import Conversation
from .layers import LayerError
from .panel import Panel
from .qt import QtCore, QtWidgets
from .results import Mask, add_layer, open_document

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..manifest import Manifest
    from ..protocol import Message
    from .conversation import Workers
    from .layers import Source

_TICK_MS = 20
_STEP_SECONDS = 0.01
_SETTLE_MS = 150


class RestoreDialog(QtWidgets.QDialog):
    """Restores `source` by `task`, an entry of the manifest."""

    def __init__(self, parent: Any, task: Manifest, source: Source, workers: Workers) -> None:
        super().__init__(parent)
        self.task, self.source = task, source
        self.worker = Conversation(workers, source)
        self.doing = ""
        self.steps: Generator[bool, None, None] | None = None
        self.restores_next = False
        self.asked: Wish | None = None
        self.is_busy = False
        self.is_lost = False
        self.wishes: list[Callable[[], None]] = []
        self.has_lists = False
        self.comparison = Comparison(source, makes_layer=task["result"] == "new-layer")
        self.panel = self._panel()
        self.comparison.scale = float(self.panel.form.values().get("scale", 1))
        self.timer = QtCore.QTimer(self)
        self.timer.timeout.connect(self._tick)
        self.settling = QtCore.QTimer(self)
        self.settling.setSingleShot(True)
        self.settling.timeout.connect(lambda: self._soon(self._refresh))
        self.timer.start(_TICK_MS)
        self._run("preparing", self._prepare())

    def _panel(self) -> Panel:
        """Make what is seen, and connect it."""
        settings = Krita.instance().readSetting(remembered.GROUP, self.task["id"], "")
        values, has_preview = remembered.from_text(self.task, settings)
        self.setObjectName(f"dinplug_{self.task['id']}")
        self.setWindowTitle(f"{self.task['title']} - {self.source.layer.name()}")
        panel = Panel(self.task, values, has_preview, self.comparison.preview)
        QtWidgets.QVBoxLayout(self).addWidget(panel)
        for signal in (panel.form.changed, self.comparison.preview.resized):
            signal.connect(lambda: self.settling.start(_SETTLE_MS))
        panel.preview_box.clicked.connect(lambda _: self._soon(self._refresh))
        panel.cancel.clicked.connect(lambda: self._soon(self._stop))
        panel.restore.clicked.connect(lambda: self._soon(self._begin_restore))
        panel.close_button.clicked.connect(self.reject)
        self.comparison.preview.dragged.connect(lambda x, y: self._soon(lambda: self._drag(x, y)))
        self.worker.on_progress = panel.show_progress
        return panel

    # What runs.

    def _run(self, doing: str, steps: Generator[bool, None, None]) -> None:
        """Begin something; what ran before is cancelled."""
        self._end_steps()
        self.doing, self.steps = doing, steps
        self.panel.message.hide()
        self.panel.status.setText("")
        self._show_state()

    def _end_steps(self) -> None:
        steps, self.steps = self.steps, None
        self.doing = ""
        if steps is not None:
            steps.close()

    def _soon(self, wish: Callable[[], None]) -> None:
        """Do what the user wishes: at once, or when a step is done that made Krita hear events.

        Opening or showing a document does that; a wish must not end the step it came in.
        """
        self.wishes.append(wish)
        self._serve()

    def _serve(self) -> None:
        while self.wishes and not self.is_busy:
            self._guarded(self.wishes.pop(0))

    def _tick(self) -> None:
        """Hear the worker, and do a little of what is to be done."""
        self._serve()
        if not self.is_busy and not self.is_lost:
            self._guarded(self._step)

    def _step(self) -> None:
        if not self.source.is_open:
            self._lose_document()
            return
        self.worker.poll()
        end = time.monotonic() + _STEP_SECONDS
        try:
            while self.steps is not None and next(self.steps) and time.monotonic() < end:
                pass
        except StopIteration:
            self._finish()

    def _guarded(self, action: Callable[[], None]) -> None:
        """Do something, and tell if it goes wrong."""
        self.is_busy = True
        try:
            action()
        except WorkerError as error:
            self._fail(str(error), error.detail)
        except (LayerError, LaunchError, ProtocolError) as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(f"the pixels cannot be handed over ({error.strerror or error})")
        except Exception as error:  # Krita goes on, and the dialog can be closed or used again
            self._fail(f"unexpected {type(error).__name__}: {error}", traceback.format_exc())
        finally:
            self.is_busy = False

    def _finish(self) -> None:
        """What ran came to its end."""
        done, self.steps, self.doing = self.doing, None, ""
        self.panel.status.setText("")
        if done == "restoring":
            self.accept()
        elif self.restores_next:
            self._begin_restore()
        else:
            self._show_state()

    def _fail(self, sentence: str, detail: str = "") -> None:
        """Tell what went wrong; the dialog can be used again."""
        self.restores_next = False
        self._end_steps()
        self._show_state()
        self.panel.message.say(sentence, detail)

    def _lose_document(self) -> None:
        """The document is closed: stop, and tell if something was to be added to it."""
        was_restoring = self.doing == "restoring" or self.restores_next
        self.is_lost = True
        self._end_steps()
        if not was_restoring:
            self.reject()
            return
        self._show_state()
        self.panel.message.say("the picture was closed in the meantime: nothing was added")

    # What the user does.

    def _begin_restore(self) -> None:
        """Restore, once a preview that runs has computed what is needed for that anyway."""
        parameters = remembered.as_text(
            self.panel.form.values(), self.panel.preview_box.isChecked()
        )
        Krita.instance().writeSetting(remembered.GROUP, self.task["id"], parameters)
        self.settling.stop()
        serves = self.asked is not None and self._wish().shares_work_with(self.asked)
        if self.doing == "preparing" or (self.doing == "comparing" and serves):
            self.restores_next = True
            self._show_state()
        else:
            self.restores_next = False
            self._run("restoring", self._restore())

    def _stop(self) -> None:
        """Cancel what runs."""
        if self.doing != "restoring" and not self.restores_next:
            self.panel.preview_box.setChecked(False)
        self.restores_next = False
        self._end_steps()
        self._show_state()
        self.panel.status.setText("Cancelled.")

    def _refresh(self) -> None:
        """Show what present parameters make of the picture, or stop showing it."""
        if self.doing in ("preparing", "restoring") or self.restores_next:
            return  # that takes the parameters of the time, or they cannot have changed
        goes_on = self.doing == "comparing" and self.panel.preview_box.isChecked()
        if goes_on and self.asked is not None and self._wish().shares_work_with(self.asked):
            return  # what the network computes serves the new parameters, too
        self._run("preparing", self._prepare())

    def _drag(self, x: float, y: float) -> None:
        """Show a part further right and further down."""
        self.comparison.move(x, y)
        shows_results = self.panel.preview_box.isChecked() and self.worker.picture is not None
        if self.doing == "" and shows_results:
            self._run("comparing", self._compare())

    def done(self, result: int) -> None:
        """Close, whatever is under way."""
        self._soon(lambda: self._close(result))

    def _close(self, result: int) -> None:
        self.timer.stop()
        self.settling.stop()
        self._end_steps()
        self.worker.close()
        self.comparison.close()
        super().done(result)

    # The steps.

    def _prepare(self) -> Generator[bool, None, None]:
        """Start the worker, give it the picture, hear about the model, and compare."""
        self.panel.status.setText(f"{self.task['title']}: preparing")
        self.comparison.show_before(self.source.look())
        yield from self.worker.connected()
        if not self.has_lists:
            found = yield from self.worker.ask("tasks")
            (mine,) = [task for task in found["tasks"] if task["id"] == self.task["id"]]
            self.panel.form.offer(mine, found["devices"])
            self.has_lists = True
        picture = yield from self.worker.opened()
        _, _, width, height = picture.look.region
        about = yield from self.worker.ask("describe", **self._order(), width=width, height=height)
        self.comparison.scale = about["scale"]
        self.panel.show_about(about)
        self.comparison.show_before(picture.look)
        if self.panel.preview_box.isChecked():
            self.doing = "comparing"
            yield from self._compare()

    def _compare(self) -> Generator[bool, None, None]:
        """Show the present part of the picture before and after."""
        picture = self.worker.picture
        client = self.worker.client
        assert picture is not None and client is not None
        self.asked = None
        while self.asked != self._wish():
            self.asked = wish = self._wish()
            result = yield from self.worker.ask(
                "preview",
                picture=picture.number,
                task=self.task["id"],
                parameters=wish.parameters,
                region=list(wish.region),
            )
            with contextlib.closing(client.take_pixels(result)) as pixels:
                samples = bytearray(pixels)
            if wish == self._wish():
                self.comparison.show_after(wish.region, samples, result)

    def _restore(self) -> Generator[bool, None, None]:
        """Restore the layer as it is now, and put the result into Krita."""
        picture = yield from self.worker.opened()
        makes_layer = self.comparison.makes_layer
        mask = Mask(self.source.document)
        if makes_layer:
            mask.chosen(picture.look.region)  # a selection beside the layer is told of at once
        client = yield from self.worker.connected()
        result = yield from self.worker.ask("restore", picture=picture.number, **self._order())
        with contextlib.closing(client.take_pixels(result)) as pixels:
            if makes_layer:
                yield from add_layer(self.source, picture.look, result, pixels, mask)
            else:
                yield from open_document(self.source, picture.look, result, pixels)

    def _wish(self) -> Wish:
        """What a preview is to show now."""
        return Wish("preview", self.panel.form.values(), self.comparison.part())

    def _order(self) -> Message:
        return {"task": self.task["id"], "parameters": self.panel.form.values()}

    def _show_state(self) -> None:
        """Enable what can be used now."""
        restores = self.doing == "restoring" or self.restores_next or self.is_lost
        self.panel.show_state(self.doing, can_change=not restores)
