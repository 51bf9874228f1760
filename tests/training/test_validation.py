"""Validation: scores of held-out pairs, before and after the network."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinplug.evaluation.metrics import psnr, to_uint8
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.validation import validate
from tests.training.tiny_runs import Veil


class Enlarge(nn.Module):
    """Twice as large, by its only weight times the pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x * self.weight, scale_factor=2, mode="bicubic")


class Lift(nn.Module):
    """Takes the veil off: (x - 0.4) / 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.tensor(0.4))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.offset) / 0.5


def test_input_and_output_are_compared_with_the_clean_picture() -> None:
    score = validate(Lift(), Veil(), 2, 3)
    # All equal but for rounding to 8 bit, which is the same on both sides but at the edges.
    assert score.psnr > 50 and score.ssim > 0.999
    expected = []
    for number in range(6):
        degraded, clean = Veil().pair(number)
        expected.append(psnr(to_uint8(degraded), to_uint8(clean)))
    assert score.input_psnr == pytest.approx(np.mean(expected))


def test_a_small_input_is_enlarged_bicubically_first() -> None:
    score = validate(Enlarge(), Veil(scale=2), 1, 2)
    assert score.psnr == pytest.approx(score.input_psnr)


def test_equal_pictures_count_as_60_db() -> None:
    class Clear(NumberedPairs):
        def pair(self, number: int) -> tuple[F32, F32]:
            _, clean = Veil().pair(number)
            return clean * 0, clean * 0

    class Black(Enlarge):
        def forward(self, x: Tensor) -> Tensor:
            return x * 0

    score = validate(Black(), Clear(), 1, 2)
    assert (score.input_psnr, score.psnr) == (60, 60)
    assert score.ssim == pytest.approx(1)
