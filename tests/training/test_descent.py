"""One step: the scale of float16 changes nothing but what overflows, and clipping knows of it."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from dinplug.errors import SetupError
from dinplug.training.descent import Descent, difference
from tests.training.tiny_runs import TINY


def descents(clip: float = 1.0) -> tuple[Descent, Descent]:
    """Two equal lines y = w x + b: one trained plainly, one with scaled gradients."""
    pair = []
    for precision in ("float32", "float16"):
        weights = [nn.Parameter(torch.tensor([0.5, -0.25])), nn.Parameter(torch.tensor([0.125]))]
        pair.append(Descent(replace(TINY, precision=precision, clip=clip), weights, "cpu"))
    return pair[0], pair[1]


def loss_of(descent: Descent, x: Tensor) -> Tensor:
    slope, offset = descent.parameters
    return (x * slope + offset).square().mean()


@pytest.mark.parametrize("clip", [1e-3, 1e3])
def test_scaled_gradients_give_the_same_step_clipped_or_not(clip: float) -> None:
    plain, scaled = descents(clip)
    for step in range(5):
        x = torch.rand(7, 2, generator=torch.Generator().manual_seed(step))
        for descent in (plain, scaled):
            descent.take(loss_of(descent, x), 1e-2)
    # The scale is a power of two, so that multiplying and dividing by it is exact.
    assert scaled.scaler.get_scale() == 65536
    for one, other in zip(plain.parameters, scaled.parameters, strict=True):
        assert torch.equal(one, other)
        assert not torch.equal(one, torch.zeros_like(one))


def test_a_gradient_that_overflows_costs_a_step_and_half_the_scale() -> None:
    _, scaled = descents()
    before = [value.detach().clone() for value in scaled.parameters]
    scaled.take(loss_of(scaled, torch.full((1, 2), 1e18)), 1e-2)
    assert all(torch.equal(a, b) for a, b in zip(before, scaled.parameters, strict=True))
    assert scaled.scaler.get_scale() == 32768
    scaled.take(loss_of(scaled, torch.ones(1, 2)), 1e-2)
    assert not any(torch.equal(a, b) for a, b in zip(before, scaled.parameters, strict=True))


def test_a_gradient_that_is_no_number_without_a_scale_changes_nothing() -> None:
    plain, _ = descents()
    before = [value.detach().clone() for value in plain.parameters]
    slope = plain.parameters[0]
    loss = (slope - slope.detach()).sum().sqrt()  # zero, but infinitely steep
    assert float(loss.detach()) == 0
    with pytest.raises(SetupError, match="gradient"):
        plain.take(loss, 1e-2)
    assert all(torch.equal(a, b) for a, b in zip(before, plain.parameters, strict=True))


def test_a_gradient_that_no_scale_makes_finite_ends_the_run() -> None:
    _, scaled = descents()
    with pytest.raises(SetupError, match="gradient"):
        for _ in range(20):  # from 2^16 to 1 are sixteen halvings
            slope = scaled.parameters[0]
            scaled.take((slope - slope.detach()).sum().sqrt(), 1e-2)


def test_losses_of_a_known_error() -> None:
    clean = torch.zeros(1, 3, 2, 2)
    restored = torch.full_like(clean, 0.5)
    assert float(difference("l1", restored, clean)) == 0.5
    assert float(difference("l2", restored, clean)) == 0.25


def test_psnr_loss_is_the_mean_of_the_pictures_psnr_in_bel() -> None:
    clean = torch.zeros(2, 3, 2, 2)
    restored = torch.stack([torch.full((3, 2, 2), 0.1), torch.full((3, 2, 2), 1.0)])
    assert float(difference("psnr", restored, clean)) == pytest.approx(-1, abs=1e-3)  # 20 and 0 dB
    assert math.isfinite(float(difference("psnr", clean, clean)))


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_network_runs_in_the_recipes_precision_and_the_loss_in_float32(precision: str) -> None:
    seen: list[torch.dtype] = []

    class Spy(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            result = super().forward(x)
            seen.append(result.dtype)
            return result

    network = Spy(3, 3, 1)
    descent = Descent(
        replace(TINY, precision=precision),  # type: ignore[arg-type]
        list(network.parameters()),
        "cpu",
    )
    picture = torch.rand(1, 3, 4, 4)
    loss = descent.loss(network, picture, picture)
    assert seen == [getattr(torch, precision)]
    assert loss.dtype == torch.float32
    descent.take(loss, 1e-3)
    assert {value.dtype for value in network.parameters()} == {torch.float32}
