"""The worker process: `python -m dinplug.hosts.worker`, started by a host's plugin.

Requests come as lines on standard input, answers leave on what was standard output when it
started; stray prints go to standard error. Three threads: one reads, one writes, one does the
work, so that the main one always hears of a cancel, and of the host's end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import signal
import sys
import tempfile
import threading
import time
import traceback
from typing import TYPE_CHECKING, NoReturn

import dinplug
from dinplug.errors import DinplugError, Interrupted, PhotoError, SetupError, UsageError
from dinplug.hosts import protocol
from dinplug.hosts.jobs import Job, Message
from dinplug.hosts.lifeline import Lifeline, default_budget
from dinplug.hosts.pipes import TOO_LONG, Inbox, Outbox
from dinplug.hosts.pixels import PixelFolder
from dinplug.hosts.protocol import ProtocolError
from dinplug.startup import start_up

if TYPE_CHECKING:
    from dinplug.hosts.service import Service

IDLE_SECONDS = 600.0
"""After so long without a request the worker leaves, and gives back its memory."""
LEAST_BUDGET, MOST_BUDGET = 64 << 20, 1 << 50
_LOOK_SECONDS = 0.5


class Worker:
    """Serves the host at the other end of two pipes until there is a reason to leave."""

    def __init__(self, inbox: Inbox, outbox: Outbox, idle_seconds: float) -> None:
        self.inbox, self.outbox = inbox, outbox
        self.idle_seconds = idle_seconds
        self.lifeline = Lifeline()
        self.folder: PixelFolder | None = None
        self.budget = default_budget()
        self.jobs: dict[int, Job] = {}
        self.waiting: queue.Queue[Job] = queue.Queue(protocol.MOST_WAITING)
        self.last_heard = time.monotonic()
        self.must_end = False

    def run(self) -> NoReturn:
        """Serve, then leave without waiting for work that nobody wants any more."""
        self.lifeline.ask_for_signal()
        signal.signal(signal.SIGTERM, self._note_signal)
        threading.Thread(target=work, args=(self,), daemon=True).start()
        while True:
            line = self.inbox.next_line(_LOOK_SECONDS)
            if line is None:
                self._look_around()
            elif line is TOO_LONG:
                self._refuse(None, f"a line of more than {protocol.LONGEST_LINE} bytes")
            elif line:
                self._hear(line)
            if self.inbox.ended:
                self.leave("")
            if self.must_end:
                self.leave("it was asked to end")

    def _note_signal(self, *_: object) -> None:
        """Only note it: a handler may interrupt whoever holds a lock that leaving needs."""
        self.must_end = True

    def _look_around(self) -> None:
        """Leave where nobody needs the worker any more."""
        if self.lifeline.is_cut() or self.outbox.is_closed:
            self.leave("")
        if self.jobs:
            self.last_heard = time.monotonic()
        elif time.monotonic() - self.last_heard > self.idle_seconds:
            self.leave(f"it had nothing to do for {self.idle_seconds:g} seconds")

    def leave(self, reason: str) -> NoReturn:
        """Say why if someone may want to know, remove the pixels, and end at once."""
        if reason:
            self.outbox.send({"id": None, "answer": "leaving", "reason": reason})
        self.outbox.flush()
        if self.folder is not None:
            self.folder.close()
        os._exit(0)

    def _hear(self, line: bytes) -> None:
        """Take one line: answer at once what needs no work, and queue the rest."""
        self.last_heard = time.monotonic()
        number: int | None = None
        try:
            message = protocol.decode(line)
            number = protocol.whole(message, "id", 1, protocol.LARGEST_ID)
            request = protocol.choice(message, "request", protocol.REQUESTS)
            if request == "handshake":
                self._welcome(number, message)
            elif request == "shutdown":
                protocol.check_keys(message, ("id", "request"))
                self.outbox.send({"id": number, "answer": "result"})
                self.leave("")
            elif self.folder is None:
                raise ProtocolError("the first request must be a handshake")
            elif request == "cancel":
                self._cancel(number, message)
            else:
                self._queue(Job(number, request, message, self.outbox.send))
        except ProtocolError as error:
            self._refuse(number, str(error))

    def _refuse(self, number: int | None, reason: str, kind: str = "protocol") -> None:
        self.outbox.send(protocol.error_answer(number, kind, reason))

    def _welcome(self, number: int, message: Message) -> None:
        """Answer a handshake; what a plugin of another version sends may have other fields."""
        theirs = protocol.whole(message, "protocol", 0, 10**6)
        version = protocol.text(message, "dinplug", 40)
        if theirs != protocol.PROTOCOL:
            ours = (protocol.PROTOCOL, dinplug.__version__)
            self._refuse(number, protocol.version_mismatch((theirs, version), ours), "version")
            return
        required = ("id", "request", "protocol", "dinplug", "host", "folder")
        protocol.check_keys(message, required, ("max_memory",))
        protocol.text(message, "host")
        if self.folder is not None:
            raise ProtocolError("there was a handshake before")
        if "max_memory" in message:
            self.budget = protocol.whole(message, "max_memory", LEAST_BUDGET, MOST_BUDGET)
        self.folder = PixelFolder(protocol.text(message, "folder", 4096))
        self.outbox.send(
            {
                "id": number,
                "answer": "result",
                "protocol": protocol.PROTOCOL,
                "dinplug": dinplug.__version__,
                "pid": os.getpid(),
                "python": sys.executable,
                "max_memory": self.budget,
            }
        )

    def _queue(self, job: Job) -> None:
        if job.number in self.jobs:
            raise ProtocolError(f"request {job.number} is still under way")
        self.jobs[job.number] = job
        try:
            self.waiting.put_nowait(job)
        except queue.Full:
            del self.jobs[job.number]
            self._refuse(job.number, "too many requests are waiting: try again later", "busy")

    def _cancel(self, number: int, message: Message) -> None:
        """Answer the request to be cancelled at once; its work stops at the next tile."""
        protocol.check_keys(message, ("id", "request", "target"))
        target = protocol.whole(message, "target", 1, protocol.LARGEST_ID)
        job = self.jobs.get(target)
        stopped = job is not None and job.fail("cancelled", "cancelled")
        self.outbox.send({"id": number, "answer": "result", "cancelled": stopped})


def work(worker: Worker) -> NoReturn:
    """Do one job after the other, for ever. What they need is loaded before the first comes."""
    kinds = {UsageError: "usage", SetupError: "setup", PhotoError: "photo"}
    service: Service | None = None
    with contextlib.suppress(ImportError):  # told to whoever asks for something
        load_service()
    while True:
        job = worker.waiting.get()
        assert worker.folder is not None  # no job is queued before the handshake
        try:
            service = service or load_service()(worker.folder, worker.budget)
            job.check()
            result = service.answer(job)
            if not job.succeed(result) and "pixels" in result:
                worker.folder.discard(result["pixels"])
        except Interrupted:
            job.fail("cancelled", "cancelled")
        except ProtocolError as error:
            job.fail("protocol", str(error))
        except DinplugError as error:
            found = [kind for family, kind in kinds.items() if isinstance(error, family)]
            job.fail(found[0] if found else "internal", str(error))
        except MemoryError:
            job.fail("photo", "there is not enough memory: restore a part of the picture")
        except OSError as error:
            job.fail("setup", f"pixels cannot be handed over ({error.strerror or error})")
        except ImportError as error:
            job.fail("setup", f"dinplug's installation is incomplete ({error}): install it again")
        except Exception as error:  # a request costs itself, like a photo of a batch
            said = f"unexpected {type(error).__name__}: {error}"
            job.fail("internal", said, traceback.format_exc())
        finally:
            worker.jobs.pop(job.number, None)
            worker.last_heard = time.monotonic()


def load_service() -> type[Service]:
    """Import what does the work: torch alone takes seconds."""
    from dinplug.hosts.service import Service

    return Service


def private_streams() -> tuple[int, int]:
    """Keep the two pipes for messages alone: prints go to standard error, and input is empty."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a worker on this process's standard input and output."""
    start_up()
    parser = argparse.ArgumentParser(description="Serves a host's plugin; not for people.")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, metavar="SECONDS")
    idle_seconds: float = parser.parse_args(arguments).idle
    requests, answers = private_streams()
    os.chdir(tempfile.gettempdir())  # the folder it is started in will be removed
    Worker(Inbox(requests), Outbox(answers), idle_seconds).run()


if __name__ == "__main__":
    main()
