"""What a run came to, for a person."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from dinplug.batch.events import (
    NOT_TRIED,
    Event,
    PhotoDone,
    PhotoFailed,
    PhotoSkipped,
    RunFinished,
    RunStarted,
)


@dataclass
class Summary:
    """Gathers events; `lines()` is the end of a run's report."""

    folders: tuple[Path, ...] = ()
    model: str = ""
    finished: RunFinished | None = None
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    not_tried: int = 0
    skips: Counter[str] = field(default_factory=Counter)

    def take(self, event: Event) -> None:
        """Take note of one event."""
        if isinstance(event, RunStarted):
            self.model = event.model
        elif isinstance(event, PhotoFailed) and event.reason == NOT_TRIED:
            self.not_tried += 1
        elif isinstance(event, PhotoFailed):
            self.failures.append(about(event.source, event.reason))
        elif isinstance(event, PhotoSkipped):
            self.skips[event.reason] += 1
        elif isinstance(event, PhotoDone) and event.note:
            self.notes.append(about(event.source, event.note))
        elif isinstance(event, RunFinished):
            self.finished = event

    def lines(self) -> list[str]:
        """Return counts, time, model, folders, and the reason of each photo that was left out."""
        if self.finished is None:
            return []
        end = self.finished
        failed = end.failed - self.not_tried
        counts = f"{end.done} restored, {end.skipped} skipped, {failed} failed"
        if self.not_tried:
            counts += f", {self.not_tried} not tried"
        how = "Interrupted" if end.interrupted else "Finished"
        where = f"; results in {', '.join(map(str, self.folders))}" if self.folders else ""
        lines = [f"{how} after {duration(end.seconds)} with {self.model}: {counts}{where}"]
        lines += [f"  skipped {count}: {reason}" for reason, count in self.skips.most_common()]
        lines += [f"  note: {note}" for note in self.notes]
        lines += [f"  failed: {failure}" for failure in self.failures]
        if end.interrupted or self.not_tried:
            lines.append("  every file written is whole; the same command goes on from here")
        return [for_display(line) for line in lines]


def about(source: str, reason: str) -> str:
    """Put the photo's name before `reason` unless it begins with it."""
    return reason if reason.startswith(source) else f"{source}: {reason}"


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def for_display(text: str) -> str:
    """Return `text` with printable letters only, and without the present folder in its paths."""
    here = Path.cwd()
    return printable(text if here == here.parent else text.replace(f"{here}{os.sep}", ""))


def printable(text: str) -> str:
    """Return `text` with control characters and undecodable bytes of names written as escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
