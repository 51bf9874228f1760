"""The stage contract: reach of convolutions, grids, graphs, and tiles against whole images."""

import itertools
from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from dinplug.networks.layers import Conv
from dinplug.networks.shrinking import NEITHER, shrinking
from dinplug.networks.stages import (
    FeatureMap,
    Grid,
    Span,
    Stage,
    StagedNetwork,
    StageGraph,
    StageInput,
    Statistics,
    prepare_attention,
    reach,
    reads,
)
from tests.inference.cases import NETWORKS, random_network

TOLERANCE = 2e-5
"""The contract's: tiled against untiled in float32, on the scale of the output."""


def measured_reach(layer: nn.Module, stride: int, transposed: bool) -> int:
    """How many input pixels a layer looks beyond the window it writes, found by trying."""
    side, window = 24, (8, 16)
    image = torch.rand(1, 1, 3, side)
    with torch.no_grad():
        whole = layer(image)
        for halo in range(8):
            changed = image.clone()
            changed[..., : window[0] - halo] += 1
            changed[..., window[1] + halo :] += 1
            step = Fraction(stride) if transposed else Fraction(1, stride)
            start, stop = (int(edge * step) for edge in window)
            if torch.equal(layer(changed)[..., start:stop], whole[..., start:stop]):
                return halo
    raise AssertionError("looks farther than the test does")


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(1, 1, 0), (3, 1, 1), (5, 1, 2), (3, 2, 1), (8, 4, 2), (2, 2, 0), (4, 2, 1)],
)
def test_reach_of_convolutions_is_what_they_look(kernel: int, stride: int, padding: int) -> None:
    layer = nn.Conv2d(1, 1, (1, kernel), (1, stride), (0, padding))
    nn.init.ones_(layer.weight)
    assert reach(layer) == measured_reach(layer, stride, transposed=False)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (4, 2, 1), (3, 1, 1)])
def test_reach_of_transposed_convolutions_is_what_they_look(
    kernel: int, stride: int, padding: int
) -> None:
    layer = nn.ConvTranspose2d(1, 1, (1, kernel), (1, stride), (0, padding))
    nn.init.ones_(layer.weight)
    assert reach(layer) == measured_reach(layer, stride, transposed=True)


def test_reach_adds_along_each_axis() -> None:
    assert reach(Conv(1, 1, (3, 1)), Conv(1, 1, (1, 3))) == 1
    assert reach(Conv(1, 1, (3, 1)), Conv(1, 1, (3, 1))) == 2
    assert reach(Conv(1, 1, 3), step=4) == Fraction(1, 4)


def test_reach_needs_padding_in_pixels() -> None:
    with pytest.raises(ValueError, match="padding"):
        reach(nn.Conv2d(1, 1, 3, padding="same"))


def test_grids_have_whole_sizes_or_say_so() -> None:
    quarter = Grid(Fraction(1, 4))
    assert quarter.size(12) == 3
    assert quarter.step_to(Grid(Fraction(2))) == 8
    with pytest.raises(ValueError, match="13"):
        quarter.size(13)
    with pytest.raises(ValueError, match="no multiple"):
        Grid(Fraction(2)).step_to(quarter)


def stage(name: str, source: str, target: str, pools: tuple[str, ...] = ()) -> Stage:
    """A stage that copies one map to another."""
    return Stage(name, reads(source), (FeatureMap(target, 3),), lambda x: x.maps, pools=pools)


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((stage("a", "x", "output"),), "too early"),
        ((stage("a", "image", "output", pools=("output",)),), "too early"),
        ((stage("a", "image", "image"),), "again"),
        ((stage("a", "image", "x"),), "no stage writes"),
    ],
)
def test_impossible_graphs_are_refused(stages: tuple[Stage, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StageGraph(stages)


def tiles(length: int, side: int) -> Iterator[Span]:
    """Cut a side into tiles; the last may be a single pixel."""
    for start in range(0, length, side):
        yield Span(start, min(length, start + side), length)


def run_tile(
    network_stage: Stage,
    graph: StageGraph,
    maps: dict[str, Tensor],
    attention: Tensor | None,
    rows: Span,
    columns: Span,
    sides: tuple[int, int],
    may_shrink: bool,
) -> None:
    """Run a stage for one tile and put what it writes in place."""
    window = (rows.widened(network_stage.halo), columns.widened(network_stage.halo))
    inputs = []
    for read in network_stage.reads:
        grid = graph.maps[read.name].grid
        step = network_stage.grid.step_to(grid)
        spans = [read.span(w, step, grid.size(side)) for w, side in zip(window, sides, strict=True)]
        inputs.append(
            maps[read.name][:, :, spans[0].start : spans[0].stop, spans[1].start : spans[1].stop]
        )
    ends = [w.inner_ends if may_shrink and network_stage.shrinks else NEITHER for w in window]
    with shrinking(*ends):
        outputs = network_stage.run(StageInput(tuple(inputs), attention, *window))
    for written, values in zip(network_stage.writes, outputs, strict=True):
        step = network_stage.grid.step_to(written.grid)
        lost = [
            (w.size * step - size) // max(1, sum(end)) if end[0] else 0
            for w, size, end in zip(window, values.shape[2:], ends, strict=True)
        ]
        inner = [
            slice((tile.start - w.start) * step - cut, (tile.stop - w.start) * step - cut)
            for tile, w, cut in zip((rows, columns), window, lost, strict=True)
        ]
        place = [slice(t.start, t.stop) for t in (span.refined(step) for span in (rows, columns))]
        part = values[:, :, inner[0], inner[1]]
        maps[written.name][:, :, place[0], place[1]] = part


def run_in_tiles(
    network: StagedNetwork, image: Tensor, side: int, may_shrink: bool = False
) -> Tensor:
    """The plainest tiled run: every map kept whole, statistics from the whole maps."""
    graph, sides = network.graph, (image.shape[-2], image.shape[-1])
    maps = {"image": image}
    statistics: dict[str, Statistics] = {}
    for network_stage in graph.stages:
        attention = prepare_attention(network_stage, statistics)
        for written in network_stage.writes:
            shape = (written.channels, *(written.grid.size(length) for length in sides))
            maps[written.name] = torch.full((1, *shape), torch.nan)
        lengths = [network_stage.grid.size(length) for length in sides]
        for rows, columns in itertools.product(*(list(tiles(n, side)) for n in lengths)):
            run_tile(network_stage, graph, maps, attention, rows, columns, sides, may_shrink)
        for name, kind in graph.pooled().items():
            if name in maps and name not in statistics:
                statistics[name] = Statistics.of(maps[name], kind)
    return maps["output"]


@pytest.mark.parametrize("may_shrink", [False, True], ids=["padded", "shrinking"])
@pytest.mark.parametrize("name", NETWORKS)
def test_stages_see_enough(name: str, may_shrink: bool) -> None:
    network = random_network(name)
    # Enough for a window with context on all sides: the third tile of DIN, whose halo is 13.
    side = 36 if name.startswith("din") else 19
    height, width = side * network.multiple_of, (side + 1) * network.multiple_of
    image = torch.rand(1, 3, height, width) * network.value_range
    with torch.no_grad():
        whole = network(image)
        tiled = run_in_tiles(network, image, 7, may_shrink)
    assert whole.shape == (1, 3, network.scale * height, network.scale * width)
    scale = max(1.0, whole.abs().max().item())
    assert (tiled - whole).abs().max().item() <= TOLERANCE * scale


@pytest.mark.parametrize("name", ["din-dehaze", "imdn-x2", "aidn-x2", "rfdn-x4", "msfin"])
def test_windows_shrink_by_their_halo(name: str) -> None:
    network = random_network(name)
    shrinking_stages = [s for s in network.graph.stages if s.shrinks]
    assert shrinking_stages
    for network_stage in shrinking_stages:
        maps = network.graph.maps
        side = 2 * network_stage.halo + 5
        inputs = tuple(
            torch.rand(1, maps[r.name].channels, side, side) for r in network_stage.reads
        )
        span = Span(1, 1 + side, 2 + side)
        attention = torch.ones(1, len(inputs), inputs[0].shape[1]) / len(inputs)
        ends = [(first, last) for first in (False, True) for last in (False, True)]
        for rows, columns in itertools.product(ends, repeat=2):
            with torch.no_grad(), shrinking(rows, columns):
                outputs = network_stage.run(StageInput(inputs, attention, span, span))
            shrunk = [side - sum(end) * network_stage.halo for end in (rows, columns)]
            assert [list(values.shape[2:]) for values in outputs] == [shrunk] * len(outputs)
