"""Half precision is taken where it was measured to be exact, and pixels never are in it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dinplug.checkpoints import load_model
from dinplug.inference.device_engine import DeviceEngine
from dinplug.inference.executor import single_threaded_operators
from dinplug.inference.precision import (
    LARGEST_ERROR,
    TypedGraph,
    calibrated,
    calibration_picture,
    dead_leaves,
    half_copy,
    in_half,
)
from dinplug.networks.folding import fold
from tests.inference.cases import NETWORKS, random_network

HALF = torch.float16


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with single_threaded_operators():
        yield


@pytest.mark.parametrize("name", NETWORKS)
def test_pixels_are_float32_and_what_lies_between_is_half(name: str) -> None:
    network = fold(random_network(name))
    typed = in_half(network, HALF)
    types, stages = typed.map_types(), typed.graph.stages
    assert types["image"] == types["output"] == torch.float32
    assert typed.input_type(0) is None is typed.input_type(len(stages) - 1)
    assert {typed.input_type(k) for k in range(1, len(stages) - 1)} == {HALF}
    ends = {read.name for read in stages[-1].reads} | {w.name for w in stages[0].writes}
    assert all(types[name] == HALF for name in set(types) - {"image", "output"} - ends)
    narrow = half_copy(network, HALF)
    for name, child in narrow.named_children():
        exact = name in (*network.pixel_layers, *network.wide_layers)
        for parameter in child.parameters():
            assert parameter.dtype == (torch.float32 if exact else HALF)
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_float32_stages_come_first() -> None:
    network = fold(random_network("imdn-x2"))
    typed = replace(in_half(network, HALF), first_half=5)
    kinds = [typed.input_type(k) for k in range(len(typed.full.stages))]
    assert kinds == [torch.float32] * 5 + [HALF] * 8 + [None]
    assert typed.described() == "float16, the first 5 stages in float32"
    # A map between the two parts is kept as its readers take it.
    assert typed.map_types()["D2"] == torch.float32 and typed.map_types()["D3"] == HALF


def test_wide_layers_multiply_in_half_and_keep_their_results() -> None:
    network = fold(random_network("imdn-x2"))
    narrow = half_copy(network, HALF)
    x = torch.rand(1, 64, 9, 9)
    truth = copy.deepcopy(network.get_submodule("smooth")).half().double()(x.half().double())
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        output = narrow.get_submodule("smooth")(x)
        assert not torch.backends.cudnn.allow_tf32
    assert output.dtype == torch.float32
    # 576 products of halves, each exact in float32, and their sum.
    assert (output - truth).abs().max() <= 576 * torch.finfo(torch.float32).eps * truth.abs().max()


@pytest.mark.parametrize(
    ("needed", "chosen"), [(0, 0), (1, 1), (6, 6), (13, 13), (14, 14), (15, 14)]
)
def test_as_many_stages_as_stay_exact(needed: int, chosen: int) -> None:
    """With fewer than `needed` first stages in float32 the error is too large, or no number."""
    network = fold(random_network("imdn-x2"))
    stages = len(network.graph.stages)
    assert stages == 14

    def run(typed: TypedGraph, picture: Tensor) -> Tensor:
        output = torch.zeros_like(picture)
        if typed.half is not None:
            bad = torch.nan if typed.first_half == 0 else 1.01 * LARGEST_ERROR
            output[..., 0, 0] = bad if typed.first_half < needed else 0.99 * LARGEST_ERROR
        return output

    typed = calibrated(network, HALF, run)
    assert typed.first_half == chosen
    assert (typed.half is None) == (chosen == stages)


def test_the_calibration_picture_is_always_the_same() -> None:
    first, second = dead_leaves(32), dead_leaves(32)
    assert torch.equal(first, second)
    assert first.shape == (3, 32, 32)
    assert 0 <= first.min() < 0.1 and 0.9 < first.max() <= 1
    for name in ("din-dehaze", "aidn-x2", "imdn-as"):
        network = random_network(name)
        height, width = calibration_picture(network).shape[-2:]
        assert height % network.multiple_of == width % network.multiple_of == 0
        assert min(height, width) >= network.min_size


@pytest.mark.parametrize("name", ["din-deblur-small", "imdn-x2"])
def test_bundled_networks_are_exact_in_float16(name: str) -> None:
    network = fold(load_model(name).network)
    picture = dead_leaves(32)[None]
    results = []
    for precision in ("float32", "float16"):
        engine = DeviceEngine(network, torch.device("cpu"), precision)
        results.append(engine.run(picture, engine.plan(32, 32)))
    error = (results[0] - results[1]).abs().max()
    assert 0 < error <= LARGEST_ERROR
