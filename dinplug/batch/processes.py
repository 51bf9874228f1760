"""Workers that are processes on this machine (`--jobs`), each restoring one photo at a time."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection

import torch

from dinplug.batch import remote
from dinplug.batch.crew import Worker, WorkerLostError
from dinplug.batch.remote import Failure, Order, Result, Terms
from dinplug.batch.wishes import Wishes
from dinplug.errors import Interrupted
from dinplug.inference.run import ShouldStop

_POLL_SECONDS = 0.1
_TRIES = 10


class ProcessCrew:
    """`jobs` processes, which share the cores, the memory of `--max-memory`, and the GPUs."""

    second_tries = False  # they would only take time from each other
    patience = 0.0
    nobody = "no worker process can be started"

    def __init__(self, terms: Terms, jobs: int) -> None:
        gpus = torch.cuda.device_count()
        self._terms = [
            replace(terms, wishes=share(terms.wishes, number, jobs, gpus)) for number in range(jobs)
        ]
        self._threads = max(1, torch.get_num_threads() // jobs)
        self._workers: dict[int, ProcessWorker] = {}
        self._changing = threading.Lock()
        self._is_closed = False

    def newcomers(self) -> Iterator[Worker]:
        """Start what is not there, or no more there."""
        for number, terms in enumerate(self._terms):
            with self._changing:
                worker = self._workers.get(number)
                if self._is_closed or (worker is not None and worker.is_alive):
                    continue
                if worker is not None:
                    worker.end()
                worker = self._workers[number] = ProcessWorker(terms, self._threads)
            yield worker

    def close(self) -> None:
        """Kill all that are left, and start no more; as often as wished, from any thread."""
        with self._changing:
            self._is_closed = True
            while self._workers:
                self._workers.popitem()[1].end()

    leave = close


class ProcessWorker:
    """A process that restores photos; it ends with this one, however that ends."""

    def __init__(self, terms: Terms, threads: int) -> None:
        self._folder = tempfile.mkdtemp(prefix="dinplug-worker-")
        # A forked process would inherit locks that threads of this one hold.
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(there, terms, threads, self._folder), daemon=True
        )
        with _interrupts_blocked():
            self._process.start()
        there.close()
        self.place = f"worker process {self._process.pid}"

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.is_alive()

    def prepare(self, should_stop: ShouldStop) -> Failure | None:
        """Wait until the model is loaded; return why that is impossible."""
        answer = self._answer(should_stop)
        assert not isinstance(answer, Result)
        return answer

    def restore(self, order: Order, should_stop: ShouldStop) -> Result | Failure:
        """Restore a photo. Raises WorkerLostError if the process ends, Interrupted."""
        try:
            self._connection.send(order)
        except OSError as error:
            raise WorkerLostError from error
        answer = self._answer(should_stop)
        assert answer is not None
        return answer

    def end(self) -> None:
        """Kill the process and remove what it was working on."""
        self._process.kill()
        self._process.join()
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answer(self, should_stop: ShouldStop) -> Result | Failure | None:
        try:
            while not self._connection.poll(_POLL_SECONDS):
                if should_stop():
                    raise Interrupted("interrupted")
            answer: Result | Failure | None = self._connection.recv()
        except (EOFError, OSError) as error:
            raise WorkerLostError from error
        return answer


def share(wishes: Wishes, number: int, jobs: int, gpus: int) -> Wishes:
    """The wishes for worker `number` of `jobs`: its part of the memory, and one of the GPUs."""
    if wishes.max_memory is not None:
        wishes = replace(wishes, max_memory=wishes.max_memory // jobs)
    if wishes.device in ("auto", "cuda") and gpus > 1:
        wishes = replace(wishes, device=f"cuda:{number % gpus}")
    return wishes


def _serve(connection: Connection, terms: Terms, threads: int, folder: str) -> None:
    """Answer orders until nobody is left to send any."""
    leaving = threading.Thread(target=_leave_with_parent, args=(folder,), daemon=True)
    leaving.start()
    tempfile.tempdir = folder
    with suppress(EOFError, ConnectionError):  # nobody is left
        connection.send(remote.prepare(terms, threads))
        while True:
            connection.send(remote.restore(terms, threads, connection.recv()))
    leaving.join()  # else the process would end before the folder is gone


def _leave_with_parent(folder: str) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    for _ in range(_TRIES):
        # The main thread may be putting something in while this one takes things out.
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            break
    os._exit(1)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C, which a terminal sends to all, from processes begun here: the first sees to it.

    The mask is inherited. Windows has none; there they may complain when they end.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
