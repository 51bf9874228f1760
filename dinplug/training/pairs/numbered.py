"""Numbered pairs: what every source of training pairs shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

F32 = NDArray[np.float32]

_BATCHES_AHEAD = 4


class NumberedPairs(ABC):
    """Pairs of degraded and clean pictures, numbered without end.

    Pair number n of a seed is always the same, whatever was drawn before: a resumed run sees
    exactly what an uninterrupted one would have.
    """

    @abstractmethod
    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` as (degraded, clean): display-encoded RGB (H, W, 3) in 0..1.

        For super-resolution the clean picture is larger by the factor.
        """

    def batch(self, first: int, size: int) -> tuple[Tensor, Tensor]:
        """Return pairs `first` to `first + size - 1` as two tensors (size, 3, H, W)."""
        pairs = [self.pair(number) for number in range(first, first + size)]
        degraded, clean = (
            np.stack(side).transpose(0, 3, 1, 2) for side in zip(*pairs, strict=True)
        )
        return torch.from_numpy(degraded.copy()), torch.from_numpy(clean.copy())

    def batches(self, step: int, size: int) -> Generator[tuple[Tensor, Tensor], None, None]:
        """Yield batch after batch from number `step` on, made ahead in a thread of its own."""
        with ThreadPoolExecutor(1) as maker:
            ahead: list[Future[tuple[Tensor, Tensor]]] = []
            try:
                while True:
                    while len(ahead) < _BATCHES_AHEAD:
                        ahead.append(maker.submit(self.batch, step * size, size))
                        step += 1
                    yield ahead.pop(0).result()
            finally:
                for pending in ahead:
                    pending.cancel()
