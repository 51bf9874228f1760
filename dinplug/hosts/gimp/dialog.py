"""The dialog of a task: its parameters, a preview, and the run with its progress and Cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..session import Session, Wish
from ..wording import description_words, progress_words
from .arguments import SHOW_PREVIEW, parameters_from
from .controls import Controls
from .introspection import Gimp, GLib
from .preview import SPACE, Preview
from .refusal import RefusalError
from .widgets import GimpUi, Gtk

if TYPE_CHECKING:
    from ..client import WorkerError
    from ..protocol import Message
    from .order import Order

_POLL_MILLISECONDS = 20
_RESET = 1  # GIMP's own response, which it does not name
_SETTLE_MILLISECONDS = 250
"""How long parameters must stay as they are before a preview of them is asked for."""


class Dialog:
    """Asks for a task's parameters, then restores. Use as a context; hears a session.

    The worker starts at once, so that it is ready when the user is.
    """

    def __init__(self, procedure: Any, config: Any, order: Order) -> None:
        GimpUi.init("dinplug")
        self.config, self.order = config, order
        self.title = order.task["title"]
        self.made: Any = None
        self.fault: Exception | None = None
        self.is_restoring = False
        self.settling: int | None = None
        self.session = Session(order.task["id"], order.start, order.source.hand_over, self)
        self.window = GimpUi.ProcedureDialog.new(procedure, config, f"dinplug: {self.title}")
        self.window.set_resizable(False)
        self.preview = Preview(order.source, self._look)
        self.controls = Controls(self.window, config, order.task)
        self.bar = Gtk.ProgressBar(show_text=True)
        self.status = Gtk.Label(xalign=0, wrap=True, max_width_chars=70, selectable=True)
        self._lay_out()
        config.connect("notify", self._changed)
        self.window.connect("response", self._responded)
        self.window.connect("delete-event", self._close_asked)

    def __enter__(self) -> Dialog:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.session.close()
        self.window.destroy()

    def run(self) -> Any:
        """Let the user choose; return the new layer or image, or None after Cancel."""
        self._show_scale()
        self._idle("Starting dinplug")
        self.session.open()
        timer = GLib.timeout_add(_POLL_MILLISECONDS, self._tick)
        try:
            self._look()
            while self.made is None and self.window.run():
                self._restore()
                if self.fault is not None:
                    break
        finally:
            GLib.source_remove(timer)
        if self.fault is not None:
            raise self.fault
        return self.made

    def _lay_out(self) -> None:
        """Views on top, below them the overview beside the controls, then what is going on."""
        self.body = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=2 * SPACE)
        self.body.pack_start(self.preview.views, True, True, 0)
        row = Gtk.Box(spacing=3 * SPACE)
        overview = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACE)
        overview.pack_start(self.preview.overview.area, False, False, 0)
        toggle = GimpUi.prop_check_button_new(self.config, SHOW_PREVIEW, "_Preview")
        overview.pack_start(toggle, False, False, 0)
        row.pack_start(overview, False, False, 0)
        row.pack_start(self.controls.widget, True, True, 0)
        self.body.pack_start(row, False, False, 0)
        below = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=SPACE)
        below.pack_start(self.bar, False, False, 0)
        below.pack_start(self.status, False, False, 0)
        content = Gtk.Box(
            orientation=Gtk.Orientation.VERTICAL, spacing=2 * SPACE, border_width=2 * SPACE
        )
        content.pack_start(self.body, True, True, 0)
        content.pack_start(below, False, False, 0)
        self.window.get_content_area().pack_start(content, True, True, 0)
        content.show_all()

    def _tick(self) -> bool:
        try:
            self.session.poll()
        except Exception as error:  # else GTK would print it, and wait for ever
            self.fault = error
            self._quit()
        return True

    def _quit(self) -> None:
        """Come back from the main loop that waits for the run, or for the user."""
        if self.is_restoring and Gtk.main_level():
            Gtk.main_quit()
        elif self.fault is not None:
            self.window.response(Gtk.ResponseType.CANCEL)

    def _changed(self, _config: Any, property_: Any) -> None:
        """A parameter is another now: preview it when it has settled."""
        if self.is_restoring:
            return
        self._show_scale()
        if property_.name == SHOW_PREVIEW and not self.config.get_property(SHOW_PREVIEW):
            self.session.stop()
            self._idle()
        if self.settling is not None:
            GLib.source_remove(self.settling)
        self.settling = GLib.timeout_add(_SETTLE_MILLISECONDS, self._settled)

    def _settled(self) -> bool:
        self.settling = None
        self._look()
        return False

    def _show_scale(self) -> None:
        """Let views and models follow the scale of super-resolution."""
        scale = parameters_from(self.config, self.order.task).get("scale", 1)
        self.controls.set_scale(scale)
        if self.preview.scale != scale:
            self.preview.set_scale(scale)

    def _look(self) -> None:
        """Show the region, and ask for a preview of it."""
        self.preview.show_before()
        if self.config.get_property(SHOW_PREVIEW) and not self.is_restoring:
            self._want("preview", self.preview.region)

    def _want(self, request: str, region: Any) -> None:
        try:
            parameters = parameters_from(self.config, self.order.task)
        except RefusalError as refusal:
            self._say(str(refusal))
            return
        self.session.want(Wish(request, parameters, region))

    def _restore(self) -> None:
        """Restore while the dialog shows how far it is; Cancel comes back to the dialog."""
        self.is_restoring = True
        self.body.set_sensitive(False)
        self._allow(False)
        Gimp.progress_init(self.title)
        self._want("restore", self.order.source.region)
        if self.session.is_busy:
            Gtk.main()
        Gimp.progress_end()
        self._allow(True)
        self.body.set_sensitive(True)
        self.is_restoring = False

    def _allow(self, choices: bool) -> None:
        """Whether other buttons than Cancel can be pressed."""
        self.window.set_response_sensitive(Gtk.ResponseType.OK, choices)
        self.window.set_response_sensitive(_RESET, choices)

    def _responded(self, _window: Any, response: Any) -> None:
        """A button was pressed: while a run is under way, that is Cancel."""
        if self.is_restoring and response != Gtk.ResponseType.OK:
            self._stop()

    def _close_asked(self, _window: Any, _event: Any) -> bool:
        """The window is to be closed: while a run is under way that only cancels the run."""
        return self.is_restoring

    def _stop(self) -> None:
        """End the run that is under way."""
        self.session.stop()
        self._idle("Cancelled")
        self._quit()

    def _idle(self, words: str = "") -> None:
        """Show that nothing is under way, and say why if there is something to say."""
        self.bar.set_fraction(0)
        self.bar.set_text(" ")
        if words:
            self._say(words)

    def _say(self, words: str) -> None:
        self.status.set_text(words)

    def on_choices(self, models: list[Message], devices: list[Message]) -> None:
        """Offer the models and devices there are."""
        self.controls.offer(models, devices)

    def on_notes(self, notes: list[str]) -> None:
        """Say what there is to know of the layer."""
        Gimp.message("\n".join(notes))

    def on_description(self, description: Message) -> None:
        """Say which model works where, and what it takes."""
        self._say(description_words(description))

    def on_progress(self, progress: Message) -> None:
        """Show how far the run is, in GIMP's own bar too if it is for good."""
        words = progress_words(self.title, progress)
        self.bar.set_fraction(progress["share"])
        self.bar.set_text(words)
        if self.is_restoring:
            Gimp.progress_set_text(words)
            Gimp.progress_update(progress["share"])

    def on_result(self, wish: Wish, result: Message, pixels: Any) -> None:
        """Show a preview, or hand the result to GIMP."""
        with pixels:
            if wish.request == "restore":
                self.made = self.order.deliver(result, pixels)
                self._quit()
            elif wish.region == self.preview.region:
                self.preview.show_after(result, pixels)
        self._idle()

    def on_error(self, error: WorkerError) -> None:
        """Say what is wrong; the user may choose something else."""
        self._idle(str(error))
        self._quit()
