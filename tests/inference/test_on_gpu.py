"""The device engine on a CUDA device: the same pixels, within its memory, also as recordings."""

from __future__ import annotations

import pytest
import torch

from dinplug.checkpoints import load_model
from dinplug.inference.device_engine import DeviceEngine
from dinplug.inference.precision import LARGEST_ERROR, dead_leaves
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.inference.stage_graphs import RecordedStages
from dinplug.networks.folding import fold
from tests.inference.cases import NETWORKS, random_network
from tests.inference.test_executor import image_for

pytestmark = pytest.mark.gpu
# The same sums of products in another order, through a network.
REORDERED = 1e-4


@pytest.fixture(autouse=True)
def _device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_equal_the_network_as_trained(name: str) -> None:
    network = random_network(name)
    image = image_for(network, 61, 83) / network.value_range
    truth = NetworkRunner(network, RunOptions(device="cpu", reference=True)).run(image)
    for tile in (None, 24):
        options = RunOptions(device="cuda", precision="float32", tile=tile)
        output = NetworkRunner(network, options).run(image)
        assert (output - truth).abs().max() <= REORDERED * truth.abs().max()


@pytest.mark.parametrize("name", ["din-dehaze", "imdn-x2", "msfin-s", "aidn-x2"])
def test_recordings_and_streams_change_nothing(name: str) -> None:
    network = fold(random_network(name)).cuda()
    image = image_for(network, 96, 120)
    engine = DeviceEngine(network, torch.device("cuda"), "float32")
    size = image.shape[-2:]
    plan = engine.plan(*size, tile=32)
    first = engine.run(image, plan)
    assert isinstance(engine.runner, RecordedStages)
    for _ in range(3):
        assert (engine.run(image, plan) - first).abs().max() <= REORDERED * first.abs().max()
    assert engine.runner.recordings and not engine.runner.refused
    small = engine.plan(*size, tile=32, max_vram=max(plan.fixed_bytes))
    assert small.host_bytes("memory") > 0
    streamed = engine.run(image, small)
    assert (streamed - first).abs().max() <= REORDERED * first.abs().max()


@pytest.mark.parametrize("name", ["din-dehaze-small", "imdn-x2", "imdn-x4"])
def test_auto_is_float16_and_exact(name: str) -> None:
    network = load_model(name).network
    picture = dead_leaves(192, seed=1)[None]
    runner = NetworkRunner(network, RunOptions(device="cuda"))
    assert runner.engine is not None and runner.engine.typed.half is torch.float16
    full = NetworkRunner(network, RunOptions(device="cuda", precision="float32")).run(picture)
    assert (runner.run(picture) - full).abs().max() <= LARGEST_ERROR


@pytest.mark.parametrize("budget", [1 << 30, 3 << 30])
def test_the_budget_holds(budget: int) -> None:
    network = load_model("imdn-x2").network
    image = torch.rand(1, 3, 2000, 3000)
    runner = NetworkRunner(network, RunOptions(device="cuda", max_vram=budget))
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    runner.run(image)
    assert torch.cuda.max_memory_reserved() <= budget


def test_real_shortage_shrinks_tiles() -> None:
    network = fold(random_network("imdn-x2")).cuda()
    image = torch.rand(1, 3, 1000, 1500)
    engine = DeviceEngine(network, torch.device("cuda"), "float32")
    free = engine.plan(1000, 1500)
    expected = engine.run(image, free)
    # The plan is for a large device, the cap is not.
    output = engine.run(image, free, max_vram=free.device_bytes // 4)
    assert (output - expected).abs().max() <= REORDERED * expected.abs().max()
