"""oneDNN's fused convolution gives what the plain operators give, and is missed without harm."""

from itertools import product

import pytest
import torch
from torch import Tensor

from dinplug import onednn, ops

needs_fused = pytest.mark.skipif(
    onednn.find_fused() is None, reason="this torch is without oneDNN's fused operators"
)
INPUTS, SIDES = 12, (9, 7)


def case(kernel: tuple[int, int], groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """A map, weights and a bias."""
    torch.manual_seed(0)
    weight = torch.randn(8, INPUTS // groups, *kernel) / 4
    return torch.randn(1, INPUTS, *SIDES), weight, torch.randn(8)


@needs_fused
@pytest.mark.parametrize(
    ("kernel", "stride", "groups"),
    [((3, 3), 1, 1), ((1, 1), 1, 1), ((3, 1), 1, 1), ((3, 3), 2, 1), ((3, 3), 1, 4)],
    ids=["3x3", "1x1", "3x1", "strided", "grouped"],
)
@pytest.mark.parametrize("layout", ["planes", "channels-last", "slice"])
def test_fused_equals_plain(kernel: tuple[int, int], stride: int, groups: int, layout: str) -> None:
    x, weight, bias = case(kernel, groups)
    if layout == "channels-last":
        x = x.contiguous(memory_format=torch.channels_last)
    if layout == "slice":
        x = torch.cat([x, x], dim=1).contiguous(memory_format=torch.channels_last)[:, 4:16]
    padding = (kernel[0] // 2, kernel[1] // 2)
    geometry = {"stride": (stride, stride), "padding": padding, "groups": groups}
    shape = ops.convolve(x, weight, bias, **geometry).shape  # type: ignore[arg-type]
    residual = torch.randn(shape)
    kept = residual.clone()
    for slope, joined in product((None, 0.0, 0.05), (None, residual)):
        with torch.no_grad():
            fused = ops.convolve(x, weight, bias, slope=slope, residual=joined, **geometry)  # type: ignore[arg-type]
            with ops.plain_torch():
                plain = ops.convolve(x, weight, bias, slope=slope, residual=joined, **geometry)  # type: ignore[arg-type]
        # Each output sums at most 12 x 9 products of about 1/4: rounding in another order.
        assert torch.allclose(fused, plain, rtol=0, atol=108 * 2**-24), (slope, joined is None)
    assert torch.equal(residual, kept)


@needs_fused
@pytest.mark.parametrize("slope", [None, 0.0, 0.05])
@pytest.mark.parametrize("layout", ["planes", "channels-last", "slice"])
def test_a_residual_may_become_the_result(slope: float | None, layout: str) -> None:
    x, weight, bias = case((3, 1), 1)
    x = x.contiguous(memory_format=torch.channels_last)
    residual = torch.randn(1, 16, *SIDES)
    if layout != "planes":
        residual = residual.contiguous(memory_format=torch.channels_last)
    # Channels of a larger map do not follow each other: they cannot take the result.
    residual = residual[:, 4:12] if layout == "slice" else residual[:, :8].clone()
    if layout == "channels-last":
        residual = residual.contiguous(memory_format=torch.channels_last)
    kept = residual.clone()
    with torch.no_grad():
        truth = ops.convolve(x, weight, bias, padding=(1, 0), slope=slope, residual=kept)
        found = ops.convolve(
            x, weight, bias, padding=(1, 0), slope=slope, residual=residual, in_place=True
        )
    assert torch.equal(found, truth)
    assert (found.data_ptr() == residual.data_ptr()) == (layout == "channels-last")


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
        found = ops.convolve(x, weight, bias, padding=(1, 1), slope=0.1, residual=x[:, :8])
        truth = torch.nn.functional.conv2d(x, weight, bias, padding=1) + x[:, :8]
    assert torch.equal(found, torch.nn.functional.leaky_relu(truth, 0.1))


@needs_fused
@pytest.mark.parametrize("slope", [None, 0.2])
@pytest.mark.parametrize(("filled", "width", "outputs"), [(1, 5, 4), (2, 4, 4), (3, 16, 48)])
@pytest.mark.parametrize("sides", [SIDES, (1, 1)], ids=["odd", "pixel"])
def test_channels_in_blocks_are_those_of_a_map(
    sides: tuple[int, int], filled: int, width: int, outputs: int, slope: float | None
) -> None:
    torch.manual_seed(0)
    blocks = torch.full((5, *sides, width), torch.nan)
    blocks[:filled] = torch.randn(filled, *sides, width)
    weight, bias = torch.randn(outputs, filled * width, 3, 3) / 4, torch.randn(outputs)
    x = blocks[:filled].permute(0, 3, 1, 2).reshape(1, -1, *sides)
    with torch.no_grad():
        assert ops.convolves_blocks(x)
        found = ops.convolve_blocks(blocks[:filled], weight, bias, slope=slope)
        with ops.plain_torch():
            truth = ops.convolve(x, weight, bias, padding=(1, 1), slope=slope)
            assert torch.equal(
                ops.convolve_blocks(blocks[:filled], weight, bias, slope=slope), truth
            )
    assert found.is_contiguous(memory_format=torch.channels_last)
    # Each output sums at most 48 x 9 products of about 1/4: rounding in another order.
    assert torch.allclose(found, truth, rtol=0, atol=432 * 2**-24)
    assert not ops.convolves_blocks(x) and not ops.convolves_blocks(x.expand(2, -1, -1, -1))
