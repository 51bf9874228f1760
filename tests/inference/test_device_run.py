"""The device engine gives the whole network's pixels, wherever maps lie and whatever fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinplug.errors import Interrupted
from dinplug.inference import run as network_run
from dinplug.inference.device_engine import DeviceEngine
from dinplug.inference.device_plan import DevicePlan, plan_device_run
from dinplug.inference.device_run import LEAST_SIDE, DeviceRun
from dinplug.inference.executor import Progress, single_threaded_operators
from dinplug.inference.lanes import Lanes, OrderedLanes
from dinplug.inference.precision import TypedGraph, in_float32
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.inference.stage_graphs import PlainStages, StageRunner
from dinplug.networks.folding import fold
from dinplug.networks.stages import Stage, StagedNetwork, StageInput
from tests.inference.cases import NETWORKS, random_network
from tests.inference.shuffled_lanes import ShuffledLanes
from tests.inference.test_executor import assert_same, image_for

CPU = torch.device("cpu")
FAMILIES = ["din-dehaze", "imdn-no-prm", "aidn-no-fdc", "msfin-s"]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Operators this small only wait for each other's threads."""
    with single_threaded_operators():
        yield


def run_on(
    network: StagedNetwork,
    image: Tensor,
    plan: DevicePlan,
    lanes: Lanes | None = None,
    runner: StageRunner | None = None,
    typed: TypedGraph | None = None,
) -> Tensor:
    """The network's output as planned."""
    size = (1, 3, *(network.scale * side for side in image.shape[-2:]))
    output = torch.full(size, torch.nan)
    given = lanes or OrderedLanes(CPU), runner or PlainStages()
    assert DeviceRun(typed or in_float32(network), plan, image, output, *given).run()
    return output


def plan_for(
    network: StagedNetwork,
    image: Tensor,
    *,
    tile: int | None = None,
    maps_on_host: bool = False,
    max_memory: int | None = None,
) -> DevicePlan:
    """A plan, with room for no maps on the device if `maps_on_host`."""
    typed, size = in_float32(network), image.shape[-2:]
    free = plan_device_run(typed, *size, tile=tile)
    limit = max(free.fixed_bytes) if maps_on_host else None
    return plan_device_run(typed, *size, tile=tile, max_vram=limit, max_memory=max_memory)


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_equal_the_network_as_trained(name: str) -> None:
    network = random_network(name)
    image = image_for(network, 25, 37)
    with torch.no_grad():
        whole = network(image)
    folded = fold(network)
    for tile in (None, 14):
        assert_same(run_on(folded, image, plan_for(folded, image, tile=tile)), whole)


@pytest.mark.parametrize("name", FAMILIES)
def test_maps_on_the_host_change_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    network = fold(random_network(name))
    image = image_for(network, 24, 28)
    on_device = run_on(network, image, plan_for(network, image, tile=10))
    plan = plan_for(network, image, tile=10, maps_on_host=True)
    assert plan.host_bytes("memory") > 0
    assert torch.equal(run_on(network, image, plan), on_device)
    small = plan_for(network, image, tile=10, maps_on_host=True, max_memory=plan.pixel_bytes)
    assert small.host_bytes("memory") == 0 < small.host_bytes("scratch")
    assert torch.equal(run_on(network, image, small), on_device)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["din-dehaze", "imdn-no-prm"])
def test_lanes_at_any_pace_change_nothing(name: str, seed: int) -> None:
    network = fold(random_network(name))
    image = image_for(network, 24, 36)
    plan = plan_for(network, image, tile=12, maps_on_host=True)
    expected = run_on(network, image, plan)
    assert torch.equal(run_on(network, image, plan, ShuffledLanes(seed)), expected)


def test_a_wait_left_out_would_show() -> None:
    network = fold(random_network("din-dehaze"))
    image = image_for(network, 24, 36)
    plan = plan_for(network, image, tile=12, maps_on_host=True)
    expected = run_on(network, image, plan)

    class Careless(ShuffledLanes):
        def submit(self, lane, work, after):  # type: ignore[no-untyped-def]
            return super().submit(lane, work, () if lane == "upload" else after)

    outputs = [run_on(network, image, plan, Careless(seed)) for seed in range(6)]
    assert not all(torch.equal(output, expected) for output in outputs)


class SmallDevice(PlainStages):
    """Has no memory for windows beyond `limit` pixels; counts what it ran and what it refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.ran = self.refused = self.forgot = 0

    def run(self, stage: Stage, x: StageInput) -> tuple[Tensor, ...]:
        if x.rows.size * x.columns.size > self.limit:
            self.refused += 1
            raise torch.OutOfMemoryError("injected")
        self.ran += 1
        return super().run(stage, x)

    def forget(self) -> None:
        self.forgot += 1


@pytest.mark.parametrize("maps_on_host", [False, True])
def test_tiles_are_halved_where_memory_ends(maps_on_host: bool) -> None:
    network = fold(random_network("imdn-no-prm"))
    image = image_for(network, 130, 140)
    expected = run_on(network, image, plan_for(network, image))
    plan = plan_for(network, image, tile=140, maps_on_host=maps_on_host)
    device = SmallDevice(80 * 150)
    assert_same(run_on(network, image, plan, runner=device), expected)
    # The first stage runs out of memory; the others start with the halves it came to.
    assert device.refused == device.forgot == 1
    assert device.ran == 2 * len(network.graph.stages)


class SuddenlySmall(SmallDevice):
    """Loses its memory after some windows, as when another program takes it."""

    def run(self, stage: Stage, x: StageInput) -> tuple[Tensor, ...]:
        outputs = super().run(stage, x)
        if self.ran == 7:
            self.limit = self.limit * 6 // 10
        return outputs


def test_finished_tiles_are_kept() -> None:
    network = fold(random_network("imdn-no-prm"))
    image = image_for(network, 210, 40)
    plan = plan_for(network, image, tile=70)
    stages = len(network.graph.stages)
    assert plan.tile_counts == (3,) * stages
    device = SuddenlySmall(80 * 40)
    assert_same(run_on(network, image, plan, runner=device), run_on(network, image, plan))
    assert device.refused == 1
    # Two stages and a tile are done: two tiles of the third stage and all later ones are halved.
    assert device.ran == 3 + 3 + 1 + 2 * 2 + 6 * (stages - 3)


class Hungry(PlainStages):
    """Runs windows only once `maps` maps have moved to the host."""

    def __init__(self, maps: int) -> None:
        self.maps = maps

    def run(self, stage: Stage, x: StageInput) -> tuple[Tensor, ...]:
        if self.maps > 0:
            self.maps -= 1
            raise torch.OutOfMemoryError("injected")
        return super().run(stage, x)


def test_maps_move_to_the_host_when_tiles_are_smallest(caplog: pytest.LogCaptureFixture) -> None:
    network = fold(random_network("imdn-no-prm"))
    side = 2 * LEAST_SIDE - 1
    image = image_for(network, side, side)
    plan = plan_for(network, image)
    expected = run_on(network, image, plan)
    with caplog.at_level(logging.INFO):
        assert torch.equal(run_on(network, image, plan, runner=Hungry(1)), expected)
    assert [r.message for r in caplog.records] == [
        "out of memory in stage head: a map moves to the host"
    ]


def test_a_photo_that_does_not_fit_the_device_runs_on_the_processor(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The processor stands in for the device here, as everywhere in this file."""
    network = random_network("imdn-no-prm")
    image = torch.rand(1, 3, 90, 100)
    runner = NetworkRunner(network, RunOptions(precision="bfloat16"))
    assert runner.engine is not None
    runner.engine.runner = Hungry(1000)
    result = runner.run(image)
    assert torch.equal(result, NetworkRunner(network, RunOptions(device="cpu")).run(image))
    assert caplog.messages == ["cpu is out of memory: this photo runs on the processor"]


def test_half_precision_runs_everywhere_when_asked_for() -> None:
    network = random_network("din-dehaze")
    image = torch.rand(1, 3, 33, 41)
    full = NetworkRunner(network, RunOptions()).run(image)
    seen = list[Progress]()
    narrow = NetworkRunner(network, RunOptions(precision="bfloat16", tile=16)).run(
        image, seen.append
    )
    # bfloat16 keeps 8 bits; random weights amplify its roundings a few times.
    error = (narrow - full).abs().max() / full.abs().max()
    assert 0 < error < 8 * torch.finfo(torch.bfloat16).eps
    assert [p.done for p in seen] == list(range(1, seen[-1].total + 1))


def test_an_overflow_is_found_and_run_again_in_float32(caplog: pytest.LogCaptureFixture) -> None:
    network = random_network("imdn-no-cca")
    with torch.no_grad():
        # Values between the blocks beyond float16's 65504, ordinary ones at the end.
        network.blocks[0].distils[0].weight.mul_(1e6)  # type: ignore[index,union-attr]
        network.blocks[0].fuse.weight.mul_(1e-6)  # type: ignore[index,union-attr]
    image = torch.rand(1, 3, 20, 24)
    full = NetworkRunner(network, RunOptions()).run(image)
    output = NetworkRunner(network, RunOptions(precision="float16")).run(image)
    assert full.isfinite().all()
    assert_same(output, full)
    assert "float16 overflowed" in caplog.text


def test_stops_when_asked() -> None:
    runner = NetworkRunner(random_network("din-dehaze"), RunOptions(precision="bfloat16", tile=8))
    calls = iter(range(10_000))
    with pytest.raises(Interrupted):
        runner.run(torch.rand(1, 3, 40, 40), should_stop=lambda: next(calls) > 20)
    assert next(calls) == 22


def test_the_engine_is_chosen_by_device_and_precision() -> None:
    assert network_run.is_for_engine(torch.device("cuda"), "auto")
    assert network_run.is_for_engine(CPU, "float16")
    assert not network_run.is_for_engine(CPU, "auto")
    assert not network_run.is_for_engine(CPU, "float32")


def test_auto_measures_once() -> None:
    network = fold(random_network("din-dehaze"))
    engine = DeviceEngine(network, CPU, "auto")
    assert engine.typed is engine.typed
    assert engine.typed.half is torch.float16 or engine.typed.described() == "float32"
