"""The plugin's side: start the worker, ask it, hear from it, cancel, and see it out.

Nothing here waits unless it says so. A host with a main loop calls `poll` from a timer, and hears
through callbacks in that same thread; a script uses `call`.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import time
from typing import TYPE_CHECKING, Any

from . import launch as launching
from . import protocol
from .pixels import PixelFolder, PixelShape
from .protocol import ProtocolError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

    from .protocol import Message

HANDSHAKE_SECONDS = 60.0
CANCEL_SECONDS = 1.0
"""How long a worker may take to stop before it is killed."""
_POLL_SECONDS = 0.05
_KEPT_WORDS = 8000


class WorkerError(Exception):
    """What the worker, or its end, says: `kind` is one of `protocol.ERROR_KINDS`.

    `str()` is one sentence for a person, `detail` what a report of the fault should hold.
    """

    def __init__(self, kind: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.detail = detail


class Pending:
    """A request that is not answered yet, and whom to tell."""

    def __init__(
        self,
        on_result: Callable[[Message], None],
        on_error: Callable[[WorkerError], None],
        on_progress: Callable[[Message], None] | None,
    ) -> None:
        self.on_result = on_result
        self.on_error = on_error
        self.on_progress = on_progress
        self.deadline: float | None = None


class Client:
    """A worker of one's own, started at once.

    `host` is the program's name and version, `version` the plugin's. Raises launch.LaunchError if
    the worker cannot be started and ProtocolError if no folder for pixels can be had.
    """

    def __init__(
        self,
        launch: launching.Launch,
        host: str,
        version: str,
        parent: str | None = None,
        max_memory: int | None = None,
        speaks: int = protocol.PROTOCOL,
    ) -> None:
        self.version, self.speaks = version, speaks
        self.folder = PixelFolder.make(parent or launch.pixels)
        self.numbers = itertools.count(1)
        self.pending: dict[int, Pending] = {}
        self.welcome: Message | None = None
        self.error: WorkerError | None = None
        try:
            self.process = launching.WorkerProcess(launch, self.folder.path)
        except BaseException:
            self.folder.close()
            raise
        limit = {} if max_memory is None else {"max_memory": max_memory}
        self._send(
            "handshake", self._welcomed, self.fail, None,
            protocol=speaks, dinplug=version, host=host, folder=self.folder.path, **limit,
        )  # fmt: skip
        self.handshake_end = time.monotonic() + HANDSHAKE_SECONDS

    @property
    def alive(self) -> bool:
        """Whether the worker can be asked."""
        return self.error is None

    def ask(
        self,
        request: str,
        on_result: Callable[[Message], None],
        on_error: Callable[[WorkerError], None],
        on_progress: Callable[[Message], None] | None = None,
        **fields: Any,
    ) -> int:
        """Send a request and return its number; `poll` tells of its answers.

        Exactly one of `on_result` and `on_error` is called, unless `close` comes first. Raises
        WorkerError if the worker is no more.
        """
        if self.error is not None:
            raise self.error
        return self._send(request, on_result, on_error, on_progress, **fields)

    def _send(
        self,
        request: str,
        on_result: Callable[[Message], None],
        on_error: Callable[[WorkerError], None],
        on_progress: Callable[[Message], None] | None,
        **fields: Any,
    ) -> int:
        number = next(self.numbers)
        line = protocol.encode({"id": number, "request": request, **fields})
        self.pending[number] = Pending(on_result, on_error, on_progress)
        self.process.send(line)
        return number

    def cancel(self, number: int) -> None:
        """Stop a request that is under way: its `on_error` hears of kind "cancelled" soon.

        A worker that does not stop within CANCEL_SECONDS is killed.
        """
        waiting = self.pending.get(number)
        if waiting is None or self.error is not None or waiting.deadline is not None:
            return
        waiting.deadline = time.monotonic() + CANCEL_SECONDS
        self._send("cancel", _nothing, _nothing, None, target=number)

    def poll(self, timeout: float = 0.0) -> None:
        """Hand on what has come in, waiting up to `timeout` seconds for the first of it."""
        wait = timeout
        while self.error is None:
            try:
                line = self.process.answers.get(wait > 0, wait or None)
            except queue.Empty:
                break
            wait = 0.0
            if line is None:
                self.fail(self._gone())
            else:
                self._take(line)
        if self.error is None:
            self._lose_patience()

    def _lose_patience(self) -> None:
        """Give up a worker that does not start, or does not stop."""
        now = time.monotonic()
        if self.welcome is None:
            if now > self.handshake_end:
                last = self.process.last_word()
                self.fail(WorkerError("gone", f"dinplug's worker does not start{last}"))
        elif any(p.deadline is not None and p.deadline < now for p in self.pending.values()):
            self.fail(WorkerError("cancelled", "cancelled; dinplug's worker had to be ended"))

    def call(
        self,
        request: str,
        on_progress: Callable[[Message], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        timeout: float | None = None,
        **fields: Any,
    ) -> Message:
        """Send a request, wait, and return its result; raises WorkerError.

        `should_stop` is asked every twentieth of a second. After `timeout` seconds the request is
        cancelled.
        """
        results: list[Message] = []
        errors: list[WorkerError] = []
        number = self.ask(request, results.append, errors.append, on_progress, **fields)
        end = None if timeout is None else time.monotonic() + timeout
        while not results and not errors:
            self.poll(_POLL_SECONDS)
            if (should_stop is not None and should_stop()) or (end and time.monotonic() > end):
                self.cancel(number)
        if errors:
            raise errors[0]
        return results[0]

    def put_pixels(self, shape: PixelShape, samples: Any, profile: bytes = b"") -> Message:
        """Write bytes-like `samples` and a profile for the worker; return what "open" is told.

        Raises OSError if there is no room for them.
        """
        if len(memoryview(samples).cast("B")) != shape.sample_bytes:
            raise ValueError(f"there are not the {shape.sample_bytes} bytes of {shape}")
        whole = shape._replace(profile_bytes=len(profile))
        return {"pixels": self.folder.write(samples, profile), **whole._asdict()}

    def take_pixels(self, result: Message) -> mmap.mmap:
        """The samples of a result of "preview" or "restore", as a read-only mapping of a file."""
        return self.folder.mapped(result["pixels"], PixelShape.of(result).file_bytes)

    def close(self, patience: float = 2.0) -> None:
        """End the worker, by force after `patience` seconds, and remove what it left.

        Requests that are under way are not told: their hearers may be gone.
        """
        if self.error is None:
            with contextlib.suppress(WorkerError):
                self._send("shutdown", _nothing, _nothing, None)
            self.error = WorkerError("gone", "dinplug's worker was ended")
            self.process.wait(patience)
        self._end()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def fail(self, error: WorkerError) -> None:
        """End the worker because of `error` and tell all who wait."""
        if self.error is not None:
            return
        self.error = error
        self._end()
        waiting, self.pending = list(self.pending.values()), {}
        for one in waiting:
            if one.on_error != self.fail:
                one.on_error(error)

    def _end(self) -> None:
        """End the process and remove the folder."""
        self.process.end()
        self.folder.close()

    def _welcomed(self, result: Message) -> None:
        theirs = result.get("protocol")
        if theirs != self.speaks:
            worker = (theirs, str(result.get("dinplug")))
            said = protocol.version_mismatch((self.speaks, self.version), worker)
            self.fail(WorkerError("version", said))
            return
        self.welcome = result
        for waiting in self.pending.values():
            if waiting.deadline is not None:
                waiting.deadline = time.monotonic() + CANCEL_SECONDS

    def _take(self, line: bytes) -> None:
        """Hand one answer to whom it is for."""
        try:
            message = protocol.decode(line, protocol.LONGEST_ANSWER)
            answer = protocol.choice(message, "answer", protocol.ANSWERS)
            if answer == "error":
                kind = protocol.choice(message, "kind", protocol.ERROR_KINDS)
                told = WorkerError(kind, str(message.get("message")), str(message.get("detail")))
        except ProtocolError as error:
            said = f"dinplug's worker gives answers this plugin does not understand ({error})"
            self.fail(WorkerError("protocol", f"{said}: install dinplug and its plugin again"))
            return
        number = message.get("id")
        if answer == "leaving":
            self.fail(WorkerError("gone", f"dinplug's worker has left: {message.get('reason')}"))
        elif answer == "progress":
            waiting = self.pending.get(number) if isinstance(number, int) else None
            if waiting is not None and waiting.on_progress is not None:
                waiting.on_progress(message)
        elif isinstance(number, int) and number in self.pending:
            waiting = self.pending.pop(number)
            if answer == "error":
                waiting.on_error(told)
            else:
                waiting.on_result(message)

    def _gone(self) -> WorkerError:
        """What to say of a worker that closed its pipe."""
        how = self.process.how_it_ended()
        if self.welcome is None:
            again = "install dinplug and its plugin again"
            text = f"dinplug's worker did not start: it {how}{self.process.last_word()}; {again}"
        else:
            text = f"dinplug's worker {how} in the middle of its work: nothing was changed"
        return WorkerError("gone", text, self.process.words)


def _nothing(_answer: object) -> None:
    """For answers that nobody waits for."""
