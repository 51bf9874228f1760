"""Restore the photos of a plan: one is decoded ahead and one encoded behind the present one.

A photo that fails costs itself. What ends a run early is the user, a machine that lacks something
(SetupError), or a disk that takes no more; what was not tried then is left to the next run.
"""

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from dinplug.batch.events import (
    NOT_TRIED,
    Event,
    PhotoDone,
    PhotoFailed,
    PhotoProgress,
    PhotoSkipped,
    PhotoStarted,
    RunFinished,
    RunStarted,
)
from dinplug.batch.journal import Fingerprint, Recipe, Record, Status
from dinplug.batch.loading import Loaded, load_photo
from dinplug.batch.pacing import progress_receiver
from dinplug.batch.plan import BatchPlan, Job, is_reservation
from dinplug.batch.results_folder import (
    ResultsFolder,
    clear_up,
    is_disk_error,
    make_folder,
    results_folder,
)
from dinplug.batch.unfinished import UnfinishedFiles
from dinplug.errors import DinplugError, Interrupted, SetupError, WriteError
from dinplug.imaging import Photo, WriteOptions, write_photo
from dinplug.inference.run import OnProgress, ShouldStop

_POLL_SECONDS = 0.1


class PhotoRestorer(Protocol):
    """What a run needs of `dinplug.restoration.Restorer`."""

    def restore_photo(
        self,
        photo: Photo,
        *,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Photo:
        """Return the restored photo; raise Interrupted soon after `should_stop` says so."""


@dataclass
class BatchRun:
    """One run of a plan. `emit` receives every event, one at a time, from several threads.

    With `overlap` up to three photos are in memory: decoded ahead, restored, encoded behind;
    without it one at a time. `overwrite` allows to replace results, never originals. `warn`
    receives what the user should know before the first photo.
    """

    plan: BatchPlan
    recipe: Recipe
    restorer: PhotoRestorer
    write_options: WriteOptions
    emit: Callable[[Event], None]
    should_stop: ShouldStop
    overwrite: bool = False
    overlap: bool = True
    warn: Callable[[str], None] = lambda text: None
    unfinished: UnfinishedFiles = field(default_factory=UnfinishedFiles)
    _done: int = 0
    _failed: int = 0
    _fatal: DinplugError | None = None
    _settled: set[Job] = field(default_factory=set)
    _folders: dict[Path, ResultsFolder] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def run(self) -> RunFinished:
        """Restore all photos of the plan and return the last event, which was emitted as well.

        The folders for results are locked meanwhile. Raises, before the first photo, SetupError if
        one of them cannot be written and BusyError if another run writes to it; SetupError after
        the last event if the run had to end for such a reason.
        """
        with ExitStack() as opened:
            for path in self.plan.folders:
                if all(job.folder != path for job in self.plan.jobs):
                    clear_up(path)  # after a run that was killed at its very end
                    continue
                self._folders[path] = folder = opened.enter_context(results_folder(path))
                if not folder.lock.is_held:
                    self.warn(f"{path}: this file system has no locks; let no other run write here")
            return self._run()

    @property
    def ended_early(self) -> bool:
        """Whether the run left photos for another one because of more than these photos."""
        return self._fatal is not None

    def leave(self) -> None:
        """Remove what is unfinished and give the folders back, because the process ends at once."""
        self.unfinished.remove()
        for folder in list(self._folders.values()):  # the main thread may be opening more
            folder.lock.release()

    def _run(self) -> RunFinished:
        started = time.monotonic()
        self._announce()
        interrupted = not self._restore_photos()
        finished = RunFinished(
            done=self._done,
            skipped=len(self.plan.skips),
            failed=self._failed,
            seconds=time.monotonic() - started,
            interrupted=interrupted,
        )
        self._emit(finished)
        if isinstance(self._fatal, SetupError):
            raise self._fatal
        return finished

    def _announce(self) -> None:
        self._emit(
            RunStarted(
                task=self.recipe.task,
                model=self.recipe.model,
                photos=len(self.plan.jobs) + len(self.plan.refusals),
                skipped=len(self.plan.skips),
            )
        )
        for skip in self.plan.skips:
            self._emit(PhotoSkipped(str(skip.job.source), str(skip.job.target), skip.reason))
        for refusal in self.plan.refusals:
            self._failed += 1
            self._emit(PhotoFailed(str(refusal.job.source), refusal.reason))

    def _restore_photos(self) -> bool:
        """Restore every job; False if the user stopped the run."""
        # At the end a photo that is not read yet is dropped, one that is restored is written.
        with _one_thread("decode", finish=False) as decoder, _one_thread("encode") as encoder:
            return self._restore_all(decoder, encoder)

    def _restore_all(self, decoder: ThreadPoolExecutor, encoder: ThreadPoolExecutor) -> bool:
        jobs = self.plan.jobs
        ahead = decoder.submit(load_photo, jobs[0]) if jobs else None
        behind: Future[None] | None = None
        for index, job in enumerate(jobs):
            present, ahead = ahead, None
            assert present is not None
            following = jobs[index + 1] if index + 1 < len(jobs) else None
            if following and self.overlap:
                ahead = decoder.submit(load_photo, following)
            started = time.monotonic()
            self._emit(PhotoStarted(index, str(job.source), str(job.target)))
            try:
                restored, fingerprint = self._restore(index, present)
                present = None  # the photo as read is needed no more, only its result
                self._wait_for(behind)
                write = partial(self._write, restored, job)
                behind = encoder.submit(self._store, index, job, write, fingerprint, started)
                del restored, write
                if not self.overlap:
                    self._wait_for(behind)
            except Interrupted:
                if self._fatal is None:
                    return False
            except Exception as error:  # the per-file loop: a photo costs itself
                self._fail(job, error)
            del present
            if self._fatal is not None:
                break
            if following and not self.overlap:
                ahead = decoder.submit(load_photo, following)
        if self._fatal is None:
            try:
                self._wait_for(behind)
            except Interrupted:
                if self._fatal is None:
                    return False
        if self._fatal is not None:
            self._give_up(behind)
        return True

    def _restore(self, index: int, loading: "Future[Loaded]") -> tuple[Photo, Fingerprint]:
        self._emit(PhotoProgress(index, "reading", 0, 1))
        self._wait_for(loading)
        loaded = loading.result()
        restored = self.restorer.restore_photo(
            loaded.photo,
            on_progress=progress_receiver(index, self._emit),
            should_stop=self._must_end,
        )
        return restored, loaded.fingerprint

    def _write(self, photo: Photo, job: Job) -> tuple[str, ...]:
        notes = write_photo(photo, job.target, self.write_options, overwrite=self.overwrite)
        return (*photo.source.warnings, *notes)

    def _store(
        self,
        index: int,
        job: Job,
        write: Callable[[], tuple[str, ...]],
        fingerprint: Fingerprint,
        started: float,
    ) -> None:
        """Write one result and its line in the journal; not in the main thread.

        `write` gives the result its name, and returns what the user should know about it.
        """
        try:
            self._folders[job.folder].check()
            make_folder(job.target.parent)
            self._begin(job, fingerprint)
            with self.unfinished.writing_in(job.target.parent):
                note = "; ".join(write())
            seconds = time.monotonic() - started
            self._record(job, "done", seconds=seconds, fingerprint=fingerprint, reason=note)
        except Exception as error:  # the per-file loop, in its second thread
            self._fail(job, error)
            return
        with self._lock:
            self._settled.add(job)
            self._done += 1
            self._emit(PhotoDone(index, str(job.source), str(job.target), seconds, note))

    def _begin(self, job: Job, fingerprint: Fingerprint) -> None:
        """Record that `job` will be written, unless its result replaces one."""
        if self._folders[job.folder].journal.find_begun(job.target) and is_reservation(job.target):
            job.target.unlink()
        if not os.path.lexists(job.target):
            self._record(job, "begun", fingerprint=fingerprint)

    def _fail(self, job: Job, error: Exception, trace: str = "") -> None:
        """Report and record that `job` failed with `error`."""
        if isinstance(error, DinplugError):
            reason = str(error)
        else:
            reason = f"{job.source}: unexpected {type(error).__name__}: {error}"
            trace = "".join(traceback.format_exception(error))
        reason = " ".join(reason.split())
        with self._lock:
            self._report_failure(job, reason)
            if isinstance(error, SetupError) or is_disk_error(error):
                self._fatal = error if isinstance(error, DinplugError) else WriteError(reason)
        # On a full disk this cannot be recorded either; the reason has been shown.
        with suppress(WriteError):
            self._record(job, "failed", reason=reason, trace=trace)

    def _give_up(self, behind: "Future[None] | None") -> None:
        """Report the photos that were not tried because of `_fatal`."""
        if behind is not None:
            wait([behind])
        for job in self.plan.jobs:
            if job not in self._settled:
                self._report_failure(job, NOT_TRIED)

    def _report_failure(self, job: Job, reason: str) -> None:
        with self._lock:
            self._settled.add(job)
            self._failed += 1
            self._emit(PhotoFailed(str(job.source), reason))

    def _record(
        self,
        job: Job,
        status: Status,
        *,
        seconds: float = 0.0,
        fingerprint: Fingerprint | None = None,
        reason: str = "",
        trace: str = "",
    ) -> None:
        with self._lock:
            journal = self._folders[job.folder].journal
            journal.append(
                Record(
                    source=str(job.source),
                    output=journal.name_of(job.target),
                    status=status,
                    recipe=self.recipe,
                    seconds=round(seconds, 3),
                    fingerprint=fingerprint,
                    reason=reason,
                    traceback=trace,
                )
            )

    def _wait_for(self, future: "Future[Any] | None") -> None:
        """Wait until `future` is done; Interrupted if the run is to end before that."""
        while future is not None and not future.done():
            if self._must_end():
                raise Interrupted("interrupted")
            wait([future], timeout=_POLL_SECONDS)

    def _must_end(self) -> bool:
        return self.should_stop() or self._fatal is not None

    def _emit(self, event: Event) -> None:
        with self._lock:
            self.emit(event)


@contextmanager
def _one_thread(name: str, *, finish: bool = True) -> Iterator[ThreadPoolExecutor]:
    """A thread for work beside the main one; `finish` says whether to begin what still waits."""
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=not finish)
