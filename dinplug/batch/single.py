"""Restore one photo into one named file."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from dinplug.batch.events import (
    Event,
    PhotoDone,
    PhotoFailed,
    PhotoProgress,
    PhotoStarted,
    RunFinished,
    RunStarted,
)
from dinplug.batch.journal import Recipe
from dinplug.batch.options import FORMAT_OF_SUFFIX
from dinplug.batch.pacing import progress_receiver
from dinplug.batch.plan import is_same_file
from dinplug.batch.run import PhotoRestorer
from dinplug.batch.unfinished import UnfinishedFiles, remove_files_left_beside
from dinplug.errors import DinplugError, Interrupted, UsageError
from dinplug.imaging import WriteOptions, read_photo, write_photo
from dinplug.inference.run import ShouldStop


@dataclass
class SingleRun:
    """Restores `source` into `target`, telling `emit` what happens."""

    source: Path
    target: Path
    recipe: Recipe
    restorer: PhotoRestorer
    write_options: WriteOptions
    emit: Callable[[Event], None]
    should_stop: ShouldStop
    overwrite: bool = False
    unfinished: UnfinishedFiles = field(default_factory=UnfinishedFiles)

    def run(self) -> None:
        """Restore the photo. Raises what `restore_photo` and `write_photo` raise.

        The last event is RunFinished, whatever happens.
        """
        started = time.monotonic()
        done = failed = 0
        interrupted = False
        self.emit(RunStarted(self.recipe.task, self.recipe.model, photos=1, skipped=0))
        try:
            self._restore(started)
            done = 1
        except Interrupted:
            interrupted = True
            raise
        except DinplugError as error:
            failed = 1
            self.emit(PhotoFailed(str(self.source), str(error)))
            raise
        finally:
            seconds = time.monotonic() - started
            self.emit(RunFinished(done, 0, failed, seconds, interrupted))

    def _restore(self, started: float) -> None:
        source, target = str(self.source), str(self.target)
        self.emit(PhotoStarted(0, source, target))
        self.emit(PhotoProgress(0, "reading", 0, 1))
        restored = self.restorer.restore_photo(
            read_photo(self.source),
            on_progress=progress_receiver(0, self.emit),
            should_stop=self.should_stop,
        )
        self.emit(PhotoProgress(0, "writing", 0, 1))
        remove_files_left_beside(self.target)
        with self.unfinished.writing_in(self.target.parent):
            notes = write_photo(restored, self.target, self.write_options, overwrite=self.overwrite)
        seconds = time.monotonic() - started
        note = "; ".join((*restored.source.warnings, *notes))
        self.emit(PhotoDone(0, source, target, seconds, note))


def check_target(source: Path, target: Path, *, overwrite: bool) -> None:
    """Raise UsageError, before any work, where `target` cannot or must not be written."""
    if not os.path.lexists(source):
        raise UsageError(f"{source} does not exist")
    if source.is_dir():
        raise UsageError(f"{source} is a folder; `dinplug batch` restores folders")
    if os.path.isdir(target):
        raise UsageError(f"{target} is a folder; name the file to write")
    if is_same_file(source, target):
        raise UsageError(f"{target} is the original; choose another name")
    if os.path.lexists(target) and not overwrite:
        raise UsageError(f"{target} exists; --overwrite replaces it")
    if not os.path.isdir(target.parent):
        raise UsageError(f"{target.parent} is no folder; make it first")


def options_for(target: Path, options: WriteOptions) -> WriteOptions:
    """Return `options` with the format that the name of `target` means.

    Raises UsageError if it means none, or another than the options say.
    """
    named = FORMAT_OF_SUFFIX.get(target.suffix.lower())
    if named is None:
        known = ", ".join(FORMAT_OF_SUFFIX)
        raise UsageError(f"{target.name}: not a name dinplug writes; end it in one of {known}")
    if options.format not in (None, named):
        raise UsageError(f"{target.name} is a name for {named}, and --format says {options.format}")
    return replace(options, format=named)
