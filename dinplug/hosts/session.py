"""A dialog's dealings with its worker: one picture, one task, and the latest wish wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .client import Client, WorkerError
from .launch import LaunchError
from .protocol import ProtocolError
from .wording import no_room_words

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable
    from typing import Protocol

    from .manifest import Parameters
    from .protocol import Message

    Region = tuple[int, int, int, int]

    class Listener(Protocol):
        """Who hears what the worker says; called from within a session's methods."""

        def on_choices(self, models: list[Message], devices: list[Message]) -> None:
            """Which models and devices there are for the task."""

        def on_notes(self, notes: list[str]) -> None:
            """What the user should know of the picture, in sentences."""

        def on_description(self, description: Message) -> None:
            """The result of "describe" for the parameters wanted last."""

        def on_progress(self, progress: Message) -> None:
            """How far the wish under way is."""

        def on_result(self, wish: Wish, result: Message, pixels: mmap.mmap) -> None:
            """A wish was fulfilled."""

        def on_error(self, error: WorkerError) -> None:
            """A wish cannot be fulfilled; the next one may, with a new worker if need be."""


_CHEAP = ("strength",)
"""Parameters that do not change what the network computes."""


class Wish(NamedTuple):
    """What a dialog wants: a "preview" or a "restore" of a region under some parameters."""

    request: str
    parameters: Parameters
    region: Region

    def shares_work_with(self, other: Wish) -> bool:
        """Whether the network's run for the one serves the other too."""
        return _costly(self.parameters) == _costly(other.parameters)


class Session:
    """Starts a worker, hands it the picture, and asks it for what is wanted.

    `start` starts a client; `hand_over` puts the picture into its folder and returns the fields
    of "open". Both are called again after a worker is lost. A wish replaces the one before: what
    the network is computing goes on if it serves the new one, and is stopped if not. The host
    calls `poll` from a timer.
    """

    def __init__(
        self,
        task: str,
        start: Callable[[], Client],
        hand_over: Callable[[Client], Message],
        listener: Listener,
    ) -> None:
        self.task, self.start, self.hand_over, self.listener = task, start, hand_over, listener
        self.client: Client | None = None
        self.picture: int | None = None
        self.size: Message | None = None
        self.wish: Wish | None = None
        self.running: tuple[int, Wish] | None = None
        self.is_stopping = False
        self.described: Parameters | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a wish is open."""
        return self.wish is not None or self.running is not None

    def open(self) -> None:
        """Start the worker and hand it the picture."""
        self._lose()
        try:
            client = self.client = self.start()
            client.ask("tasks", self._choices, self._failed)
            fields = self.hand_over(client)
            self.size = {side: fields[side] for side in ("width", "height")}
            client.ask("open", self._opened, self._not_opened, **fields)
        except WorkerError as error:
            self._give_up(error)
        except (LaunchError, ProtocolError) as error:
            self._give_up(WorkerError("setup", str(error)))
        except OSError as error:
            self._give_up(WorkerError("setup", no_room_words(error)))

    def want(self, wish: Wish) -> None:
        """Ask for something in place of what was wanted before."""
        self.wish = wish
        if self.client is None or not self.client.alive:
            self.open()
        elif self.running is None:
            self._ask()
        elif not wish.shares_work_with(self.running[1]):
            self._cancel()

    def stop(self) -> None:
        """Want nothing any more; nobody is told."""
        self.wish = None
        self._cancel()

    def poll(self) -> None:
        """Hear what the worker has said since."""
        if self.client is not None:
            self.client.poll()

    def close(self) -> None:
        """End the worker."""
        self.wish = None
        self._lose()

    def _lose(self) -> None:
        """Let go of the worker."""
        client, self.client = self.client, None
        self.picture = self.running = self.described = None
        if client is not None:
            client.close()

    def _cancel(self) -> None:
        """End what is under way, if anything is."""
        if self.client is not None and self.running is not None:
            self.is_stopping = True
            self.client.cancel(self.running[0])

    def _ask(self) -> None:
        """Send the wish if the worker is ready for it; else that comes when it is."""
        wish, client = self.wish, self.client
        if wish is None or client is None or self.picture is None or self.running is not None:
            return
        self.wish = None
        about: Message = {"task": self.task, "parameters": wish.parameters}
        if self.described != wish.parameters and self.size is not None:
            self.described = wish.parameters
            client.ask("describe", self.listener.on_description, _unheard, **about, **self.size)
        number = client.ask(
            wish.request,
            self._done,
            self._failed,
            self._progress,
            picture=self.picture,
            region=list(wish.region),
            **about,
        )
        self.running, self.is_stopping = (number, wish), False

    def _choices(self, result: Message) -> None:
        models = [task["models"] for task in result["tasks"] if task["id"] == self.task]
        self.listener.on_choices(models[0] if models else [], result["devices"])

    def _opened(self, result: Message) -> None:
        self.picture = result["picture"]
        if result["notes"]:
            self.listener.on_notes(result["notes"])
        self._ask()

    def _not_opened(self, error: WorkerError) -> None:
        """Begin anew with the next wish: a worker without the picture is no use."""
        if self.client is not None:
            self._give_up(error)

    def _progress(self, progress: Message) -> None:
        if not self.is_stopping:
            self.listener.on_progress(progress)

    def _done(self, result: Message) -> None:
        assert self.client is not None and self.running is not None
        wish, self.running = self.running[1], None
        if self.is_stopping:  # it was done just before it heard
            self.client.folder.discard(result["pixels"])
            self._ask()
            return
        try:
            pixels = self.client.take_pixels(result)
        except (OSError, ProtocolError) as error:
            self._failed(WorkerError("setup", f"the result cannot be taken over ({error})"))
            return
        self.listener.on_result(wish, result, pixels)
        self._ask()

    def _failed(self, error: WorkerError) -> None:
        """Go on with the next wish after a cancelled one; say all else, and wait for a wish."""
        if self.client is None:
            return  # a lost worker fails everything that was asked of it, and is told of once
        self.running = None
        if not self.client.alive:
            self._lose()
        if error.kind != "cancelled":
            self.wish = None
            self.listener.on_error(error)
        elif self.wish is not None:
            self.want(self.wish)

    def _give_up(self, error: WorkerError) -> None:
        """Say that there is no worker, or none that has the picture."""
        self.wish = None
        self._lose()
        self.listener.on_error(error)


def _costly(parameters: Parameters) -> Parameters:
    return {name: value for name, value in parameters.items() if name not in _CHEAP}


def _unheard(_error: WorkerError) -> None:
    """What is wrong with a wish is told by the request itself."""
