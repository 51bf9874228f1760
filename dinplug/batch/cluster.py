"""Workers of a dask.distributed cluster (`--cluster`); this alone opens the network.

dask restores nothing by itself here: each worker of the cluster gets one photo after the other. So
it is known which worker has which photo, what is lost with a worker, and who may help a slow one.
Messages of dask are pickles: whoever may speak to the scheduler may run code on every machine.
"""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, wait
from typing import Any
from urllib.parse import urlsplit

from dinplug.batch import remote
from dinplug.batch.crew import Worker, WorkerLostError
from dinplug.batch.remote import Failure, Order, Result, Terms
from dinplug.errors import Interrupted, SetupError, UsageError
from dinplug.inference.run import ShouldStop

try:
    import dask
    import distributed
except ImportError as error:
    raise SetupError("--cluster needs dask.distributed: pip install 'dinplug[cluster]'") from error

_UNREACHABLE = (OSError, asyncio.TimeoutError, RuntimeError, ValueError, TypeError)
_LOST = (CancelledError, OSError, asyncio.TimeoutError, distributed.scheduler.KilledWorker)
_DIFFERENT = "the same dinplug must be installed there and beside the scheduler ({})"
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 1.0
_PHOTOS_EACH = 2
"""One that is restored, and one that travels meanwhile."""


class ClusterCrew:
    """The workers of the scheduler at `address`, as they come and go.

    Raises UsageError for what is no address, SetupError if there is no scheduler.
    TLS is configured as everywhere in dask.
    """

    second_tries = True
    patience = 60.0

    def __init__(self, terms: Terms, address: str) -> None:
        if not _is_address(address):
            raise UsageError(
                f"--cluster {address!r} is no scheduler's address: write it like tcp://10.0.0.5:8786"
            )
        self._terms = terms
        self._address = address
        self.nobody = f"{address} has no workers: start some with `dask worker {address}`"
        # Workers and schedulers that go are dealt with and told of here. The client's logger has a
        # level of its own.
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        # A photo is larger than what dask takes for a sensible task.
        dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TiB"})
        warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
        try:
            self._client = distributed.Client(address, timeout="10s", set_as_default=False)
        except _UNREACHABLE as error:
            raise SetupError(f"no dask scheduler answers at {address}: {error}") from error
        self._present: dict[str, int] = {}
        self._looked = float("-inf")

    def newcomers(self) -> Iterator[Worker]:
        """Look who is there now. Raises SetupError once the scheduler is lost."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        try:
            threads = dict(self._client.nthreads())
        except _UNREACHABLE as error:
            raise SetupError(f"the dask scheduler at {self._address} is lost: {error}") from error
        self._looked = time.monotonic()
        before, self._present = self._present, threads
        for address in threads.keys() - before.keys():
            for _ in range(_PHOTOS_EACH):
                yield ClusterWorker(self, address)

    def submit(self, address: str, function: Any, *arguments: Any) -> tuple[Any, Future[Any]]:
        """Call `function` with the run's terms on that worker only.

        Returns dask's future and one of what comes of it. dask's own would wait for ever where a
        result is lost between its end and its way here.
        """
        task = self._client.submit(
            function,
            self._terms,
            self._present.get(address, 1),
            *arguments,
            workers=[address],
            allow_other_workers=False,
            pure=False,
        )
        arrival = self._client.gather(task, asynchronous=True)
        return task, asyncio.run_coroutine_threadsafe(arrival, self._client.loop.asyncio_loop)

    def is_present(self, address: str) -> bool:
        """Tell whether the worker at `address` was there when last looked for."""
        return address in self._present

    def close(self) -> None:
        """Leave the cluster; what is unfinished there is dropped."""
        self._client.close(timeout=1)

    def leave(self) -> None:
        """Do nothing: a scheduler drops what a client wanted that is gone."""


class ClusterWorker:
    """One of the photos at a time that a worker of the cluster has."""

    def __init__(self, crew: ClusterCrew, address: str) -> None:
        self._crew = crew
        self.address = address
        self.place = f"the worker {address}"

    def prepare(self, should_stop: ShouldStop) -> Failure | None:
        """Load the model there, once for both photos; return why that is impossible."""
        answer = self._call(should_stop, remote.prepare)
        assert not isinstance(answer, Result)
        return answer

    def restore(self, order: Order, should_stop: ShouldStop) -> Result | Failure:
        """Restore a photo. Raises WorkerLostError, Interrupted."""
        answer = self._call(should_stop, remote.restore, order)
        assert answer is not None
        return answer

    def _call(self, should_stop: ShouldStop, function: Any, *more: Any) -> Result | Failure | None:
        task, arrival = self._crew.submit(self.address, function, *more)
        try:
            while not wait([arrival], timeout=_POLL_SECONDS).done:
                if should_stop():
                    raise Interrupted("interrupted")
                if not self._crew.is_present(self.address):
                    raise WorkerLostError
            answer: Result | Failure | None = arrival.result()
        except _LOST as error:
            raise WorkerLostError from error
        except (WorkerLostError, Interrupted):
            raise
        except Exception as error:  # what comes from dinplug itself is a Failure
            return Failure(SetupError(_DIFFERENT.format(f"{type(error).__name__}: {error}")))
        finally:
            arrival.cancel()
            task.release()  # which also withdraws what was not begun
        return answer


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("tcp", "tls") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False
