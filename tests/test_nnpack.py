"""NNPACK's convolution gives what the plain operator gives, and is missed without harm."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from dinplug import direct, nnpack, onednn, ops

needs_nnpack = pytest.mark.skipif(
    nnpack.find_winograd() is None or onednn.find_fused() is None,
    reason="this torch, or this processor, is without NNPACK",
)
CHANNELS = 24
ROUNDING = 2e-4
"""What F(6x6, 3x3) rounds, to an output of about 1: its transforms multiply by up to 90."""


def case(sides: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """A channels-last map, weights and a bias."""
    torch.manual_seed(0)
    x = torch.randn(1, CHANNELS, *sides).contiguous(memory_format=torch.channels_last)
    return x, torch.randn(8, CHANNELS, 3, 3) / (9 * CHANNELS) ** 0.5, torch.randn(8)


@needs_nnpack
@pytest.mark.parametrize("padding", [(0, 0), (0, 1), (1, 0)], ids=str)
@pytest.mark.parametrize("sides", [(3, 3), (8, 4), (13, 31)], ids=str)
def test_planes_shrink_where_they_are_not_padded(
    sides: tuple[int, int], padding: tuple[int, int]
) -> None:
    x, weight, bias = case(sides)
    with torch.no_grad():
        expected = torch.nn.functional.conv2d(x, weight, bias, padding=padding)
        found = ops.convolve(x.contiguous(), weight, bias, padding=padding)
    assert found.shape == expected.shape
    assert (found - expected).abs().max().item() <= ROUNDING


@needs_nnpack
@pytest.mark.parametrize("sides", [(1, 1), (1, 9), (5, 2), (6, 6), (13, 31)], ids=str)
def test_planes_are_convolved_as_by_the_plain_operator(
    sides: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, weight, bias = case(sides)
    calls = 0
    convolve = nnpack.convolve

    def counted(*arguments: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return convolve(*arguments)

    monkeypatch.setattr(nnpack, "convolve", counted)
    # A single pixel's planes are channels next to each other, too: dinplug's own code takes them.
    monkeypatch.setattr(direct, "find_code", lambda: None)
    maps = [torch.randn(1, 8, *sides), torch.randn(1, 8, *sides)]
    kept = [y.clone() for y in maps]
    for slope, count, offset in product((None, 0.0, 0.05), range(3), (None, bias)):
        with torch.no_grad():
            planes = ops.in_planes(x)
            found = ops.convolve(
                planes, weight, offset, padding=(1, 1), slope=slope, added=maps[:count]
            )
            with ops.plain_torch():
                truth = ops.convolve(
                    x, weight, offset, padding=(1, 1), slope=slope, added=maps[:count]
                )
        assert torch.equal(planes, x) and planes.is_contiguous()
        assert torch.allclose(found, truth, rtol=0, atol=ROUNDING)
    assert calls == 18
    assert all(torch.equal(y, before) for y, before in zip(maps, kept, strict=True))


@needs_nnpack
def test_runs_where_it_may_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, _ = case((9, 11))
    assert ops.in_planes(x) is x  # gradients are wanted
    with torch.no_grad():
        assert ops.in_planes(x).is_contiguous()
        assert not ops.in_planes(x.half()).is_contiguous()  # NNPACK has float32 only
        assert not ops.in_planes(x[:, :16]).is_contiguous()  # too few channels
        assert not ops.in_planes(torch.cat([x, x])).is_contiguous()  # two pictures
        with ops.chosen_kernels("off"):
            assert ops.in_planes(x) is x
        with ops.plain_torch():
            assert ops.in_planes(x) is x
        truth = ops.convolve(x, weight, padding=(1, 1))
        monkeypatch.setattr(nnpack, "find_winograd", lambda: None)
        assert ops.in_planes(x) is x
        assert torch.equal(ops.convolve(x, weight, padding=(1, 1)), truth)
        planes = ops.convolve(x.contiguous(), weight, padding=(1, 1))
    assert torch.allclose(planes, truth, rtol=0, atol=1e-5)
