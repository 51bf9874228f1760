"""oneDNN's fused convolution gives what the plain operators give, and is missed without harm."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from dinplug import ops
from dinplug.cpu import onednn, own_code

needs_fused = pytest.mark.skipif(
    onednn.find_fused() is None, reason="this torch is without oneDNN's fused operators"
)
INPUTS, SIDES = 12, (9, 7)


def case(kernel: tuple[int, int], groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """A map, weights and a bias."""
    torch.manual_seed(0)
    weight = torch.randn(8, INPUTS // groups, *kernel) / 4
    return torch.randn(1, INPUTS, *SIDES), weight, torch.randn(8)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes oneDNN convolves, which gets all that dinplug's own code would take."""
    found = []
    convolve = onednn.convolve

    def counted(x: Tensor, *arguments: Any) -> Tensor:
        found.append(x.shape)
        return convolve(x, *arguments)

    monkeypatch.setattr(own_code, "find_code", lambda: None)
    monkeypatch.setattr(onednn, "convolve", counted)
    return found


@needs_fused
@pytest.mark.parametrize(
    ("kernel", "stride", "groups"),
    [((3, 3), 1, 1), ((1, 1), 1, 1), ((3, 1), 1, 1), ((3, 3), 2, 1), ((3, 3), 1, 4)],
    ids=["3x3", "1x1", "3x1", "strided", "grouped"],
)
@pytest.mark.parametrize("layout", ["planes", "channels-last", "slice"])
def test_fused_equals_plain(
    kernel: tuple[int, int], stride: int, groups: int, layout: str, calls: list[torch.Size]
) -> None:
    x, weight, bias = case(kernel, groups)
    if layout == "channels-last":
        x = x.contiguous(memory_format=torch.channels_last)
    if layout == "slice":
        x = torch.cat([x, x], dim=1).contiguous(memory_format=torch.channels_last)[:, 4:16]
    padding = (kernel[0] // 2, kernel[1] // 2)
    geometry = {"stride": (stride, stride), "padding": padding, "groups": groups}
    shape = ops.convolve(x, weight, bias, **geometry).shape  # type: ignore[arg-type]
    maps = [torch.randn(shape), torch.randn(shape).contiguous(memory_format=torch.channels_last)]
    kept = [y.clone() for y in maps]
    for slope, count in product((None, 0.0, 0.05), range(3)):
        with torch.no_grad():
            fused = ops.convolve(x, weight, bias, slope=slope, added=maps[:count], **geometry)  # type: ignore[arg-type]
            with ops.plain_torch():
                plain = ops.convolve(x, weight, bias, slope=slope, added=maps[:count], **geometry)  # type: ignore[arg-type]
        # Each output sums at most 12 x 9 products of about 1/4: rounding in another order.
        assert torch.allclose(fused, plain, rtol=0, atol=108 * 2**-24), (slope, count)
    assert calls == [x.shape] * 9
    assert all(torch.equal(y, before) for y, before in zip(maps, kept, strict=True))


@needs_fused
def test_several_maps_and_uneven_borders_are_put_together(calls: list[torch.Size]) -> None:
    x, weight, bias = case((3, 3), 1)
    x = x.contiguous(memory_format=torch.channels_last)
    geometry = {"padding": (0, 2), "padding_after": (1, 0)}
    with torch.no_grad():
        fused = ops.convolve([x[:, :5], x[:, 5:]], weight, bias, slope=0.1, **geometry)  # type: ignore[arg-type]
        padded = torch.nn.functional.pad(x, (2, 0, 0, 1))
        truth = torch.nn.functional.conv2d(padded, weight, bias)
    assert calls == [padded.shape]
    truth = torch.nn.functional.leaky_relu(truth, 0.1)
    assert torch.allclose(fused, truth, rtol=0, atol=108 * 2**-24)


@needs_fused
def test_fuses_where_it_may_and_nowhere_else() -> None:
    x, weight, _ = case((3, 3), 1)
    assert not onednn.is_fusible(x, weight)  # gradients are wanted
    with torch.no_grad():
        assert onednn.is_fusible(x, weight)
        assert not onednn.is_fusible(x.half(), weight.half())
        assert not onednn.is_fusible(x.to("meta"), weight)


def test_a_torch_without_the_operators_runs_the_plain_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, weight, bias = case((3, 3), 1)
    monkeypatch.setattr(onednn, "find_fused", lambda: None)
    with torch.no_grad():
        found = ops.convolve(x, weight, bias, padding=(1, 1), slope=0.1, added=[x[:, :8]])
        truth = torch.nn.functional.conv2d(x, weight, bias, padding=1) + x[:, :8]
    assert torch.equal(found, torch.nn.functional.leaky_relu(truth, 0.1))
