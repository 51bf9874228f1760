"""The stage contract: one definition of a network for training, whole images and tiles.

A network is a list of stages over named feature maps. A stage is a local operator: to write a
tile it reads the same tile of its inputs widened by its halo. What is not local (global pooling)
stands between stages: a map may carry per-channel statistics, gathered while it is written, and a
later stage turns the statistics of the *whole* map into attention weights, once.

Zero padding at the picture's border needs no special case: a window is cut off at the border, so
the convolutions' own padding stands exactly where it stands for the whole image; at a tile's
inner borders padding spoils only the halo, which is cut away, or is left out (`shrinking`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import ClassVar, Literal

from torch import Tensor, nn

from dinplug import ops

StatisticsKind = Literal["mean", "moments"]


@dataclass(frozen=True)
class Grid:
    """A pixel grid, as a size relative to the network's input (2 = twice as wide and high)."""

    scale: Fraction = Fraction(1)

    def size(self, length: int) -> int:
        """Pixels along one side of this grid where the input has `length`."""
        # In whole numbers, which may be an exporter's symbols where a Fraction may not.
        finer, coarser = self.scale.numerator, self.scale.denominator
        if length * finer % coarser != 0:
            raise ValueError(f"a side of {length} has no whole size at scale {self.scale}")
        return length * finer // coarser

    def step_to(self, finer: Grid) -> int:
        """Pixels of `finer` that one pixel of this grid covers along a side."""
        return 1 if finer == self else finer.step_from(self)

    def step_from(self, coarser: Grid) -> int:
        """Pixels of this grid in one pixel of `coarser`; overridden where that is no whole number.

        A stage that reads such a map does so with a `Read` that finds its own span.
        """
        step = self.scale / coarser.scale
        if step.denominator != 1:
            raise ValueError(f"grid {self} is no multiple of the stage's grid {coarser}")
        return int(step)


INPUT_GRID = Grid()


@dataclass(frozen=True)
class FeatureMap:
    """A named map of `channels` on `grid`."""

    name: str
    channels: int
    grid: Grid = INPUT_GRID


@dataclass(frozen=True)
class Span:
    """Pixels `start` to `stop` (exclusive) of a side that is `length` long."""

    start: int
    stop: int
    length: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    @property
    def inner_ends(self) -> tuple[bool, bool]:
        """Whether it begins after the picture's border, and ends before it."""
        return self.start > 0, self.stop < self.length

    def widened(self, halo: int) -> Span:
        """The span with `halo` pixels of context, cut off at the picture's border."""
        return Span(max(0, self.start - halo), min(self.length, self.stop + halo), self.length)

    def refined(self, step: int) -> Span:
        """The same pixels on a grid that is `step` times finer."""
        return Span(self.start * step, self.stop * step, self.length * step)


@dataclass(frozen=True)
class Borders:
    """Which sides of a window are the picture's own border."""

    top: bool = True
    bottom: bool = True
    left: bool = True
    right: bool = True


WHOLE = Borders()


@dataclass(frozen=True)
class Read:
    """Which part of a map a stage needs to compute a window: by default the same place.

    `overlaps` says whether neighbouring windows need the same pixels, the stage's halo aside.
    """

    overlaps: ClassVar[bool] = False
    name: str

    def span(self, window: Span, step: int, length: int) -> Span:
        """The span of the map (`length` pixels long) that `window` of the stage's grid needs."""
        del length
        return window.refined(step)


@dataclass(frozen=True)
class Statistics:
    """Per-channel statistics of a whole map: `mean` and population `variance`, each (N, C)."""

    mean: Tensor
    variance: Tensor | None = None

    @staticmethod
    def of(feature_map: Tensor, kind: StatisticsKind) -> Statistics:
        """Gather differentiably from a whole map (N, C, H, W)."""
        if kind == "mean":
            return Statistics(ops.channel_means([feature_map])[:, 0])
        return Statistics(*ops.channel_moments(feature_map).unbind(dim=1))


@dataclass(frozen=True)
class StageInput:
    """What one call of a stage sees: windows of its maps, its attention, and where they lie.

    `maps` are (N, C, h, w) in the order of the stage's reads; `rows` and `columns` are the window
    on the stage's grid, halo included.
    """

    maps: tuple[Tensor, ...]
    attention: Tensor | None
    rows: Span
    columns: Span

    @property
    def borders(self) -> Borders:
        """Where the window meets the picture's border."""
        return Borders(
            self.rows.start == 0,
            self.rows.stop == self.rows.length,
            self.columns.start == 0,
            self.columns.stop == self.columns.length,
        )

    @property
    def weights(self) -> Tensor:
        """The attention of a stage that has one."""
        if self.attention is None:
            raise ValueError("this stage prepares no attention")
        return self.attention


@dataclass(frozen=True)
class Stage:
    """A local operator between feature maps.

    `run` maps windows to outputs that cover the same window, each on its own map's grid.
    `halo` is in pixels of `grid`, the coarsest grid the stage touches. `prepare` turns the
    statistics of the whole maps in `pools` into the attention that every call of `run` receives;
    `pool_kind` "mean" asks for their means, "moments" for the population variance as well.
    `workspace` bounds the float values alive at once per window pixel, besides inputs and outputs.
    `strided` says that it reads windows where they lie if it can (`ops.reads_anywhere`), `shrinks`
    that within `shrinking` its outputs cover the inner part of the window, tile included.
    """

    name: str
    reads: tuple[Read, ...]
    writes: tuple[FeatureMap, ...]
    run: Callable[[StageInput], tuple[Tensor, ...]]
    halo: int = 0
    grid: Grid = INPUT_GRID
    pools: tuple[str, ...] = ()
    pool_kind: StatisticsKind = "mean"
    prepare: Callable[..., Tensor] | None = None
    workspace: int = 0
    strided: bool = False
    shrinks: bool = False

    @property
    def is_pointwise(self) -> bool:
        """Whether a tile needs no context, so that tiles of any shape do the same work."""
        return self.halo == 0 and not any(read.overlaps for read in self.reads)


def reads(*names: str) -> tuple[Read, ...]:
    """Read each named map at the window's own place."""
    return tuple(Read(name) for name in names)


def reach(*convolutions: nn.Module, step: int = 1) -> Fraction:
    """How far a chain of convolutions looks, in pixels of a grid `step` times coarser.

    Along the axis on which it looks farther: a 3x1 and a 1x3 convolution together reach 1.
    """
    layers = [
        layer
        for module in convolutions
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    return Fraction(max(sum(_conv_reach(layer, axis) for layer in layers) for axis in (0, 1)), step)


def _conv_reach(layer: nn.Conv2d | nn.ConvTranspose2d, axis: int) -> int:
    """Pixels that `layer` looks beyond its own place along an axis, on its input's grid."""
    padding, stride = layer.padding[axis], layer.stride[axis]
    if isinstance(padding, str):
        raise ValueError("a stage's convolutions state their padding in pixels")
    extent = (layer.kernel_size[axis] - 1) * layer.dilation[axis] + 1
    if isinstance(layer, nn.ConvTranspose2d):
        # Output o is fed by the inputs i with o = stride * i - padding + t, 0 <= t < extent.
        return max((extent - 1 - padding) // stride, (stride - 1 + padding) // stride)
    return max(padding, extent - stride - padding)


def halo_of(*reaches: Fraction | int) -> int:
    """The whole-pixel halo for operators that look `reaches` far, one after the other."""
    return math.ceil(sum(reaches, Fraction(0)))


@dataclass(frozen=True)
class StageGraph:
    """The stages of a network in order, with what can be derived from them.

    Reads the map `image` and leaves the result in the map `output`.
    """

    stages: tuple[Stage, ...]
    image: FeatureMap = field(default=FeatureMap("image", 3))

    def __post_init__(self) -> None:
        known = {self.image.name}
        for stage in self.stages:
            missing = [r.name for r in stage.reads if r.name not in known]
            if missing or not set(stage.pools) <= known:
                raise ValueError(f"stage {stage.name} reads {missing or stage.pools} too early")
            for written in stage.writes:
                if written.name in known:
                    raise ValueError(f"stage {stage.name} writes {written.name} again")
                known.add(written.name)
        if "output" not in known:
            raise ValueError("no stage writes the map 'output'")

    @property
    def maps(self) -> dict[str, FeatureMap]:
        """Every map by name, the image included."""
        written = {m.name: m for stage in self.stages for m in stage.writes}
        return {self.image.name: self.image, **written}

    def pooled(self) -> dict[str, StatisticsKind]:
        """The maps whose statistics some stage needs, and which kind."""
        kinds: dict[str, StatisticsKind] = {}
        for stage in self.stages:
            for name in stage.pools:
                wanted = stage.pool_kind
                kinds[name] = "moments" if "moments" in (wanted, kinds.get(name)) else "mean"
        return kinds

    def last_readers(self) -> dict[str, int]:
        """The index of the stage after which each map's pixels are needed no more."""
        last = {m.name: index for index, stage in enumerate(self.stages) for m in stage.writes}
        for index, stage in enumerate(self.stages):
            for read in stage.reads:
                last[read.name] = index
        last["output"] = len(self.stages)
        return last


def prepare_attention(stage: Stage, statistics: dict[str, Statistics]) -> Tensor | None:
    """The stage's attention from the statistics of whole maps, or None if it has none."""
    if stage.prepare is None:
        return None
    return stage.prepare(*(statistics[name] for name in stage.pools))


def run_whole(graph: StageGraph, image: Tensor) -> Tensor:
    """Run every stage once over the whole image (N, C, H, W): forward and training pass."""
    maps: dict[str, Tensor] = {graph.image.name: image}
    statistics: dict[str, Statistics] = {}
    last, pooled = graph.last_readers(), graph.pooled()
    height, width = image.shape[-2:]
    for index, stage in enumerate(graph.stages):
        rows, columns = (
            Span(0, size, size) for size in (stage.grid.size(height), stage.grid.size(width))
        )
        inputs = tuple(maps[read.name] for read in stage.reads)
        attention = prepare_attention(stage, statistics)
        outputs = stage.run(StageInput(inputs, attention, rows, columns))
        for feature_map, output in zip(stage.writes, outputs, strict=True):
            maps[feature_map.name] = output
            if feature_map.name in pooled:
                statistics[feature_map.name] = Statistics.of(output, pooled[feature_map.name])
        for name in {read.name for read in stage.reads}:
            if last[name] == index:
                del maps[name]
    return maps["output"]


class StagedNetwork(nn.Module, ABC):
    """A network whose `forward` runs the stages of its `graph` over the whole image.

    `multiple_of` and `min_size` state the input sides it accepts, in pixels; `value_range` is
    the largest nominal value of its input and output (1 or 255). `pixel_layers` names the children
    that see the image or make the output: they stay float32 where the rest is half precision.
    `wide_layers` names those whose products may be rounded like the rest's, but not their results.
    """

    multiple_of: int = 1
    min_size: int = 1
    scale: int = 1
    value_range: float = 1.0
    pixel_layers: tuple[str, ...] = ("head", "upsampler")
    wide_layers: tuple[str, ...] = ()

    @abstractmethod
    def build_stages(self) -> Iterable[Stage]:
        """Yield the network's stages in order."""

    @property
    def graph(self) -> StageGraph:
        """The stages of the network as it stands now (folding replaces modules)."""
        return StageGraph(tuple(self.build_stages()))

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 3, scale·H, scale·W), both on the scale 0..`value_range`."""
        return run_whole(self.graph, image)


def total_parameters(network: nn.Module) -> int:
    """The number of trained values."""
    return sum(p.numel() for p in network.parameters())
