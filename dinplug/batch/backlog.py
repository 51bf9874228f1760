"""The photos of a run that several workers share: which are left, given back, or slow."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass

_LOOK_SECONDS = 0.5
MOST_LOSSES = 3
_PATIENCE = 2.0
"""A photo that takes this many times the slowest one so far is tried by a second worker too."""


@dataclass(frozen=True)
class Attempt:
    """Photo number `index` is to be restored, for the first time in this run if `is_first`."""

    index: int
    is_first: bool


class Backlog:
    """Hands out the numbers 0 to `count` - 1, to many threads, until each is settled once.

    A photo whose worker was lost may be to blame: it goes to a worker that has no other one, so
    that it can harm none. With `second_tries`, when no photo is left to begin, a slow one is given
    to a second worker: whoever settles it first is believed.
    """

    def __init__(self, count: int, *, second_tries: bool) -> None:
        self._waiting = deque(range(count))
        self._running: dict[int, dict[str, float]] = {}
        self._unsettled = set(range(count))
        self._begun: set[int] = set()
        self._losses: Counter[int] = Counter()
        self._slowest: float | None = None
        self._second_tries = second_tries
        self._is_closed = False
        self._changed = threading.Condition()

    def take(self, worker: str) -> Attempt | None:
        """Wait for a photo for `worker`; None when there will be no more."""
        with self._changed:
            while self._unsettled and not self._is_closed:
                index = self._next_one(worker)
                if index is not None:
                    self._running.setdefault(index, {})[worker] = time.monotonic()
                    is_first = index not in self._begun
                    self._begun.add(index)
                    return Attempt(index, is_first)
                self._changed.wait(_LOOK_SECONDS)
        return None

    def settle(self, index: int, worker: str) -> bool:
        """Say that `worker` is through with photo `index`; False if another one was before."""
        with self._changed:
            began = self._running[index].pop(worker)
            if index not in self._unsettled:
                return False
            self._unsettled.remove(index)
            self._slowest = max(self._slowest or 0.0, time.monotonic() - began)
            self._changed.notify_all()
            return True

    def give_back(self, index: int, worker: str) -> None:
        """Let others take the photo, which `worker` will not restore."""
        with self._changed:
            others = self._running[index]
            del others[worker]
            if index in self._unsettled and not others:
                self._waiting.appendleft(index)
            self._changed.notify_all()

    def lose(self, index: int, worker: str) -> bool:
        """Say that `worker` ended over the photo.

        Others may try it, but for MOST_LOSSES workers it is settled: then the answer is True.
        """
        with self._changed:
            self._losses[index] += 1
            if self._losses[index] >= MOST_LOSSES:
                return self.settle(index, worker)
            self.give_back(index, worker)
            return False

    def is_settled(self, index: int) -> bool:
        """Tell whether some worker is through with photo `index`."""
        return index not in self._unsettled

    def wait(self, seconds: float) -> bool:
        """Wait until every photo is settled, at most `seconds`; tell whether that is so."""
        with self._changed:
            if self._unsettled:
                self._changed.wait(seconds)
            return not self._unsettled

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _next_one(self, worker: str) -> int | None:
        has = [index for index, workers in self._running.items() if worker in workers]
        if any(self._losses[index] for index in has):
            return None
        for index in self._waiting:
            if not has or not self._losses[index]:
                self._waiting.remove(index)
                return index
        return self._slow_one(worker)

    def _slow_one(self, worker: str) -> int | None:
        """The photo that one other worker has had for longest, if that is far too long."""
        if not self._second_tries or self._slowest is None:
            return None
        latest = time.monotonic() - _PATIENCE * self._slowest
        slow = [
            (began, index)
            for index, workers in self._running.items()
            if index in self._unsettled and len(workers) == 1
            for other, began in workers.items()
            if other != worker and began < latest
        ]
        return min(slow)[1] if slow else None
