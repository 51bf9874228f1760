"""Muon: steps of one size in every direction, Adam beside it, one state for both."""

import pytest
import torch
from torch import nn

from dinplug.training.muon import Muon, orthogonal

BETAS = (0.9, 0.99)


@pytest.mark.parametrize("shape", [(8, 8), (8, 72), (48, 16), (5, 1)])
def test_orthogonal_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    rank = min(shape)
    left, right = (
        torch.linalg.qr(torch.randn(side, rank, generator=generator))[0] for side in shape
    )
    uneven = left * torch.logspace(0, -1, rank) @ right.T
    values = torch.linalg.svdvals(orthogonal(uneven))
    # The range of Jordan et al.'s polynomial after five steps.
    assert float(values.min()) > 0.6
    assert float(values.max()) < 1.3


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_a_step_does_not_depend_on_the_size_of_the_gradient(scale: float) -> None:
    moved = []
    for factor in (1.0, scale):
        kernel = nn.Parameter(torch.zeros(8, 6, 3, 3))
        kernel.grad = factor * torch.randn(kernel.shape, generator=torch.Generator().manual_seed(2))
        Muon([kernel], 1e-2, BETAS).step()
        moved.append(kernel.detach())
    assert torch.allclose(moved[0], moved[1], rtol=1e-3, atol=1e-7)
    # 8 directions of size about 1, times 0.2 sqrt(54), times the rate.
    assert float(moved[0].norm()) == pytest.approx(1e-2 * 0.2 * (54 * 8) ** 0.5, rel=0.3)


def test_all_but_kernels_take_adams_steps_at_a_quarter_of_the_rate() -> None:
    shapes = {"bias": (4,), "factor": (1, 4, 1, 1), "depthwise": (4, 1, 3, 3), "in": (8, 3, 3, 3)}
    generator = torch.Generator().manual_seed(3)
    ours = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes.values()]
    theirs = [nn.Parameter(value.detach().clone()) for value in ours]
    muon, adam = Muon(ours, 8e-3, BETAS), torch.optim.Adam(theirs, lr=2e-3, betas=BETAS)
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        muon.step()
        adam.step()
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_the_rate_can_be_set_and_gradients_may_be_missing() -> None:
    kernel, bias = nn.Parameter(torch.zeros(4, 4, 1, 1)), nn.Parameter(torch.zeros(4))
    muon = Muon([kernel, bias], 1.0, BETAS)
    for group in muon.param_groups:
        group["lr"] = 0.0
    kernel.grad = torch.ones_like(kernel)
    muon.step()
    assert not kernel.any()
    muon.zero_grad()
    assert kernel.grad is None
