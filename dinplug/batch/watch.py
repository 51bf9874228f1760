"""Restore photos as they arrive in a folder, each as soon as its file is complete.

The folder is looked through again and again, which works on network folders too. What has become
complete since is planned and run as a batch is: same names, same journal, same locks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from dinplug.batch.arrivals import Arrivals, FileState
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
from dinplug.batch.journal import Recipe
from dinplug.batch.plan import ALREADY_DONE, BatchPlan, Request, SuffixOf, find_photos, plan_photos
from dinplug.batch.walk import Found, IsPhotoName
from dinplug.errors import BusyError, SetupError, UsageError

Emit = Callable[[Event], None]
_REST = 4
"""So many times as long as it looked it rests, however large the folder."""
_LONGEST_PAUSE = 600.0


class Run(Protocol):
    """What watching needs of `dinplug.batch.run.BatchRun`."""

    @property
    def ended_early(self) -> bool:
        """Whether the run left photos for another one because of more than these photos."""

    def run(self) -> RunFinished:
        """Restore all photos of its plan."""


class Stopping(Protocol):
    """What watching needs of `dinplug.batch.interrupt.Stop`."""

    def __call__(self) -> bool:
        """Tell whether to stop."""

    def wait(self, seconds: float) -> bool:
        """Wait for the wish to stop at most `seconds`, and tell whether it is there."""


@dataclass
class Watch:
    """Watches the one folder of `request` until `stop`; `start` makes the run of a plan.

    It looks every `interval` seconds, and again `retry` seconds after something kept it from
    writing, then after twice that, and so on. Photos that are done already are passed over.
    """

    request: Request
    recipe: Recipe
    start: Callable[[BatchPlan, Emit], Run]
    emit: Emit
    stop: Stopping
    warn: Callable[[str], None]
    suffix_of: SuffixOf
    is_photo_name: IsPhotoName
    is_foreign_name: IsPhotoName
    arrivals: Arrivals
    interval: float = 1.0
    retry: float = 30.0
    _handled: dict[Path, FileState] = field(default_factory=dict)
    _suffixes: dict[Path, tuple[FileState, str]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _is_gone: bool = False
    _trouble: str = ""
    _begun: int = 0
    _done: int = 0
    _skipped: int = 0
    _failed: int = 0

    def run(self) -> RunFinished:
        """Watch. Returns the last event, which was emitted as well.

        Raises UsageError where results would replace originals.
        """
        began = time.monotonic()
        self.emit(RunStarted(self.recipe.task, self.recipe.model, photos=0, skipped=0))
        pause, retry = 0.0, self.retry
        try:
            while not self.stop.wait(pause):
                looked = time.monotonic()
                plan, states = self._look()
                pause = max(self.interval, _REST * (time.monotonic() - looked))
                if not states or self._restore(plan, states):
                    retry = self.retry
                else:
                    pause, retry = retry, min(2 * retry, _LONGEST_PAUSE)
        finally:
            finished = RunFinished(
                self._done, self._skipped, self._failed, time.monotonic() - began, True
            )
            self.emit(finished)
        return finished

    def _look(self) -> tuple[BatchPlan, dict[Path, FileState]]:
        """Return a plan for what is complete and not handled, and the states of those files."""
        try:
            found, notes = find_photos(self.request, self.is_photo_name, self.is_foreign_name)
        except UsageError:  # the folder does not exist
            found, notes = [], []
        is_gone = not os.path.isdir(self.request.paths[0])  # whatever a network says
        if is_gone != self._is_gone:
            self._is_gone = is_gone
            self.warn(f"{self.request.paths[0]} is {'gone; waiting for it' if is_gone else 'back'}")
        complete = self.arrivals.complete(photo.path for photo in found)
        new = {path: state for path, state in complete.items() if self._handled.get(path) != state}
        if not new:
            return BatchPlan(()), {}
        ready = [photo for photo in found if photo.path in complete]
        plan = self._plan(ready, complete, notes)
        return _only(plan, new), new

    def _plan(
        self, ready: list[Found], states: dict[Path, FileState], notes: list[str]
    ) -> BatchPlan:
        def suffix_of(path: Path) -> str:
            """Look into a file again only where it changed."""
            known = self._suffixes.get(path)
            if known is None or known[0] != states[path]:
                known = self._suffixes[path] = (states[path], self.suffix_of(path))
            return known[1]

        plan = plan_photos(self.request, self.recipe, ready, suffix_of, notes)
        for note in plan.notes:
            if note not in self._told:
                self._told.add(note)
                self.warn(note)
        return plan

    def _restore(self, plan: BatchPlan, states: dict[Path, FileState]) -> bool:
        """Run a plan; False if more than its photos kept it from them."""
        settled: set[Path] = set()
        first = self._begun

        def relay(event: Event) -> None:
            """Pass on a run's events as those of one long run."""
            if isinstance(event, RunStarted | RunFinished):
                return
            if isinstance(event, PhotoFailed) and event.reason == NOT_TRIED:
                return  # it will be
            if isinstance(event, PhotoStarted | PhotoProgress | PhotoDone):
                event = replace(event, index=first + event.index)
            if isinstance(event, PhotoStarted):
                self._begun = event.index + 1
            elif isinstance(event, PhotoDone | PhotoSkipped):
                settled.add(Path(event.source))
            self._done += isinstance(event, PhotoDone)
            self._skipped += isinstance(event, PhotoSkipped)
            self._failed += isinstance(event, PhotoFailed)
            self.emit(event)

        trouble = ""
        try:
            run = self.start(plan, relay)
            run.run()
            in_order = not run.ended_early
        except (BusyError, SetupError) as error:
            in_order, trouble = False, str(error)
        if trouble and trouble != self._trouble:
            self.warn(f"{trouble}; trying again")
        self._trouble = trouble
        if in_order and not self.stop():
            settled = set(states)
        self._handled |= {path: states[path] for path in settled if path in states}
        return in_order


def _only(plan: BatchPlan, paths: dict[Path, FileState]) -> BatchPlan:
    """Leave out of a plan what is not among `paths`, and what is done already."""
    return BatchPlan(
        tuple(job for job in plan.jobs if job.source in paths),
        tuple(
            skip for skip in plan.skips if skip.job.source in paths and skip.reason != ALREADY_DONE
        ),
        tuple(refusal for refusal in plan.refusals if refusal.job.source in paths),
    )


def check_places(folder: Path, out: Path | None) -> None:
    """Raise UsageError where results would go to the folder that is watched."""
    if out is not None and os.path.realpath(out) == os.path.realpath(folder):
        raise UsageError(f"{out} is the folder that is watched; choose another --out for results")
