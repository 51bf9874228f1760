"""Which stages of a network run in half precision, by the error they were measured to make.

The layers at both ends, which see pixels, are always float32, and so are statistics and attention:
rounding the image alone to float16 would cost 0.06 of an 8-bit level. The stages between run in
float16 if that moves no value of a calibration picture by more than `LARGEST_ERROR`; else as many
of them, counted from the end, as stay below it.
"""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from dinplug.networks.stages import Stage, StagedNetwork, StageGraph

LOG = logging.getLogger(__name__)
PRECISIONS = ("auto", "float32", "float16", "bfloat16")
HALF_TYPES = {"auto": torch.float16, "float16": torch.float16, "bfloat16": torch.bfloat16}
LARGEST_ERROR = 0.1 / 255
"""A tenth of an 8-bit level, on the scale 0..1."""


@dataclass(frozen=True)
class TypedGraph:
    """A graph whose stages each compute in a type of their own.

    `half` is the half precision's type, None if there is none; the stages from `first_half` on
    run in it. `full` and `narrow` are the stages of the float32 network and of its copy in half,
    `weight_bytes` what both take.
    """

    full: StageGraph
    narrow: StageGraph
    half: torch.dtype | None
    first_half: int
    weight_bytes: int

    @property
    def graph(self) -> StageGraph:
        """The stages as they run; attention comes from float32 layers throughout."""
        stages = tuple(
            replace(narrow, prepare=full.prepare) if self.is_half(index) else full
            for index, (full, narrow) in enumerate(
                zip(self.full.stages, self.narrow.stages, strict=True)
            )
        )
        return StageGraph(stages, self.full.image)

    def is_half(self, index: int) -> bool:
        """Whether a stage's inner layers compute in half precision."""
        return self.half is not None and index >= self.first_half

    def input_type(self, index: int) -> torch.dtype | None:
        """The type a stage's maps are brought to; None where its layers do that themselves."""
        if not self.is_half(index):
            return torch.float32
        return None if sees_pixels(self.full, self.full.stages[index]) else self.half

    def map_types(self) -> dict[str, torch.dtype]:
        """The type in which each map is kept: half where no reader would make use of more."""
        stages = self.full.stages
        inner = [
            self.half is not None and self.input_type(k) == self.half for k in range(len(stages))
        ]
        types = dict.fromkeys(self.full.maps, torch.float32)
        for index, stage in enumerate(stages):
            for written in stage.writes:
                readers = [
                    inner[number]
                    for number, reader in enumerate(stages)
                    if written.name in {read.name for read in reader.reads}
                ]
                if self.half is not None and readers and (inner[index] or all(readers)):
                    types[written.name] = self.half
        return types

    def described(self) -> str:
        """The choice in words."""
        stages = len(self.full.stages)
        if self.half is None or self.first_half >= stages:
            return "float32"
        name = str(self.half).removeprefix("torch.")
        before = f", the first {self.first_half} stages in float32" if self.first_half else ""
        return f"{name}{before}"


def sees_pixels(graph: StageGraph, stage: Stage) -> bool:
    """Whether a stage reads the image or writes the output."""
    names = {*(read.name for read in stage.reads), *(written.name for written in stage.writes)}
    return bool(names & {graph.image.name, "output"})


def in_float32(network: StagedNetwork) -> TypedGraph:
    """The network as it is, every stage in float32."""
    graph = network.graph
    return TypedGraph(graph, graph, None, len(graph.stages), size_of(network))


def in_half(network: StagedNetwork, half: torch.dtype) -> TypedGraph:
    """The network with every stage in half precision but for the layers that see pixels."""
    narrow = half_copy(network, half)
    return TypedGraph(network.graph, narrow.graph, half, 0, size_of(network) + size_of(narrow))


def size_of(network: nn.Module) -> int:
    """Bytes of a network's weights."""
    return sum(x.nbytes for x in (*network.parameters(), *network.buffers()))


def half_copy(network: StagedNetwork, half: torch.dtype) -> StagedNetwork:
    """A copy of a folded network in half precision, but for the layers that it names.

    Pixel layers stay float32. A wide layer's weights are rounded and float32 again; its convolution
    may round what it multiplies to tf32, which for such weights and inputs changes nothing.
    """
    narrow = copy.deepcopy(network).to(half)
    for name in network.pixel_layers:
        layer, exact = getattr(narrow, name), getattr(network, name)
        layer.float().load_state_dict(exact.state_dict())
        layer.register_forward_pre_hook(widened)
    for name in network.wide_layers:
        layer = getattr(narrow, name).float()
        layer.register_forward_pre_hook(lambda _, inputs: begin_wide(inputs, half))
        layer.register_forward_hook(end_wide, always_call=True)
    return narrow


def widened(layer: nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
    """Bring what a float32 layer is given to float32."""
    del layer
    converted: tuple[object, ...] = tree_map_only(Tensor, lambda x: x.float(), inputs)
    return converted


def begin_wide(inputs: tuple[object, ...], half: torch.dtype) -> tuple[object, ...]:
    """Round what a wide layer is given to half precision, and let it multiply in tf32."""
    torch.backends.cudnn.allow_tf32 = True
    rounded: tuple[object, ...] = tree_map_only(Tensor, lambda x: x.to(half).float(), inputs)
    return rounded


def end_wide(layer: nn.Module, inputs: object, output: Tensor) -> None:
    """Let no other layer multiply in tf32."""
    del layer, inputs, output
    torch.backends.cudnn.allow_tf32 = False


def calibrated(
    network: StagedNetwork, half: torch.dtype, run: Callable[[TypedGraph, Tensor], Tensor]
) -> TypedGraph:
    """As many stages in half precision as keep the error on a calibration picture small.

    `run` maps a picture (1, 3, H, W) on the network's scale of values through a graph. The error
    is the largest of all values.
    """
    picture = calibration_picture(network) * network.value_range
    full = in_float32(network)
    truth = run(full, picture)
    typed = in_half(network, half)

    def error(first: int) -> float:
        output = run(replace(typed, first_half=first), picture)
        # The largest of values with a NaN is a NaN, which is below no limit.
        return float((output - truth).abs().amax()) / network.value_range

    stages = len(full.full.stages)
    measured = {0: error(0)}
    # Bisection: `low` is known to be too many stages in half precision, `high` not to be.
    low, high = (0, stages) if not measured[0] <= LARGEST_ERROR else (0, 0)
    while high - low > 1:
        middle = (low + high) // 2
        measured[middle] = error(middle)
        low, high = (low, middle) if measured[middle] <= LARGEST_ERROR else (middle, high)
    chosen = full if high == stages else replace(typed, first_half=high)
    levels = ", ".join(f"from stage {k}: {255 * e:.3f}" for k, e in sorted(measured.items()))
    LOG.info("precision %s; largest error in 8-bit levels: %s", chosen.described(), levels)
    return chosen


def calibration_picture(network: StagedNetwork) -> Tensor:
    """A picture (1, 3, H, W) in 0..1 whose sides the network accepts."""
    side = max(CALIBRATION_SIDE, network.min_size)
    return dead_leaves(math.ceil(side / network.multiple_of) * network.multiple_of)[None]


CALIBRATION_SIDE = 96
"""Sides of the calibration picture; the field of the deepest attention and a few textures fit."""
LEAVES = 1500


def dead_leaves(side: int, seed: int = 0) -> Tensor:
    """A picture (3, side, side) in 0..1 with the statistics of photos; the same for each seed.

    Discs that hide each other, radii by a power law (Lee, Mumford, Huang 2001), shaded and grainy.
    """
    random = torch.Generator().manual_seed(seed)
    draws = torch.rand(LEAVES, 8, generator=random, dtype=torch.float64)
    place = torch.arange(side, dtype=torch.float64)
    picture = torch.full((3, side, side), 0.5, dtype=torch.float64)
    smallest, largest = 2.0, side / 2
    for x, y, size, tilt, slope, *colour in draws.tolist():
        # The inverse of the distribution of radii with density r^-3 between the two.
        radius = (smallest**-2 - size * (smallest**-2 - largest**-2)) ** -0.5
        across, down = place[None, :] - x * side, place[:, None] - y * side
        angle = 2 * math.pi * tilt
        shade = 1 + 0.3 * slope * (across * math.cos(angle) + down * math.sin(angle)) / radius
        # Photos are greyer than three independent colours.
        mixed = torch.tensor(colour, dtype=torch.float64)
        leaf = (0.6 * mixed.mean() + 0.4 * mixed)[:, None, None] * shade
        picture = torch.where(across**2 + down**2 <= radius**2, leaf, picture)
    grain = torch.randn(3, side, side, generator=random, dtype=torch.float64)
    return (picture + 0.01 * grain).clamp(0, 1).float()
