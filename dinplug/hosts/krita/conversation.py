"""A dialog's conversation with its worker, step by step.

Requests are generators that Krita's main loop steps through: they yield True if there is more to
do at once, False while the worker is awaited, and return the answer. Closing one cancels it.
`hosts.session` serves GIMP, whose plug-in is a process of its own and may wait; in Krita even
reading a large layer has to be cut into steps, and the layer may change while the dialog is open.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from ..client import Client
from ..pixels import PixelShape, write_all
from .layers import encoding_of
from .samples import CHANNELS, DTYPES, strips, swap_blue_and_red

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..client import WorkerError
    from ..protocol import Message
    from .layers import Look, Source


class Workers:
    """Starts workers, and keeps one that has nothing to do for the next dialog: it is warm."""

    def __init__(self, start: Callable[[], Client]) -> None:
        self.start = start
        self.idle: Client | None = None

    def take(self) -> Client:
        """A worker of one's own; raises launch.LaunchError and protocol.ProtocolError."""
        kept, self.idle = self.idle, None
        if kept is not None:
            kept.poll()  # it may have left in the meantime
            if kept.alive:
                return kept
        return self.start()

    def give_back(self, client: Client) -> None:
        """Keep a worker that lives if none is kept, or end it."""
        if client.alive and self.idle is None:
            self.idle = client
        else:
            client.close(patience=0.2)


class Picture(NamedTuple):
    """A picture the worker has: its number there, and what it was made of."""

    number: int
    look: Look
    checksum: int


class Conversation:
    """What one dialog says to a worker about one layer."""

    def __init__(self, workers: Workers, source: Source) -> None:
        self.workers, self.source = workers, source
        self.client: Client | None = None
        self.picture: Picture | None = None
        self.on_progress: Callable[[Message], None] | None = None

    def poll(self) -> None:
        """Hear what the worker says."""
        if self.client is not None:
            self.client.poll()

    def close(self) -> None:
        """Let go of the worker, which forgets the picture."""
        if self.client is not None:
            self._forget_picture()
            self.workers.give_back(self.client)
            self.client = None

    def connected(self) -> Generator[bool, None, Client]:
        """Return the worker, started anew if there is none; raises LaunchError, WorkerError."""
        if self.client is not None and not self.client.alive:
            self.client.close()
            self.client = self.picture = None
        if self.client is None:
            self.client = self.workers.take()
        while self.client.alive and self.client.welcome is None:
            yield False
        if self.client.error is not None:
            raise self.client.error
        return self.client

    def ask(self, request: str, **fields: Any) -> Generator[bool, None, Message]:
        """Ask the worker that is connected and return its result; raises WorkerError."""
        client = self.client
        assert client is not None
        results: list[Message] = []
        errors: list[WorkerError] = []
        is_wanted = True

        def hear(result: Message) -> None:
            if is_wanted:
                results.append(result)
            else:
                _let_go(client, result)

        number = client.ask(request, hear, errors.append, self.on_progress, **fields)
        try:
            while not results and not errors:
                yield False
        except GeneratorExit:
            is_wanted = False
            client.cancel(number)
            for result in results:
                _let_go(client, result)
            raise
        if errors:
            raise errors[0]
        return results[0]

    def opened(self) -> Generator[bool, None, Picture]:
        """Return the picture of the layer as it is now, handed over if that is a new one.

        Raises layers.LayerError, LaunchError, WorkerError and OSError.
        """
        yield from self.connected()
        look = self.source.look()
        if self.picture is not None:
            checksum = 0
            for samples in self._strips(look):
                checksum = zlib.crc32(samples, checksum)
                yield True
            if self.picture[1:] == (look, checksum):
                return self.picture
            self._forget_picture()
        self.picture = yield from self._handed_over(look)
        return self.picture

    def _handed_over(self, look: Look) -> Generator[bool, None, Picture]:
        """Give the worker the layer's pixels."""
        client = yield from self.connected()
        _, _, width, height = look.region
        shape = PixelShape(width, height, CHANNELS[look.model], DTYPES[look.depth])
        checksum = 0
        with client.folder.new_file() as (name, file):
            for samples in self._strips(look):
                checksum = zlib.crc32(samples, checksum)
                swap_blue_and_red(samples, look.model, look.depth)
                write_all(file, memoryview(samples))
                yield True
        encoding = encoding_of(look.model, look.profile)
        try:
            opened = yield from self.ask("open", pixels=name, encoding=encoding, **shape._asdict())
        finally:
            client.folder.discard(name)
        return Picture(opened["picture"], look, checksum)

    def _strips(self, look: Look) -> Generator[bytearray, None, None]:
        """The layer's samples strip by strip, in Krita's order."""
        left, top, width, height = look.region
        for start, rows in strips(width, height):
            yield self.source.read((left, top + start, width, rows))

    def _forget_picture(self) -> None:
        """Tell the worker that the picture is not needed any more."""
        picture, self.picture = self.picture, None
        if picture is not None and self.client is not None and self.client.alive:
            _let_go(self.client, {"picture": picture.number})


def _let_go(client: Client, result: Message) -> None:
    """Remove what a result brought, or holds in the worker."""
    if "pixels" in result:
        client.folder.discard(result["pixels"])
    if "picture" in result and client.alive:
        client.ask("close", _nothing, _nothing, picture=result["picture"])


def _nothing(_answer: object) -> None:
    """For answers that nobody waits for."""
