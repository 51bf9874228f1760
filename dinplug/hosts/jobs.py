"""Requests under way: each is answered exactly once, whether it ends, fails or is cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from dinplug.errors import Interrupted
from dinplug.hosts import protocol

Message = dict[str, Any]
Send = Callable[[Message], None]

_PROGRESS_SECONDS = 0.1
_TRUSTED_SHARE = 0.05
"""From this share on the time left is told from the time taken; before, from earlier runs."""


class Job:
    """One request; `send` takes its answers."""

    def __init__(self, number: int, request: str, message: Message, send: Send) -> None:
        self.number, self.request, self.message = number, request, message
        self._send = send
        self._lock = threading.Lock()
        self._answered = False
        self._told = float("-inf")

    @property
    def is_over(self) -> bool:
        """Whether it has been answered; work for it is in vain then."""
        return self._answered

    def check(self) -> None:
        """Raise Interrupted if it is over."""
        if self._answered:
            raise Interrupted("cancelled")

    def succeed(self, result: Message) -> bool:
        """Answer with a result; False if it was answered before."""
        return self._answer({"id": self.number, "answer": "result", **result})

    def fail(self, kind: str, message: str, detail: str = "") -> bool:
        """Answer with an error; False if it was answered before."""
        return self._answer(protocol.error_answer(self.number, kind, message, detail))

    def _answer(self, answer: Message) -> bool:
        with self._lock:
            if self._answered:
                return False
            self._answered = True
            self._send(answer)
            return True

    def tell(self, stage: str, share: float, seconds_left: float | None) -> None:
        """Tell how far it is: `share` 0 to 1 is done."""
        now = time.monotonic()
        if 0 < share < 1 and now - self._told < _PROGRESS_SECONDS:
            return
        self._told = now
        left = None if seconds_left is None else round(max(0.0, seconds_left), 1)
        with self._lock:
            if not self._answered:
                what = {"stage": stage, "share": round(share, 4), "seconds_left": left}
                self._send({"id": self.number, "answer": "progress", **what})


class Stopwatch:
    """Estimates the time left of a run from the share that is done, or from an expectation."""

    def __init__(self, expected: float | None) -> None:
        self.expected = expected
        self.started = time.monotonic()

    @property
    def taken(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def left(self, share: float) -> float | None:
        """Seconds left, or None where nothing is known."""
        if share >= _TRUSTED_SHARE:
            return self.taken * (1 - share) / share
        return None if self.expected is None else self.expected - self.taken
