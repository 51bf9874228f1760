"""What a report says about each photo of a plan: gathered from the journal, then from events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dinplug.batch.events import NOT_TRIED, Event, PhotoDone, PhotoFailed
from dinplug.batch.journal import Journal, Recipe
from dinplug.batch.plan import ALREADY_DONE, BatchPlan, Job
from dinplug.batch.report.pictures import Pictures

Status = Literal["waiting", "done", "failed", "skipped"]


@dataclass(slots=True)
class Entry:
    """One photo. `about` says why it failed or was skipped, or what to know about its result.

    `recipe` and `seconds` are those its result was made with; None where nobody knows.
    """

    job: Job
    status: Status = "waiting"
    about: str = ""
    seconds: float | None = None
    recipe: Recipe | None = None
    pictures: Pictures | None = None

    @property
    def has_result(self) -> bool:
        """Whether there is a result of which it is known how it was made."""
        return self.recipe is not None


@dataclass
class Entries:
    """All photos of a plan in order of their paths; those done in earlier runs are done."""

    recipe: Recipe
    photos: dict[str, Entry]

    @staticmethod
    def of(plan: BatchPlan, recipe: Recipe) -> Entries:
        """Gather what is known before the run."""
        journals = {folder: Journal.read(folder) for folder in plan.folders}
        found = [Entry(job) for job in plan.jobs]
        found += [Entry(refusal.job, "failed", refusal.reason) for refusal in plan.refusals]
        for skip in plan.skips:
            entry = Entry(skip.job, "skipped", skip.reason)
            journal = journals[skip.job.folder]
            record = journal.find(skip.job.target) or journal.find_begun(skip.job.target)
            if record is not None:
                entry.recipe = record.recipe
                entry.seconds = record.seconds if record.status == "done" else None
                if skip.reason == ALREADY_DONE:
                    entry.status, entry.about = "done", record.reason
            found.append(entry)
        found.sort(key=lambda entry: entry.job.source.parts)
        return Entries(recipe, {str(entry.job.source): entry for entry in found})

    def take(self, event: Event) -> Entry | None:
        """Take note of one event; return the entry whose result it tells of, if it does."""
        if isinstance(event, PhotoDone):
            entry = self.photos[event.source]
            entry.status, entry.about, entry.seconds = "done", event.note, event.seconds
            entry.recipe = self.recipe
            return entry
        if isinstance(event, PhotoFailed) and event.reason != NOT_TRIED:
            entry = self.photos[event.source]
            entry.status, entry.about = "failed", event.reason
        return None

    def with_results(self) -> list[Entry]:
        """The photos that have results already."""
        return [entry for entry in self.photos.values() if entry.has_result]
