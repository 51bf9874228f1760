"""Batches of numbered pairs: in order, from any step on, as tensors."""

import numpy as np
import torch

from dinplug.training.pairs.numbered import F32, NumberedPairs


class Counted(NumberedPairs):
    """Pair n is full of n / 100, its clean picture twice as large and full of n / 200."""

    def pair(self, number: int) -> tuple[F32, F32]:
        return (
            np.full((2, 3, 3), number / 100, np.float32),
            np.full((4, 6, 3), number / 200, np.float32),
        )


def test_a_batch_holds_its_pairs_in_order() -> None:
    degraded, clean = Counted().batch(4, 3)
    assert degraded.shape == (3, 3, 2, 3)
    assert clean.shape == (3, 3, 4, 6)
    assert torch.equal(degraded[:, 0, 0, 0], torch.tensor([0.04, 0.05, 0.06]))
    assert torch.equal(clean[:, 2, 3, 5], torch.tensor([0.02, 0.025, 0.03]))


def test_batches_go_on_from_any_step() -> None:
    stream, later = Counted().batches(0, 2), Counted().batches(3, 2)
    for _ in range(3):
        next(stream)
    for one, other in zip(next(stream), next(later), strict=True):
        assert torch.equal(one, other)
    assert float(next(stream)[0][0, 0, 0, 0]) == np.float32(0.08)
    stream.close()
    later.close()
