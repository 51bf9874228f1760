"""Multi-scale feature interaction network (MSFIN, MSFIN-S), x4.

Z. Wang, G. Gao, J. Li, Y. Yu, H. Lu, "Lightweight Image Super-Resolution with Multi-Scale Feature
Interaction Network", ICME 2021, arXiv:2103.13028. The image is enlarged first; features live on
three levels: 1 at the output's size, 2 at half, 3 at a quarter (the input's size). Where paper,
released code and released weights differ the weights are followed (docs/models/msfin.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinplug.networks.layers import ENLARGE_REACH, Conv, SubPixelConv, enlarge
from dinplug.networks.stages import (
    INPUT_GRID,
    FeatureMap,
    Grid,
    Stage,
    StagedNetwork,
    StageInput,
    Statistics,
    halo_of,
    reach,
    reads,
)

SCALE = 4
SLOPE = 0.2
MEAN = (114.4, 111.5, 103.0)
"""Mean red, green and blue of the training pictures, on the scale 0..255."""
FULL, HALF, QUARTER = Grid(Fraction(4)), Grid(Fraction(2)), INPUT_GRID
"""Grids of the levels 1, 2 and 3."""


@dataclass(frozen=True)
class MSFINSpec:
    """The fields of an MSFIN: 24, 6, 5, 1 is MSFIN, 16, 4, 4, 0 is MSFIN-S.

    `width` is level 1's and 2's channels, `groups` of the blocks' 3x3 convolutions, `reduction`
    how much channel attention squeezes, `loops` how often a block is applied again.
    """

    width: int = 24
    groups: int = 6
    reduction: int = 5
    loops: int = 1

    def __post_init__(self) -> None:
        if min(self.width, self.groups, self.reduction) < 1 or self.loops < 0:
            raise ValueError("MSFIN needs width, groups and reduction of at least 1, loops of 0")
        if self.width % self.groups or self.width < self.reduction:
            raise ValueError("MSFIN's width is a multiple of its groups and not below reduction")

    @property
    def scale(self) -> int:
        """The enlargement, which is fixed."""
        return SCALE


class RRCAB(nn.Module):
    """Recurrent residual channel attention block: x + attention * body(x), applied repeatedly."""

    def __init__(self, features: int, spec: MSFINSpec) -> None:
        super().__init__()
        squeezed = features // spec.reduction
        self.body = nn.Sequential(
            Conv(features, features, slope=0, groups=spec.groups),
            Conv(features, features, slope=0, groups=spec.groups),
            Conv(features, features, 1),
        )
        self.squeeze = nn.Conv2d(features, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, features, 1)

    def attention(self, statistics: Statistics) -> Tensor:
        """The gate (N, C) from the body's means."""
        gate: Tensor = self.excite(F.relu(self.squeeze(statistics.mean[:, :, None, None])))
        return torch.sigmoid(gate).flatten(1)


class Down(nn.Sequential):
    """To half the sides and twice the channels: a strided convolution, then one without bias."""

    def __init__(self, features: int, strided: int) -> None:
        super().__init__(
            Conv(features, strided, stride=2, slope=SLOPE),
            Conv(strided, 2 * features, bias=False),
        )

    def reach(self, step: int) -> Fraction:
        """How far it looks, in pixels `step` times its input's (an even number)."""
        return reach(self[0], step=step) + reach(self[1], step=step // 2)


class MSFIN(StagedNetwork):
    """MSFIN: (N, 3, H, W) in 0..255 to (N, 3, 4H, 4W).

    `quarter_blocks` and the other lists hold the blocks of a level in the order of their use:
    five at a quarter, five at half on the way up, five at half (level 2), five at full size
    (level 1), and four for the sum of all levels.
    """

    def __init__(self, spec: MSFINSpec) -> None:
        super().__init__()
        self.spec = spec
        self.scale = SCALE
        self.value_range = 255.0
        self.pixel_layers = ("colour_in", "head", "to_rgb", "colour_out")
        n = spec.width
        self.colour_in, self.colour_out = Conv(3, 3, 1), Conv(3, 3, 1)
        self.head, self.to_rgb = Conv(3, n), Conv(n, 3)
        self.down, self.down_again, self.down_beside = Down(n, n), Down(2 * n, 4 * n), Down(n, n)
        self.quarter_blocks = self._blocks(5, 4 * n)
        self.fuse_quarter = Conv(12 * n, 4 * n, 1)
        self.up_quarter = SubPixelConv(4 * n, n, 2)
        self.rising_blocks = self._blocks(5, n)
        self.fuse_rising = Conv(3 * n, n, 1)
        self.up_rising = SubPixelConv(n, n, 2)
        self.half_links = nn.ModuleList(
            [nn.ConvTranspose2d(4 * n, 2 * n, 2, 2) for _ in range(2)]
            + [Conv(n, 2 * n, 1) for _ in range(2)]
        )
        self.half_blocks = self._blocks(5, 2 * n)
        self.up_half = SubPixelConv(2 * n, n, 2)
        self.full_links = nn.ModuleList([nn.ConvTranspose2d(2 * n, n, 2, 2) for _ in range(4)])
        self.full_blocks = self._blocks(5, n)
        self.last_blocks = self._blocks(4, n)
        initialise_colours(self.colour_in, self.colour_out)

    def _blocks(self, count: int, features: int) -> nn.ModuleList:
        return nn.ModuleList([RRCAB(features, self.spec) for _ in range(count)])

    def build_stages(self) -> Iterator[Stage]:
        """Head, levels 3, 2 and 1, tail. Each part of a level waits until it is needed.

        Maps are named as in docs/models/msfin.md: f the head's output, e the quarter-size
        features, a1..a10 level 3, b1..b5 level 2, c1..c5 level 1.
        """
        yield self._head()
        yield self._down()
        yield from self._quarter_level()
        yield self._half_join(1)
        for number in range(1, 5):
            yield from self._block(self.half_blocks, number, f"b{number}", HALF, 2)
            yield self._full_join(number)
            full = self._block(self.full_blocks, number, f"c{number}", FULL, 1)
            then = self._next_half(number + 1) if number < 4 else ()
            # Beside level 1's maps, the largest, lies what takes less: b(i + 1)'s input or its
            # sources.
            yield from chain(then, full) if number in (1, 3) else chain(full, then)
        yield from self._block(self.half_blocks, 5, "b5", HALF, 2, source="b4")
        yield from self._block(self.full_blocks, 5, "c5", FULL, 1, source="c4")
        yield self._sum_levels()
        for number in range(1, 5):
            before = f"y{number - 1}"
            yield from self._block(self.last_blocks, number, f"y{number}", FULL, 1, source=before)
        yield self._tail()

    def _map(self, name: str, grid: Grid, multiple: int = 1) -> FeatureMap:
        return FeatureMap(name, multiple * self.spec.width, grid)

    def _head(self) -> Stage:
        def run(x: StageInput) -> tuple[Tensor, ...]:
            return (self.head(self.colour_in(enlarge(x.maps[0], SCALE))),)

        halo = halo_of(ENLARGE_REACH["bilinear"], reach(self.head, step=SCALE))
        return Stage(
            "head", reads("image"), (self._map("f", FULL),), run, halo, workspace=6 * SCALE**2
        )

    def _down(self) -> Stage:
        return Stage(
            "down",
            reads("f"),
            (self._map("e", QUARTER, 4),),
            lambda x: (self.down_again(self.down(x.maps[0])),),
            halo_of(self.down.reach(4), self.down_again.reach(2)),
            workspace=self.spec.width * (4 + 2 * 4 + 2),
        )

    def _quarter_level(self) -> Iterator[Stage]:
        blocks = self.quarter_blocks
        for number in range(1, 5):
            source = f"a{number - 1}" if number > 1 else "e"
            yield from self._block(blocks, number, f"a{number}", QUARTER, 4, source=source)
        yield self._fusion("a5 in", ("e", "a2", "a4"), self.fuse_quarter, QUARTER, 4)
        yield from self._block(blocks, 5, "a5", QUARTER, 4)

    def _next_half(self, number: int) -> Iterator[Stage]:
        """What block b(i) of level 2 starts from."""
        yield from self._rising_level(number)
        yield self._half_join(number)

    def _rising_level(self, half: int) -> Iterator[Stage]:
        """a6..a10, as far as level 2 needs them from block `half` on: a7 in b3, a9 in b4."""
        blocks = self.rising_blocks
        if half == 3:
            yield Stage(
                "up",
                reads("a5"),
                (self._map("v", HALF),),
                lambda x: (self.up_quarter(x.maps[0]),),
                halo_of(reach(self.up_quarter)),
                workspace=4 * self.spec.width,
            )
            yield from self._block(blocks, 1, "a6", HALF, 1, source="v")
            yield from self._block(blocks, 2, "a7", HALF, 1, source="a6")
        elif half == 4:
            yield from self._block(blocks, 3, "a8", HALF, 1, source="a7")
            yield from self._block(blocks, 4, "a9", HALF, 1, source="a8")
            yield self._fusion("a10 in", ("v", "a7", "a9"), self.fuse_rising, HALF, 1)
            yield from self._block(blocks, 5, "a10", HALF, 1)

    def _fusion(
        self, name: str, sources: tuple[str, ...], layer: Conv, grid: Grid, multiple: int
    ) -> Stage:
        return Stage(
            name,
            reads(*sources),
            (self._map(name, grid, multiple),),
            lambda x: (layer(torch.cat(x.maps, dim=1)),),
            grid=grid,
            workspace=3 * multiple * self.spec.width,
        )

    def _half_join(self, number: int) -> Stage:
        """b1: the head's output halved plus a2; b2: b1 plus a4; b3, b4: plus a7, a9."""
        link = self.half_links[number - 1]
        written = (self._map(f"b{number} in", HALF, 2),)
        if number == 1:

            def halve_and_join(x: StageInput) -> tuple[Tensor, ...]:
                full, quarter = x.maps
                return (self.down_beside(full) + link(quarter),)

            halo = max(halo_of(self.down_beside.reach(4)), halo_of(reach(link)))
            workspace = self.spec.width * 4 * (1 + 2)
            sources = reads("f", "a2")
            return Stage("b1 in", sources, written, halve_and_join, halo, workspace=workspace)
        source = {2: "a4", 3: "a7", 4: "a9"}[number]
        grid = QUARTER if number == 2 else HALF
        return self._join(f"b{number - 1}", source, link, written, grid)

    def _full_join(self, number: int) -> Stage:
        """c(i): level 1's last map plus the enlarged b(i)."""
        source = f"c{number - 1}" if number > 1 else "f"
        written = (self._map(f"c{number} in", FULL),)
        return self._join(source, f"b{number}", self.full_links[number - 1], written, HALF)

    def _join(
        self, fine: str, coarse: str, link: nn.Module, written: tuple[FeatureMap], grid: Grid
    ) -> Stage:
        step = grid.step_to(written[0].grid)

        def run(x: StageInput) -> tuple[Tensor, ...]:
            before, joining = x.maps
            return (link(joining, (before,)) if isinstance(link, Conv) else before + link(joining),)

        return Stage(
            written[0].name,
            reads(fine, coarse),
            written,
            run,
            halo_of(reach(link)),
            grid,
            workspace=written[0].channels * step * step,
        )

    def _block(
        self,
        blocks: nn.ModuleList,
        number: int,
        name: str,
        grid: Grid,
        multiple: int,
        *,
        source: str | None = None,
    ) -> Iterator[Stage]:
        """Block `number` (from 1) of `blocks`, `loops` + 1 times, from `source` to map `name`."""
        block = blocks[number - 1]
        assert isinstance(block, RRCAB)
        current = source or f"{name} in"
        for turn in range(self.spec.loops + 1):
            written = name if turn == self.spec.loops else f"{name} turn {turn + 1}"
            body = self._map(f"{written} body", grid, multiple)
            yield Stage(
                body.name,
                reads(current),
                (body,),
                run_body(block),
                halo_of(reach(block.body)),
                grid,
                workspace=2 * body.channels,
                shrinks=True,
            )
            yield Stage(
                written,
                reads(current, body.name),
                (self._map(written, grid, multiple),),
                add_attended,
                grid=grid,
                pools=(body.name,),
                prepare=block.attention,
            )
            current = written

    def _sum_levels(self) -> Stage:
        def run(x: StageInput) -> tuple[Tensor, ...]:
            full, half, rising = x.maps
            return (full + self.up_half(half) + self.up_rising(rising),)

        return Stage(
            "sum of levels",
            reads("c5", "b5", "a10"),
            (self._map("y0", FULL),),
            run,
            max(halo_of(reach(self.up_half)), halo_of(reach(self.up_rising))),
            HALF,
            workspace=3 * 4 * self.spec.width,
        )

    def _tail(self) -> Stage:
        return Stage(
            "tail",
            reads("y4"),
            (FeatureMap("output", 3, FULL),),
            lambda x: (self.colour_out(self.to_rgb(x.maps[0])),),
            halo_of(reach(self.to_rgb)),
            FULL,
            workspace=3,
        )


def run_body(block: RRCAB) -> Callable[[StageInput], tuple[Tensor, ...]]:
    """The stage function of a block's body."""
    return lambda x: (block.body(x.maps[0]),)


def add_attended(x: StageInput) -> tuple[Tensor, ...]:
    """A block's input plus its body times the attention (N, C)."""
    source, body = x.maps
    return (torch.addcmul(source, body, x.weights[:, :, None, None]),)


def initialise_colours(colour_in: nn.Conv2d, colour_out: nn.Conv2d) -> None:
    """Start the colour layers as subtracting and adding the mean colour."""
    with torch.no_grad():
        for layer, sign in ((colour_in, -1), (colour_out, 1)):
            assert layer.bias is not None
            nn.init.dirac_(layer.weight)
            layer.bias.copy_(torch.tensor([sign * mean for mean in MEAN]))
