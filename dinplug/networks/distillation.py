"""The frame that the distillation networks share: IMDN, RFDN, ARFDN and AIDN.

Head convolution, a chain of blocks, a 1x1 convolution over the concatenation of all block outputs
with a leaky ReLU, a smoothing 3x3 convolution, the head's output added, sub-pixel upsampling.
"""

from __future__ import annotations

from torch import Tensor, nn

from dinplug import ops
from dinplug.networks.layers import Conv, SubPixelConv
from dinplug.networks.stages import (
    INPUT_GRID,
    FeatureMap,
    Grid,
    Stage,
    StagedNetwork,
    StageInput,
    halo_of,
    reach,
    reads,
)


class DistillationNetwork(StagedNetwork):
    """Head, `blocks` whose outputs X1, X2, ... are fused by one 1x1 convolution, tail.

    Maps: H is the head's output and the first block's input, Xk block k's output, Sk the fusion
    summed up to block k, so that no block's output is kept for the concatenation. Where the network
    does not collect, the last block's output stands in for the fusion, without an activation.

    On the input's own grid the head is so little work that the tail does it again: H is not kept.
    """

    wide_layers = ("smooth",)

    def __init__(
        self,
        features: int,
        blocks: int,
        factor: int,
        fusion_slope: float,
        grid: Grid = INPUT_GRID,
        *,
        collects: bool = True,
    ) -> None:
        super().__init__()
        self.features = features
        self.factor = factor
        self.fusion_slope = fusion_slope
        self.grid = grid
        self.collects = collects
        self.repeats_head = grid == INPUT_GRID
        self.head: nn.Module = Conv(3, features)
        if collects:
            self.fuse = Conv(blocks * features, features, 1)
        self.smooth = Conv(features, features)
        self.upsampler = SubPixelConv(features, 3, factor)

    def feature_map(self, name: str) -> FeatureMap:
        """A map of the network's width on its grid."""
        return FeatureMap(name, self.features, self.grid)

    def block_input(self, number: int) -> str:
        """The map that block `number` (from 1) reads."""
        return "H" if number == 1 else f"X{number - 1}"

    def head_stage(self, halo: int, workspace: int = 0) -> Stage:
        """Image to H."""
        return Stage(
            "head",
            reads("image"),
            (self.feature_map("H"),),
            lambda x: (self.head(x.maps[0]),),
            halo,
            self.grid,
            workspace=workspace,
        )

    def share(self, number: int, output: Tensor, total: Tensor | None) -> Tensor:
        """The fusion summed up to block `number` (from 1), given that block's `output`."""
        part = slice((number - 1) * self.features, number * self.features)
        weight = self.fuse.weight[:, part]
        bias = self.fuse.bias if total is None else None
        return ops.convolve(output, weight, bias, added=() if total is None else (total,))

    def sums(self, number: int, last: int) -> tuple[tuple[str, ...], tuple[FeatureMap, ...]]:
        """The sum that the stage ending block `number` of `last` reads, and the maps it writes."""
        if not self.collects:
            return (), (self.feature_map(f"X{number}"),)
        before = (f"S{number - 1}",) if number > 1 else ()
        names = (f"S{number}",) if number == last else (f"X{number}", f"S{number}")
        return before, tuple(self.feature_map(name) for name in names)

    def finish(
        self, number: int, last: int, output: Tensor, total: Tensor | None
    ) -> tuple[Tensor, ...]:
        """What the stage ending a block returns for the maps that `sums` names."""
        if not self.collects:
            return (output,)
        fused = self.share(number, output, total)
        return (fused,) if number == last else (output, fused)

    def tail_stage(self, last: int) -> Stage:
        """Fused blocks and H to the output."""
        source = "image" if self.repeats_head else "H"

        def run(x: StageInput) -> tuple[Tensor, ...]:
            fused, head = x.maps
            if self.repeats_head:
                head = self.head(head)
            if self.collects:
                fused = ops.activate(fused, self.fusion_slope)
            return (self.upsampler(self.smooth(fused, (head,))),)

        return Stage(
            "tail",
            reads(f"S{last}" if self.collects else f"X{last}", source),
            (FeatureMap("output", 3, Grid(self.grid.scale * self.factor)),),
            run,
            # As far as the head and the smoothing look, both are wanted where the upsampler looks.
            halo_of(max(reach(self.smooth), reach(self.head)), reach(self.upsampler)),
            self.grid,
            workspace=3 * self.features + 3 * self.factor**2,
        )
