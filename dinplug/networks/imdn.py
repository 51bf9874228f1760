"""Information multi-distillation network (IMDN), and IMDN_AS for any factor.

Z. Hui et al., "Lightweight Image Super-Resolution with Information Multi-distillation Network",
ACM Multimedia 2019, arXiv:1909.11856. Where paper and released weights differ the weights are
the default (docs/models/imdn.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from dinplug import ops
from dinplug.networks.distillation import DistillationNetwork
from dinplug.networks.layers import Conv
from dinplug.networks.shrinking import concatenate
from dinplug.networks.stages import (
    INPUT_GRID,
    Grid,
    Stage,
    StageInput,
    Statistics,
    halo_of,
    reach,
    reads,
)

SLOPE = 0.05


@dataclass(frozen=True)
class IMDNSpec:
    """The fields of an IMDN.

    `adaptive` is IMDN_AS: the input already has the output's size, features are extracted at a
    quarter of its sides, and `scale` is 1. `last_activation` gives the fourth distillation
    convolution the leaky ReLU of the paper's table, which the released weights are without.

    The others are what the paper's ablations switch off: `progressive` (PRM; without it a block is
    three plain convolutions, which the paper's 510K tell), `contrast_attention` (CCA), `collects`
    (IIC; without it the last block's output is all that goes on).
    """

    scale: int = 2
    adaptive: bool = False
    features: int = 64
    blocks: int = 6
    last_activation: bool = False
    progressive: bool = True
    contrast_attention: bool = True
    collects: bool = True

    def __post_init__(self) -> None:
        if self.scale not in ((1,) if self.adaptive else (2, 3, 4)):
            raise ValueError(f"IMDN enlarges by 2, 3 or 4, IMDN_AS has scale 1; not {self.scale}")
        if self.features % 16 or self.features < 16 or self.blocks < 1:
            raise ValueError("IMDN needs a multiple of 16 features and at least one block")


class ContrastAttention(nn.Module):
    """CCA: channel attention on each channel's mean plus population standard deviation."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(features, features // 16, 1)
        self.excite = nn.Conv2d(features // 16, features, 1)

    def attention(self, statistics: Statistics) -> Tensor:
        """The gate (N, C) from a map's mean and variance."""
        if statistics.variance is None:
            raise ValueError("contrast attention needs the variance")
        moments = torch.stack([statistics.mean, statistics.variance], dim=1)
        squeeze, excite = ((layer.weight, layer.bias) for layer in (self.squeeze, self.excite))
        return ops.contrast_gate(moments, squeeze, excite)


class IMDB(nn.Module):
    """Information multi-distillation block: a quarter of the channels is kept at every step.

    Without progressive refinement: three convolutions in a chain.
    """

    def __init__(self, spec: IMDNSpec) -> None:
        super().__init__()
        features = spec.features
        last_slope = SLOPE if spec.last_activation else None
        self.kept = features // 4
        rest = self.rest = features - self.kept
        self.progressive = spec.progressive
        self.distils = nn.ModuleList(
            [Conv(features, features, slope=SLOPE)]
            + [Conv(rest, features, slope=SLOPE) for _ in range(2)]
            + [Conv(rest, self.kept, slope=last_slope)]
            if spec.progressive
            else [Conv(features, features, slope=slope) for slope in (SLOPE, SLOPE, last_slope)]
        )
        self.attention = ContrastAttention(features) if spec.contrast_attention else None
        self.fuse = Conv(features, features, 1) if spec.progressive else None

    def distil(self, x: Tensor) -> Tensor:
        """The block's features, (N, C, H, W), before the attention."""
        if not self.progressive:
            for conv in self.distils:
                x = conv(x)
            return x
        kept = []
        for conv in self.distils[:-1]:
            part, x = conv(x).split((self.kept, self.rest), dim=1)
            kept.append(part)
        return concatenate([*kept, self.distils[-1](x)])

    def finish(self, distilled: Tensor, gate: Tensor | None, x: Tensor) -> Tensor:
        """The block's output from its features, their gate (N, C) or None, and its input."""
        if gate is None:
            return x + distilled if self.fuse is None else self.fuse(distilled, (x,))
        if self.fuse is None:
            return x + distilled * gate[:, :, None, None]
        return ops.scaled_conv1x1(distilled, gate, self.fuse.weight, self.fuse.bias, (x,))


class AdaptiveHead(nn.Module):
    """IMDN_AS's head: two strided convolutions to a quarter of the sides."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = Conv(3, features, stride=2, slope=SLOPE)
        self.second = Conv(features, features, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, C, H/4, W/4)."""
        features: Tensor = self.second(self.first(image))
        return features

    def reach(self) -> Fraction:
        """How far it looks, in pixels of its output."""
        return reach(self.first, step=4) + reach(self.second, step=2)


class IMDN(DistillationNetwork):
    """IMDN: (N, 3, H, W) in 0..1 to (N, 3, scale·H, scale·W); IMDN_AS needs multiples of 4."""

    def __init__(self, spec: IMDNSpec) -> None:
        grid = Grid(Fraction(1, 4)) if spec.adaptive else INPUT_GRID
        factor = 4 if spec.adaptive else spec.scale
        super().__init__(spec.features, spec.blocks, factor, SLOPE, grid, collects=spec.collects)
        self.spec = spec
        self.scale = spec.scale
        if spec.adaptive:
            self.multiple_of = 4
            self.head = AdaptiveHead(spec.features)
        self.blocks = nn.ModuleList([IMDB(spec) for _ in range(spec.blocks)])

    def build_stages(self) -> Iterator[Stage]:
        """Head; each block's distillation and, after its pooling, its end; tail."""
        if isinstance(self.head, AdaptiveHead):
            yield self.head_stage(halo_of(self.head.reach()), 2 * 4 * self.features)
        else:
            yield self.head_stage(halo_of(reach(self.head)))
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, IMDB)
            yield self._distil_stage(number, block)
            yield self._finish_stage(number, block)
        yield self.tail_stage(self.spec.blocks)

    def _distil_stage(self, number: int, block: IMDB) -> Stage:
        return Stage(
            f"distil {number}",
            reads(self.block_input(number)),
            (self.feature_map(f"D{number}"),),
            lambda x: (block.distil(x.maps[0]),),
            halo_of(reach(block.distils)),
            self.grid,
            workspace=3 * self.features,
            strided=True,
            shrinks=True,
        )

    def _finish_stage(self, number: int, block: IMDB) -> Stage:
        last = self.spec.blocks
        before, writes = self.sums(number, last)

        def run(x: StageInput) -> tuple[Tensor, ...]:
            distilled, source, *total = x.maps
            output = block.finish(distilled, x.attention, source)
            return self.finish(number, last, output, total[0] if total else None)

        return Stage(
            f"block {number}",
            reads(f"D{number}", self.block_input(number), *before),
            writes,
            run,
            grid=self.grid,
            pools=(f"D{number}",) if block.attention is not None else (),
            pool_kind="moments",
            prepare=block.attention.attention if block.attention is not None else None,
            workspace=2 * self.features,
        )


def recognise(shapes: Mapping[str, tuple[int, ...]]) -> IMDNSpec | None:
    """The network whose released state dict has these keys and shapes, or None."""
    adaptive = "fea_conv.2.weight" in shapes
    head = shapes.get("fea_conv.0.weight" if adaptive else "fea_conv.weight", ())
    tail = shapes.get("upsampler.0.weight", ())
    blocks = len({key.split(".")[0] for key in shapes if re.match(r"IMDB\d+\.cca\.", key)})
    if not blocks or len(head) != 4 or len(tail) != 4:
        return None
    factor = round((tail[0] / 3) ** 0.5)
    try:
        return IMDNSpec(1 if adaptive else factor, adaptive, head[0], blocks)
    except ValueError:
        return None


RELEASED_NAMES = (
    (re.compile(r"^fea_conv\.0\."), "head.first."),
    (re.compile(r"^fea_conv\.2\."), "head.second."),
    (re.compile(r"^fea_conv\."), "head."),
    (re.compile(r"^IMDB(\d+)\."), lambda m: f"blocks.{int(m[1]) - 1}."),
    (re.compile(r"\.c([1-4])\."), lambda m: f".distils.{int(m[1]) - 1}."),
    (re.compile(r"\.c5\."), ".fuse."),
    (re.compile(r"\.cca\.conv_du\.0\."), ".attention.squeeze."),
    (re.compile(r"\.cca\.conv_du\.2\."), ".attention.excite."),
    (re.compile(r"^c\.0\."), "fuse."),
    (re.compile(r"^LR_conv\."), "smooth."),
    (re.compile(r"^upsampler\.0\."), "upsampler.conv."),
)


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a released IMDN state dict to this module's."""
    return {rename(key): value for key, value in state.items()}


def rename(key: str) -> str:
    """One released key in this module's words; unknown keys come back unchanged."""
    for pattern, replacement in RELEASED_NAMES:
        key = pattern.sub(replacement, key)
    return key
