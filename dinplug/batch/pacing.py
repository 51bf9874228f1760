"""As much progress as a person or a program can follow."""

import time
from collections.abc import Callable

from dinplug.batch.events import Event, PhotoProgress
from dinplug.inference.executor import Progress
from dinplug.inference.run import OnProgress

_PROGRESS_SECONDS = 0.1


def progress_receiver(index: int, emit: Callable[[Event], None]) -> OnProgress:
    """Return a receiver that passes on as much progress as a person or program can follow."""
    last_time = float("-inf")

    def receive(progress: Progress) -> None:
        nonlocal last_time
        now = time.monotonic()
        if progress.done == progress.total or now - last_time >= _PROGRESS_SECONDS:
            last_time = now
            emit(PhotoProgress(index, progress.stage, progress.done, progress.total))

    return receive
