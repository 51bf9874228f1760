"""Restore several photos at once: each worker of a crew gets one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dinplug.batch.backlog import MOST_LOSSES, Attempt, Backlog
from dinplug.batch.crew import Crew, Worker, WorkerLostError
from dinplug.batch.events import PhotoStarted
from dinplug.batch.loading import read_order
from dinplug.batch.plan import BatchPlan
from dinplug.batch.remote import Failure, Terms
from dinplug.batch.run import BatchRun
from dinplug.errors import Interrupted, PhotoError, SetupError
from dinplug.imaging.write import write_encoded

_POLL_SECONDS = 0.2
_TOO_MUCH = (
    f"{{}}: {MOST_LOSSES} workers ended while they restored it; they may have had too little "
    "memory: try --max-memory"
)
_FALSE_START = "and others ended before they had loaded the model: is there enough memory?"


@dataclass
class CrewRun(BatchRun):
    """A run whose photos are restored by a crew: the same plan, journal, locks and events.

    This process reads the files, names the results and keeps the journal, as in any run.
    """

    crew: Crew = field(kw_only=True)
    _backlog: Backlog = field(init=False)
    _is_fit: bool = False
    _false_starts: int = 0
    _unfit: list[str] = field(default_factory=list)

    def leave(self) -> None:
        """Remove what is unfinished, here and at the crew, because the process ends at once."""
        super().leave()
        self.crew.leave()

    def _restore_photos(self) -> bool:
        self._backlog = Backlog(len(self.plan.jobs), second_tries=self.crew.second_tries)
        at_work: list[threading.Thread] = []
        last_seen = time.monotonic()
        try:
            while not self._backlog.wait(_POLL_SECONDS):
                at_work = [thread for thread in at_work if thread.is_alive()]
                if self._must_end():  # the reason why some of them are gone
                    break
                for worker in self.crew.newcomers():
                    thread = threading.Thread(target=self._employ, args=(worker,), name="worker")
                    at_work.append(thread)
                    thread.start()
                if at_work:
                    last_seen = time.monotonic()
                elif self._unfit and not self._is_fit:
                    raise SetupError(self._unfit[-1])
                elif time.monotonic() - last_seen > self.crew.patience:
                    raise SetupError(self._unfit[-1] if self._unfit else self.crew.nobody)
        except SetupError as error:
            self._fatal = error
        self._backlog.close()
        for thread in at_work:
            thread.join()
        if self._fatal is not None:
            self._give_up(None)
            return True
        return self._backlog.wait(0)

    def _employ(self, worker: Worker) -> None:
        """Let `worker` restore one photo after the other, until there is none or it is lost."""
        try:
            if not self._is_ready(worker):
                return
            while attempt := self._backlog.take(worker.place):
                if not self._try(worker, attempt):
                    return
        except Exception as error:  # else the others would wait for its photo
            self._fatal = SetupError(f"{worker.place}: unexpected {type(error).__name__}: {error}")

    def _is_ready(self, worker: Worker) -> bool:
        """Let `worker` load the model, and tell whether it is of use."""
        try:
            failure = worker.prepare(lambda: self._must_end() or self._backlog.wait(0))
        except Interrupted:
            return False
        except WorkerLostError:
            self._false_starts += 1
            if self._false_starts >= MOST_LOSSES and not self._is_fit:
                self._fatal = SetupError(f"{worker.place} {_FALSE_START}")
            return False
        if failure is not None:
            self._dismiss(worker, failure.error)
            return False
        self._is_fit = True
        return True

    def _dismiss(self, worker: Worker, reason: Exception) -> None:
        unfit = f"{worker.place} cannot restore these photos: {reason}"
        with self._lock:
            if unfit not in self._unfit:  # a worker may have several photos at a time
                self._unfit.append(unfit)
                self.warn(unfit)

    def _try(self, worker: Worker, attempt: Attempt) -> bool:
        """Let `worker` restore a photo; False if it is of no more use."""
        index, place = attempt.index, worker.place
        job = self.plan.jobs[index]
        started = time.monotonic()
        if attempt.is_first:
            self._emit(PhotoStarted(index, str(job.source), str(job.target)))
        try:
            order, fingerprint, notes = read_order(job)
            result = worker.restore(
                order, lambda: self._must_end() or self._backlog.is_settled(index)
            )
        except Interrupted:
            self._backlog.give_back(index, place)
            return not self._must_end()  # then it may still be busy with this one
        except WorkerLostError:
            if self._backlog.lose(index, place):
                self._fail(job, PhotoError(_TOO_MUCH.format(job.source)))
            return False
        except Exception as error:  # the per-file loop: a photo costs itself
            self._settle_failed(attempt, place, error)
            return True
        if isinstance(result, Failure) and isinstance(result.error, SetupError):
            self._backlog.give_back(index, place)
            self._dismiss(worker, result.error)
            return False
        if isinstance(result, Failure):
            self._settle_failed(attempt, place, result.error, result.trace)
        elif self._backlog.settle(index, place):

            def write() -> tuple[str, ...]:
                written = write_encoded(
                    result.content,
                    result.sidecars,
                    job.target,
                    original=job.source,
                    overwrite=self.overwrite,
                )
                return (*result.notes, *notes, *written)

            self._store(index, job, write, fingerprint, started)
        return True

    def _settle_failed(
        self, attempt: Attempt, place: str, error: Exception, trace: str = ""
    ) -> None:
        if self._backlog.settle(attempt.index, place):
            self._fail(self.plan.jobs[attempt.index], error, trace)


@contextmanager
def assembled(
    terms: Terms, jobs: int, cluster: str | None, plan: BatchPlan
) -> Iterator[Crew | None]:
    """Yield the crew of the scheduler at `cluster` or of `jobs` processes.

    None where the present process is enough. Raises SetupError if there is no such cluster.
    """
    crew: Crew | None = None
    if plan.jobs and cluster is not None:
        from dinplug.batch.cluster import ClusterCrew

        crew = ClusterCrew(terms, cluster)
    elif min(jobs, len(plan.jobs)) > 1:
        from dinplug.batch.processes import ProcessCrew

        crew = ProcessCrew(terms, min(jobs, len(plan.jobs)))
    try:
        yield crew
    finally:
        if crew is not None:
            crew.close()
