"""What a run needs of workers that restore photos for it, and may come and go meanwhile."""

from collections.abc import Iterable
from typing import Protocol

from dinplug.batch.remote import Failure, Order, Result
from dinplug.inference.run import ShouldStop


class WorkerLostError(Exception):
    """A worker is gone, and what it was doing with it."""


class Worker(Protocol):
    """Restores one photo at a time in another process. `place` is where, for a person."""

    place: str

    def prepare(self, should_stop: ShouldStop) -> Failure | None:
        """Load the model; return why that is impossible. Raises as `restore` does."""

    def restore(self, order: Order, should_stop: ShouldStop) -> Result | Failure:
        """Restore a photo. Raises WorkerLostError; Interrupted soon after `should_stop` says so."""


class Crew(Protocol):
    """The workers of a run. With `second_tries` a slow one's photo is given to another one too."""

    second_tries: bool
    patience: float
    """How long to wait for a worker while there is none, in seconds."""
    nobody: str
    """What to tell the user then."""

    def newcomers(self) -> Iterable[Worker]:
        """Return the workers that came since the last call. Raises SetupError: no more can come."""

    def close(self) -> None:
        """Let all workers go, whatever they are doing."""

    def leave(self) -> None:
        """Remove what would outlive this process, which ends at once; called by any thread."""
