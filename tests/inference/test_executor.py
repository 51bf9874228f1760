"""Tiled execution equals the whole image, for every network, folded and in scratch files."""

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinplug.errors import Interrupted
from dinplug.inference import plan as plan_module
from dinplug.inference.executor import Progress, TiledRun
from dinplug.inference.plan import plan_execution
from dinplug.networks.folding import fold
from dinplug.networks.stages import StagedNetwork
from tests.inference.cases import NETWORKS, random_network

# Random weights give outputs beyond 0..1, and float32 rounds in proportion: the contract's 2e-5
# on the scale 0..1 is taken on the scale of the largest output.
TOLERANCE = 2e-5


def image_for(network: StagedNetwork, height: int, width: int) -> Tensor:
    """A random image of about the wanted size that the network accepts as it is."""
    multiple = network.multiple_of
    sides = [-(-max(side, network.min_size) // multiple) * multiple for side in (height, width)]
    return torch.rand(1, 3, *sides) * network.value_range


def run_tiled(
    network: StagedNetwork, image: Tensor, tile: int | None, max_memory: int | None = None
) -> Tensor:
    """The network's output over tiles, on two workers."""
    height, width = image.shape[-2:]
    graph = network.graph
    plan = plan_execution(graph, height, width, tile=tile, workers=2, max_memory=max_memory)
    output = torch.full((1, 3, network.scale * height, network.scale * width), torch.nan)
    TiledRun(graph, plan, image, output).run()
    return output


def assert_same(tiled: Tensor, whole: Tensor) -> None:
    """Equal within the contract's tolerance."""
    limit = TOLERANCE * max(1.0, whole.abs().max().item())
    assert (tiled - whole).abs().max().item() <= limit


@pytest.mark.parametrize(
    ("height", "width", "tile"),
    [(21, 29, 4), (25, 33, 8), (25, 16, 64)],
    ids=["tile-below-halo", "one-pixel-over", "tile-above-image"],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_tiled_equals_whole(name: str, height: int, width: int, tile: int) -> None:
    network = random_network(name)
    image = image_for(network, height, width)
    with torch.no_grad():
        whole = network(image)
    assert_same(run_tiled(network, image, tile), whole)


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_chosen_by_themselves_equal_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "STRIP_PIXELS", 100)
    monkeypatch.setattr(plan_module, "LARGEST_TILE", 16)
    network = random_network(name)
    image = image_for(network, 37, 45)
    plan = plan_execution(network.graph, *image.shape[-2:])
    assert sum(plan.tile_counts) > len(plan.tiles)  # squares, and strips of stages without context
    with torch.no_grad():
        whole = network(image)
    assert_same(run_tiled(network, image, None), whole)


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_tiles_equal_the_network_as_trained(name: str) -> None:
    network = random_network(name)
    image = image_for(network, 27, 37)
    with torch.no_grad():
        whole = network(image)
    assert_same(run_tiled(fold(network), image, 16), whole)


@pytest.mark.parametrize("name", ["din-dehaze", "imdn-x2", "msfin-s", "aidn-x2"])
def test_scratch_files_change_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    network = random_network(name)
    image = image_for(network, 96, 120)
    height, width = image.shape[-2:]
    free = plan_execution(network.graph, height, width, tile=16, workers=2)
    budget = max(free.fixed_bytes) + free.map_bytes // 4
    plan = plan_execution(network.graph, height, width, tile=16, workers=2, max_memory=budget)
    assert plan.scratch_bytes > 0
    assert plan.peak_bytes <= budget
    in_memory = run_tiled(network, image, 16)
    assert torch.equal(run_tiled(network, image, 16, max_memory=budget), in_memory)
    assert list(tmp_path.iterdir()) == []


def test_same_pixels_whatever_the_workers() -> None:
    network = random_network("imdn-x2")
    image = image_for(network, 40, 40)
    outputs = []
    for workers in (1, 3):
        plan = plan_execution(network.graph, 40, 40, tile=11, workers=workers)
        output = torch.empty(1, 3, 80, 80)
        TiledRun(network.graph, plan, image, output).run()
        outputs.append(output)
    assert torch.equal(*outputs)


def test_the_input_is_left_alone() -> None:
    network = random_network("din-derain")
    image = image_for(network, 20, 20)
    before = image.clone()
    run_tiled(network, image, 8)
    assert torch.equal(image, before)


def test_progress_counts_the_pixels_of_every_tile() -> None:
    network = random_network("din-dehaze")
    graph, seen = network.graph, list[Progress]()
    plan = plan_execution(graph, 40, 40, tile=16, workers=2)
    TiledRun(graph, plan, torch.rand(1, 3, 40, 40), torch.empty(1, 3, 40, 40), seen.append).run()
    assert len(seen) == sum(plan.tile_counts)
    assert all(earlier.done < later.done for earlier, later in itertools.pairwise(seen))
    pixels = sum(stage.grid.size(40) ** 2 for stage in graph.stages)
    assert {p.total for p in seen} == {pixels} and seen[-1].done == pixels
    assert [p.stage for p in seen][-1] == "tail"


def test_stops_when_asked() -> None:
    network = random_network("din-dehaze")
    graph = network.graph
    plan = plan_execution(graph, 40, 40, tile=4, workers=2)
    calls = iter(range(10_000))
    image, output = torch.rand(1, 3, 40, 40), torch.empty(1, 3, 40, 40)
    with pytest.raises(Interrupted):
        TiledRun(graph, plan, image, output, should_stop=lambda: next(calls) > 20).run()
    assert next(calls) < sum(plan.tile_counts)


def test_a_failing_tile_fails_the_run() -> None:
    network = random_network("din-dehaze")
    graph = network.graph
    plan = plan_execution(graph, 40, 40, tile=8, workers=2)
    with pytest.raises(RuntimeError):
        TiledRun(graph, plan, torch.rand(1, 5, 40, 40), torch.empty(1, 3, 40, 40)).run()
