"""Keep a report while a batch runs: take its events, make pictures, write the page.

Pictures are made from the files themselves by one thread behind the run, so that the run never
waits for them, and photos done in earlier runs get theirs too. The page is written whole each
time: after the run's beginning, every few seconds, and at its end.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

from dinplug.atomic import write_atomically
from dinplug.batch.events import Event, RunFinished, RunStarted
from dinplug.batch.interrupt import Stop
from dinplug.batch.journal import Recipe
from dinplug.batch.plan import BatchPlan
from dinplug.batch.report.entries import Entries, Entry
from dinplug.batch.report.index import INDEX_NAME
from dinplug.batch.report.page import GENERATOR, render
from dinplug.batch.report.pictures import key_of, make_pictures, read_index
from dinplug.errors import SetupError, UsageError

_WRITE_SECONDS = 10.0
_POLL_SECONDS = 0.1
_LOCK_SECONDS = 0.5
_PICTURE = re.compile(r"\.?([0-9a-f]{20})-(thumb|(before|after)(-100)?)\.jpg(\.[0-9a-f]{8})?")


@contextmanager
def reported(
    file: Path | None,
    plan: BatchPlan,
    recipe: Recipe,
    stop: Stop,
    *,
    alongside: bool,
    tell: Callable[[str], None],
) -> Iterator[Callable[[Event], None]]:
    """Yield a receiver of a run's events that keeps the report `file`, if there is to be one.

    With `alongside` pictures are made while the run goes on, without it after its end, when their
    memory is free. Raises UsageError or SetupError, before anything, where it cannot be written,
    and SetupError at the end if it could not.
    """
    if file is None:
        yield lambda event: None
        return
    report = BatchReport(file, Entries.of(plan, recipe), alongside=alongside)
    stop.before_leaving.append(report.leave)
    try:
        yield report.take
    finally:
        report.finish(stop, tell)


class BatchReport:
    """The report of one run."""

    def __init__(self, file: Path, entries: Entries, *, alongside: bool) -> None:
        self.file = Path(os.path.abspath(file))
        self.folder = self.file.with_name(f"{self.file.stem}_files")
        self._entries = entries
        self._alongside = alongside
        self._finished: RunFinished | None = None
        self._begun_at: float | None = None
        self._waiting: list[Entry] = []
        self._making: deque[Future[None]] = deque()
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="report")
        self._lock = threading.Lock()
        self._written_at = float("-inf")
        make_place(self.file, self.folder)
        self._known = read_index(self.folder)

    def take(self, event: Event) -> None:
        """Take note of one event."""
        if isinstance(event, RunStarted):
            self._begun_at = time.monotonic()
            self._show(self._entries.with_results())
        elif isinstance(event, RunFinished):
            self._finished = event
        elif (entry := self._entries.take(event)) is not None:
            self._show([entry])

    def finish(self, stop: Callable[[], bool], tell: Callable[[str], None]) -> None:
        """Make the pictures that are still to be made, unless the user stops, and write the page.

        Raises SetupError if that is impossible.
        """
        if self._begun_at is None:
            return
        self._submit()
        missing = list(self._making)
        if len(missing) > 1 and not stop():
            tell(f"making the report's pictures of {len(missing)} photos; Ctrl-C leaves them out")
        while missing and not stop():
            missing = list(wait(missing, timeout=_POLL_SECONDS).not_done)
        self._maker.shutdown(wait=False, cancel_futures=True)
        if not missing:
            self._remove_old()
        self.write()
        tell(f"the report is {self.file}")

    def write(self) -> None:
        """Write the page with what is known now; SetupError if that is impossible."""
        if self._begun_at is None:
            return
        # Whoever leaves the process at once must not wait for a disk that hangs.
        taken = self._lock.acquire(timeout=_LOCK_SECONDS)
        try:
            written = time.strftime("%Y-%m-%d %H:%M")
            page = render(self._entries, self.folder.name, written, self._finished)
            write_atomically(page.encode("utf-8"), self.file)
            self._written_at = time.monotonic()
        finally:
            if taken:
                self._lock.release()

    def leave(self) -> None:
        """Write what is known, because the process ends at once."""
        if self._finished is None and self._begun_at is not None:
            seconds = time.monotonic() - self._begun_at
            self._finished = RunFinished(0, 0, 0, seconds, interrupted=True)
        self._write_if_possible()

    def _write_if_possible(self) -> None:
        """Write the page; where that fails the end of the run will tell."""
        with suppress(SetupError):
            self.write()

    def _show(self, entries: list[Entry]) -> None:
        """See to the pictures of `entries`."""
        self._waiting += entries
        if self._alongside:
            self._submit()

    def _submit(self) -> None:
        todo, self._waiting = self._waiting, []
        self._making += [self._maker.submit(self._make, entry) for entry in todo]
        while self._making and self._making[0].done():
            self._making.popleft()

    def _make(self, entry: Entry) -> None:
        """Make the pictures of one photo; what goes wrong is told in its place."""
        try:
            key = key_of(entry.job.source, entry.job.target)
            entry.pictures = self._known.get(key) or make_pictures(
                entry.job.source, entry.job.target, self.folder
            )
        except Exception as error:  # a photo costs its own pictures only
            entry.about = "; ".join(filter(None, (entry.about, f"no pictures: {error}")))
        if time.monotonic() - self._written_at >= _WRITE_SECONDS:
            self._write_if_possible()

    def _remove_old(self) -> None:
        """Remove pictures that this report no longer shows, and what a killed run left."""
        shown = {entry.pictures.key for entry in self._entries.with_results() if entry.pictures}
        for path in self.folder.iterdir():
            match = _PICTURE.fullmatch(path.name)
            if match and (match[1] not in shown or path.name.startswith(".")):
                path.unlink(missing_ok=True)


def make_place(file: Path, folder: Path) -> None:
    """Make sure that the report `file` and the `folder` of its pictures can be written.

    Raises UsageError where something else is there, SetupError where nothing can be written.
    """
    if file.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{file}: not a name for a report; end it in .html")
    if os.path.lexists(file) and not _is_report(file):
        raise UsageError(f"{file} exists and is no report of dinplug; choose another name")
    index = folder / INDEX_NAME
    try:
        if os.path.lexists(folder) and not index.exists() and any(folder.iterdir()):
            raise UsageError(
                f"{folder} has other files in it, and the report's pictures would go there; "
                "choose another name for the report"
            )
        folder.mkdir(parents=True, exist_ok=True)
        with index.open("ab"), tempfile.TemporaryFile(dir=file.parent):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise SetupError(f"{file}: the report cannot be written there ({reason})") from error


def _is_report(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return GENERATOR.encode() in stream.read(1000)
    except OSError:
        return False
