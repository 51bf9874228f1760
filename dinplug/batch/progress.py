"""Show the events of a run: bars on a terminal, a line for each photo elsewhere, or JSON lines."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from dinplug.batch.events import (
    NOT_TRIED,
    Event,
    PhotoDone,
    PhotoFailed,
    PhotoPlanned,
    PhotoProgress,
    PhotoSkipped,
    PhotoStarted,
    RunFinished,
    RunStarted,
    to_json,
)
from dinplug.batch.summary import about, duration, for_display, printable

Detail = Literal["quiet", "verbose"]


class View(ABC):
    """Shows events while it is entered as a context."""

    def __enter__(self) -> "View":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take down what was put up."""
        del kind, error, trace

    @abstractmethod
    def show(self, event: Event) -> None:
        """Show one event."""


@dataclass
class JsonView(View):
    """One JSON object a line."""

    stream: TextIO

    def show(self, event: Event) -> None:
        self.stream.write(to_json(event) + "\n")
        self.stream.flush()


@dataclass
class QuietView(View):
    """A line for each photo that failed, and nothing else."""

    stream: TextIO

    def show(self, event: Event) -> None:
        if isinstance(event, PhotoFailed) and event.reason != NOT_TRIED:
            _write_failure(self.stream, f"failed: {about(event.source, event.reason)}")


@dataclass
class LineView(View):
    """One line for each photo that is settled; with `verbose` also for each that is begun."""

    stream: TextIO
    verbose: bool = False
    _total: int = 0
    _settled: int = 0

    def show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._total = event.photos
        elif isinstance(event, PhotoStarted) and self.verbose:
            self._write(f"begun: {event.source}")
        elif isinstance(event, PhotoDone):
            self._line(f"{event.source} -> {event.target} ({duration(event.seconds)})")
            if self.verbose and event.note:
                self._write(f"  note: {event.note}")
        elif isinstance(event, PhotoFailed) and event.reason == NOT_TRIED:
            self._settled += 1  # the summary counts them
        elif isinstance(event, PhotoFailed):
            self._settled += 1
            text = f"failed: {about(event.source, event.reason)}"
            _write_failure(self.stream, f"{self._count()} {text}")
        elif isinstance(event, PhotoSkipped):
            self._write(f"skipped: {event.source} ({event.reason})")
        elif isinstance(event, PhotoPlanned):
            self._write(f"{event.source} -> {event.target}: {event.plan}")

    def _line(self, text: str) -> None:
        self._settled += 1
        self._write(f"{self._count()} {text}")

    def _count(self) -> str:
        of = f"/{max(self._total, self._settled)}" if self._total else ""
        return f"[{self._settled}{of}]"

    def _write(self, text: str) -> None:
        self.stream.write(for_display(text) + "\n")
        self.stream.flush()


def _write_failure(stream: TextIO, text: str) -> None:
    """Write a line in red where there are colours: NO_COLOR and FORCE_COLOR are rich's matter."""
    console = Console(file=stream, soft_wrap=True, highlight=False)
    console.print(Text(for_display(text), style="red"))
    stream.flush()


class TerminalView(View):
    """Two bars: the photos with the time left, and the present photo with its stage."""

    def __init__(self, stream: TextIO) -> None:
        self._bars = Progress(
            TextColumn(
                "{task.description}",
                markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=2),
            ),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            TextColumn("{task.fields[detail]}", markup=False, table_column=Column(no_wrap=True)),
            TimeRemainingColumn(compact=True),
            console=Console(file=stream),
            expand=True,
        )
        self._photos: TaskID | None = None
        self._present: TaskID | None = None
        self._settled = 0
        self._refused: int | None = None

    def __enter__(self) -> "TerminalView":
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def show(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._photos = self._bars.add_task("photos", total=event.photos, detail="")
            self._present = self._bars.add_task("", total=1, detail="")
            self._advance()
        elif isinstance(event, PhotoStarted):
            self._begin(event)
        elif isinstance(event, PhotoProgress):
            self._follow(event)
        elif isinstance(event, PhotoDone):
            self._settled += 1
            self._advance()
        elif isinstance(event, PhotoFailed):
            self._settled += 1
            self._advance()
            if event.reason != NOT_TRIED:  # the summary counts them
                failure = for_display(f"failed: {about(event.source, event.reason)}")
                self._bars.console.print(Text(failure, style="red"))
        elif isinstance(event, RunFinished) and self._present is not None:
            self._bars.remove_task(self._present)
            self._present = None

    def _begin(self, event: PhotoStarted) -> None:
        if self._refused is None:
            self._refused = self._settled  # photos that failed before any was begun
        if self._present is not None:
            name = printable(Path(event.source).name)
            self._bars.reset(self._present, description=name, total=None, detail="")

    def _follow(self, event: PhotoProgress) -> None:
        if self._present is None:
            return
        self._bars.update(
            self._present, total=event.total, completed=event.done, detail=event.stage
        )
        begun = (self._refused or 0) + event.index
        self._advance(begun + (event.done / event.total if event.total else 0))

    def _advance(self, reached: float = 0) -> None:
        """Move the bar of the photos to `reached`, at least to the photos that are settled."""
        if self._photos is None:
            return
        total = self._bars.tasks[0].total or 0
        detail = f"{min(self._settled, int(total))}/{int(total)}"
        self._bars.update(self._photos, completed=max(self._settled, reached), detail=detail)


def choose_view(
    as_json: bool,
    output: TextIO,
    messages: TextIO,
    *,
    detail: Detail | None = None,
    bars: bool = True,
) -> View:
    """Choose how a run is shown.

    JSON lines go to `output`, everything else to `messages`: bars if that is a terminal, else a
    line for each photo; `detail` asks for less or more.
    """
    if as_json:
        return JsonView(output)
    if detail == "quiet":
        return QuietView(messages)
    if detail == "verbose" or not bars or not messages.isatty():
        return LineView(messages, verbose=detail == "verbose")
    return TerminalView(messages)
