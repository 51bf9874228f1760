"""dinplug's own convolution gives what the plain operators give and touches nothing beside maps."""

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dinplug import ops
from dinplug.cpu import convolution, own_code
from tests.cpu.convolution_cases import (
    GEOMETRIES,
    Sides,
    check_geometry,
    check_whole_numbers,
    counted,
    guarded,
    layer,
    picture,
    run_apart,
)
from tests.cpu.winograd_truth import (
    INPUT_TRANSFORM,
    OUTPUT_TRANSFORM,
    WEIGHT_TRANSFORM,
    winograd,
)
from tests.kernels.bounds import U

pytestmark = pytest.mark.skipif(
    own_code.find_level() is None,
    reason="dinplug's own convolution is for Linux on x86-64 with AVX2 or AVX-512",
)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_own_code_gives_what_the_plain_operators_give(geometry: str) -> None:
    check_geometry(geometry)


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="this processor is without AVX-512: the other tests run the code for AVX2",
)
def test_the_code_for_avx2_gives_the_same() -> None:
    run_apart("check_level('AVX2', 8)", ATEN_CPU_CAPABILITY="avx2")


@pytest.mark.parametrize("capability", ["own", "avx2"])
def test_nothing_beside_a_map_is_touched(capability: str) -> None:
    run_apart("check_guards()", **({} if capability == "own" else {"ATEN_CPU_CAPABILITY": "avx2"}))


def test_what_is_guarded_cannot_be_read() -> None:
    reading, writing = os.pipe()
    try:
        for at_end, step in ((True, 4), (False, -4)):
            values = guarded(1, at_end)
            fits = (ctypes.c_char * 4).from_address(values.data_ptr())
            beside = (ctypes.c_char * 4).from_address(values.data_ptr() + step)
            assert os.write(writing, fits) == 4
            with pytest.raises(OSError, match="address"):
                os.write(writing, beside)
    finally:
        os.close(reading)
        os.close(writing)


def own_and_plain(
    x: Tensor, weight: Tensor, bias: Tensor, **geometry: Any
) -> tuple[Tensor, Tensor]:
    """What the own code gives, which must run, and what the plain operators give."""
    with torch.no_grad():
        with counted() as calls:
            own = ops.convolve(x, weight, bias, **geometry)
        with ops.plain_torch():
            plain = ops.convolve(x, weight, bias, **geometry)
    assert calls == [len(weight)]
    return own, plain


def spoiled(value: float) -> Tensor:
    """A map with a number in it that is not finite."""
    torch.manual_seed(0)
    x = picture()
    x[0, 3, 2, 2] = value
    x[0, 9, 0, 6] = -value
    return x


@pytest.mark.parametrize("slope", [None, 0.0, 0.05])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf], ids=str)
def test_what_is_not_finite_goes_through_as_in_torch(value: float, slope: float | None) -> None:
    x = spoiled(value)
    weight, bias = layer(25, 16, (5, 5))
    weight[5] = 0
    own, plain = own_and_plain(x, weight, bias, padding=(2, 2), slope=slope)
    assert torch.equal(own.isnan(), plain.isnan())
    assert torch.equal(own.isposinf(), plain.isposinf())
    assert torch.equal(own.isneginf(), plain.isneginf())
    assert not plain.isfinite().all()
    # At most the rounding of 16 x 25 products and sums of values below 5.
    sizes = 5 * weight.abs().sum((1, 2, 3)).max().item() + 5
    finite = own.isfinite()
    assert torch.allclose(own[finite], plain[finite], rtol=0, atol=2 * 401 * U * sizes)


@pytest.mark.parametrize("slope", [None, 0.0, 0.05])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf], ids=str)
def test_fewer_products_hide_nothing_that_is_not_finite(value: float, slope: float | None) -> None:
    weight, bias = layer(25, 16, (3, 3))
    own, plain = own_and_plain(spoiled(value), weight, bias, padding=(1, 1), slope=slope)
    assert not plain.isfinite().all()
    # All outputs of a tile may depend on it.
    assert not own[~plain.isfinite()].isfinite().any()


def test_winograds_transforms_make_a_convolution() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(5, 11, 16).double(), torch.randn(7, 5, 3, 3)
    found = winograd(x, weight, (WEIGHT_TRANSFORM, INPUT_TRANSFORM, OUTPUT_TRANSFORM))
    truth = F.conv2d(x[None], weight.double())[0]
    assert torch.allclose(found, truth, rtol=0, atol=1e-12)


def test_fewer_products_are_exact_where_nothing_rounds() -> None:
    check_whole_numbers()


@pytest.mark.parametrize(
    ("inputs", "kernel", "stride", "results", "kind"),
    [
        (convolution.LEAST_CHANNELS, (3, 3), (1, 1), (4, 4), "winograd"),
        (convolution.LEAST_CHANNELS - 1, (3, 3), (1, 1), (4, 4), "direct"),
        (48, (3, 3), (1, 1), (3, 40), "direct"),
        (48, (3, 3), (1, 1), (40, 3), "direct"),
        (48, (3, 3), (2, 2), (40, 40), "direct"),
        (48, (3, 1), (1, 1), (40, 40), "direct"),
        (48, (5, 5), (1, 1), (40, 40), "direct"),
    ],
)
def test_layers_take_fewer_products_where_that_can_be_and_pays(
    inputs: int, kernel: Sides, stride: Sides, results: Sides, kind: str
) -> None:
    assert convolution.fitting_kind(torch.empty(8, inputs, *kernel), stride, results) == kind


@pytest.mark.parametrize(
    ("channels", "sides", "added", "biases"),
    [
        ((15,), [(5, 7)], (8, 5, 7), 8),
        ((16, 1), [(5, 7), (5, 7)], (8, 5, 7), 8),
        ((8, 8), [(5, 7), (5, 8)], (8, 5, 7), 8),
        ((8, 8), [(5, 7), (4, 7)], (8, 5, 7), 8),
        ((16,), [(5, 7)], (8, 5, 6), 8),
        ((16,), [(5, 7)], (8, 4, 7), 8),
        ((16,), [(5, 7)], (7, 5, 7), 8),
        ((16,), [(5, 7)], (8, 5, 7), 1),
        ((16,), [(5, 7)], (8, 5, 7), 7),
        ((16,), [(5, 7)], (8, 5, 7), 9),
    ],
)
def test_maps_that_do_not_fit_a_layer_are_refused(
    channels: tuple[int, ...],
    sides: list[Sides],
    added: tuple[int, int, int],
    biases: int,
) -> None:
    torch.manual_seed(0)
    x = [picture(count, side) for count, side in zip(channels, sides, strict=True)]
    weight, _ = layer(8, 16, (1, 1))
    with torch.no_grad(), pytest.raises(RuntimeError):
        ops.convolve(x, weight, torch.zeros(biases), added=[picture(added[0], added[1:])])


def test_maps_smaller_than_a_kernel_are_refused() -> None:
    weight, _ = layer(8, 16, (7, 7))
    with torch.no_grad(), pytest.raises(RuntimeError):
        ops.convolve(picture(), weight)


def test_a_layer_in_another_memory_does_not_fit() -> None:
    x = picture()
    weight, _ = layer(8, 16, (1, 1))
    with torch.no_grad():
        assert convolution.is_fitting([x], weight, 1)
        assert not convolution.is_fitting([x], weight.to("meta"), 1)


def test_runs_where_it_may_and_nowhere_else() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(8, 16, (1, 1))
    with counted() as calls:
        ops.convolve(x, weight.requires_grad_())  # gradients are wanted
        with torch.no_grad():
            ops.convolve(x.half(), weight.half())
            ops.convolve(torch.cat([x, x]), weight)  # two pictures
            ops.convolve(x.contiguous(), weight)  # planes
            ops.convolve([x[:, :8], x[:, 8:].contiguous()], weight)
            ops.convolve(x, weight[:, :8], groups=2)
            assert ops.reads_anywhere()
            with ops.chosen_kernels("off"):
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            with ops.plain_torch():
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(own_code, "find_code", lambda: None)
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            assert calls == []
            ops.convolve(x, weight)
    assert calls == [8]


def test_threads_do_not_disturb_each_other() -> None:
    torch.manual_seed(0)
    x = picture(25, (31, 33))
    layers = [layer(outputs, 25, (3, 3)) for outputs in (8, 65, 144)]

    def run(_: int) -> list[Tensor]:
        with torch.no_grad():
            return [ops.convolve(x, *of, padding=(1, 1), slope=0.05, added=[]) for of in layers]

    with counted() as calls, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(16)))
    assert len(calls) == 48
    first = run(0)
    assert all(torch.equal(a, b) for other in found for a, b in zip(other, first, strict=True))
