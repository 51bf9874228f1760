"""Lanes that do queued work as late and in as odd an order as the rules of waiting allow."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dinplug.inference.lanes import Lane, Lanes, Mark


@dataclass(eq=False)
class Work:
    """Work in a lane, and what it waits for."""

    do: Callable[[], None]
    after: list[Work] = field(default_factory=list)
    is_done: bool = False


class ShuffledLanes(Lanes):
    """Any two lanes may run at any pace beside each other: a missing wait shows as wrong pixels."""

    def __init__(self, seed: int) -> None:
        super().__init__(torch.device("cpu"))
        self.random = random.Random(seed)
        self.queues: dict[Lane, deque[Work]] = {
            "upload": deque(),
            "compute": deque(),
            "download": deque(),
        }

    def submit(self, lane: Lane, work: Callable[[], None], after: Iterable[Mark]) -> Mark:
        marks = [mark for mark in after if isinstance(mark, Work)]
        queued = Work(work, marks)
        self.queues[lane].append(queued)
        return queued

    def wait(self, mark: Mark) -> None:
        assert isinstance(mark, Work)
        while not mark.is_done:
            self._step()

    def meet(self) -> None:
        self.finish()

    def finish(self) -> None:
        while any(self.queues.values()):
            self._step()

    def _step(self) -> None:
        ready = [q for q in self.queues.values() if q and all(w.is_done for w in q[0].after)]
        assert ready, "the lanes wait for each other"
        work = self.random.choice(ready).popleft()
        work.do()
        work.is_done = True

    def host_empty(self, size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.full(size, torch.nan, dtype=dtype)

    def release(self) -> None:
        pass
