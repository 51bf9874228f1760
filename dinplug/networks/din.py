"""Deep interleaved network (DIN), for super-resolution and for restoration.

F. Li et al., "Deep Interleaved Network for Image Super-Resolution with Asymmetric Co-Attention",
IJCAI 2020, arXiv:2004.11814 (`edition="ijcai"`), and its journal extension "Deep Interleaved
Network for Image Restoration", arXiv:2010.15689 (`edition="journal"`).

M branches of D weighted residual dense blocks (WRDB) each; asymmetric co-attention (AsyCA) joins
block d of branch m-1 with block d-1 of branch m. Where papers and released code differ the code is
the default, because only its 0.1 factors are numerically stable (docs/models/din.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from torch import Tensor, nn

from dinplug import ops
from dinplug.networks.coattention import AsyCA, ConcatFusion, SqueezeExcite, join_states
from dinplug.networks.layers import ENLARGE_REACH, Conv, enlarge
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
from dinplug.networks.upsampler import Upsampler
from dinplug.networks.wrdb import SLOPE, WRDB, ChannelWeights, held_values

QUARTER_GRID = Grid(Fraction(1, 4))

Fusion = Literal["asyca", "se", "sum", "concat"]


@dataclass(frozen=True)
class DINSpec:
    """The fields of a DIN.

    `scale` is the enlargement (1 for restoration). `strided` extracts features at a quarter of
    the input's sides (deblurring, dehazing) and reconstructs them by sub-pixel convolution.
    `fusion` is how two branches meet (journal section 4.3); `weighted_links` (DWC) and
    `global_fusion` (GFF) are switched in Table 1. `first_node` and `residual_mode` are where the
    released code departs from the papers.
    """

    scale: int = 1
    strided: bool = False
    edition: Literal["ijcai", "journal"] = "journal"
    branches: int = 4
    depth: int = 5
    blocks: int = 3
    features: int = 64
    growth: int = 32
    fusion: Fusion = "asyca"
    weighted_links: bool = True
    global_fusion: bool = True
    first_node: Literal["released", "paper"] = "released"
    residual_mode: Literal["bilinear", "bicubic"] = "bilinear"

    def __post_init__(self) -> None:
        if self.scale not in (1, 2, 3, 4, 8):
            raise ValueError(f"DIN enlarges by 1, 2, 3, 4 or 8, not {self.scale}")
        if self.strided and self.scale != 1:
            raise ValueError("strided extraction is for restoration at scale 1")
        if self.edition == "ijcai" and self.scale not in (2, 3, 4):
            raise ValueError("the IJCAI network enlarges by 2, 3 or 4")
        if min(self.branches, self.depth, self.blocks) < 1:
            raise ValueError("branches, depth and blocks are at least 1")

    @property
    def attention_ratio(self) -> int:
        """By how much AsyCA squeezes the channels: 8 (IJCAI) or 4 (journal)."""
        return 8 if self.edition == "ijcai" else 4


def fusion_node(spec: DINSpec) -> nn.Module | None:
    """The module that joins two branches, or None where the first node is the plain sum."""
    if spec.fusion == "asyca":
        return AsyCA(spec.features, spec.attention_ratio)
    if spec.fusion == "se":
        return SqueezeExcite(spec.features, spec.attention_ratio)
    return ConcatFusion(spec.features) if spec.fusion == "concat" else None


class StridedHead(nn.Module):
    """Feature extraction at a quarter of the sides, for deblurring and dehazing."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = Conv(3, features, slope=SLOPE)
        self.reduce = Conv(features, features, 8, stride=4, padding=2)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, C, H/4, W/4)."""
        features: Tensor = self.reduce(self.conv(image))
        return features


class DIN(StagedNetwork):
    """Deep interleaved network: (N, 3, H, W) in 0..1 to (N, 3, scale·H, scale·W)."""

    def __init__(self, spec: DINSpec) -> None:
        super().__init__()
        self.spec = spec
        self.scale = spec.scale
        self.multiple_of = 4 if spec.strided else 1
        self.grid = QUARTER_GRID if spec.strided else INPUT_GRID
        features = spec.features
        self.head = StridedHead(features) if spec.strided else Conv(3, features)
        places = [(m, d) for m in self.branches for d in self.depths]
        self.wrdbs = nn.ModuleDict(
            {
                f"{m}_{d}": WRDB(features, spec.growth, spec.blocks, spec.weighted_links)
                for m, d in places
            }
        )
        nodes = {f"{m}_{d}": fusion_node(spec) for m, d in places if m > 1}
        self.nodes = nn.ModuleDict({k: node for k, node in nodes.items() if node is not None})
        if spec.global_fusion:
            self.fuse_branches = nn.Conv2d(spec.branches * features, features, 1)
            if spec.edition == "journal":
                self.fuse_blocks = nn.Conv2d(spec.depth * features, features, 1)
        self.upsampler = Upsampler(features, 4 if spec.strided else spec.scale)
        initialise(self)

    @property
    def branches(self) -> range:
        """Branch numbers m, from 1."""
        return range(1, self.spec.branches + 1)

    @property
    def depths(self) -> range:
        """Block numbers d within a branch, from 1."""
        return range(1, self.spec.depth + 1)

    def build_stages(self) -> Iterator[Stage]:
        """Head, the interleaved WRDBs with the fusion sums beside them, tail."""
        step = 4 if self.spec.strided else 1
        yield Stage(
            "head",
            reads("image"),
            (self._map("F0"),),
            lambda x: (self.head(x.maps[0]),),
            halo_of(reach(self.head, step=step)),
            self.grid,
            workspace=self.spec.features * step * step,
        )
        total = "F0" if self.spec.edition == "ijcai" else None
        if self.spec.edition == "journal" and self.spec.global_fusion:
            yield self._fusion_stage("S0", "F0", None, self.fuse_blocks, self.spec.depth - 1)
            total = "S0"
        for m in self.branches:
            for d in self.depths:
                yield self._block_stage(m, d)
                if not self.spec.global_fusion:
                    continue
                if d == self.spec.depth:
                    name = f"S1_{m}"
                    yield self._fusion_stage(name, f"F{m}_{d}", total, self.fuse_branches, m - 1)
                    total = name
                elif self.spec.edition == "journal" and m == self.spec.branches:
                    name = f"S2_{d}"
                    yield self._fusion_stage(name, f"F{m}_{d}", total, self.fuse_blocks, d - 1)
                    total = name
        last = f"F{self.spec.branches}_{self.spec.depth}"
        yield self._tail_stage((total,) if self.spec.global_fusion and total else ("F0", last))

    def _map(self, name: str) -> FeatureMap:
        return FeatureMap(name, self.spec.features, self.grid)

    def _sources(self, m: int, d: int) -> tuple[str, ...]:
        """The maps block d of branch m is fed from: previous branch first, own branch second."""
        if m == 1:
            return (f"F1_{d - 1}" if d > 1 else "F0",)
        if d > 1:
            return (f"F{m - 1}_{d}", f"F{m}_{d - 1}")
        first = self.spec.depth if self.spec.first_node == "paper" else 1
        return (f"F{m - 1}_{first}", f"F{m - 1}_1")

    def _block_stage(self, m: int, d: int) -> Stage:
        sources = self._sources(m, d)
        wrdb = self.wrdbs[f"{m}_{d}"]
        node = dict(self.nodes.items()).get(f"{m}_{d}")
        attends = isinstance(node, AsyCA | SqueezeExcite)
        if isinstance(node, AsyCA) and len(set(sources)) == 1:
            # Both inputs are one map, and the softmax weights sum to 1: the identity.
            sources, node, attends = sources[:1], None, False

        def run(x: StageInput) -> tuple[Tensor, ...]:
            return (wrdb(join_states(node, x)),)

        spec = self.spec
        return Stage(
            f"WRDB {m}.{d}",
            reads(*sources),
            (self._map(f"F{m}_{d}"),),
            run,
            halo_of(reach(wrdb), reach(node) if isinstance(node, ConcatFusion) else 0),
            self.grid,
            pools=sources if attends else (),
            prepare=node.attention if isinstance(node, AsyCA | SqueezeExcite) else None,
            workspace=held_values(spec.features, spec.growth, spec.blocks),
            strided=True,
            shrinks=True,
        )

    def _fusion_stage(
        self, name: str, source: str, total: str | None, layer: nn.Conv2d, part: int
    ) -> Stage:
        """Add one map's share of a 1x1 convolution over a concatenation to the running sum.

        The released code puts the leaky ReLU before the 1x1, on every concatenated map. The bias
        goes with the share that is added first: branch 1's, or F0's (which is last in the layer).
        """
        features = self.spec.features
        is_first = source in ("F0", f"F1_{self.spec.depth}")

        def run(x: StageInput) -> tuple[Tensor, ...]:
            weight = layer.weight[:, part * features : (part + 1) * features]
            bias = layer.bias if is_first else None
            activated = ops.activate(x.maps[0], SLOPE)
            return (ops.convolve(activated, weight, bias, added=x.maps[1:]),)

        inputs = (source, total) if total else (source,)
        return Stage(
            f"fuse {source}",
            reads(*inputs),
            (self._map(name),),
            run,
            grid=self.grid,
            workspace=2 * features,
        )

    def _tail_stage(self, sources: tuple[str, ...]) -> Stage:
        spec = self.spec
        has_residual = spec.edition == "journal"
        step = 4 if spec.strided else spec.scale
        mode = spec.residual_mode

        def run(x: StageInput) -> tuple[Tensor, ...]:
            features = x.maps[:-1] if has_residual else x.maps
            output = self.upsampler(sum(features[1:], features[0]), x.borders)
            if not has_residual:
                return (output,)
            image = x.maps[-1]
            return (output + (image if spec.scale == 1 else enlarge(image, spec.scale, mode)),)

        image_reach = ENLARGE_REACH[mode] if has_residual and spec.scale > 1 else 0
        return Stage(
            "tail",
            reads(*sources, *(("image",) if has_residual else ())),
            (FeatureMap("output", 3, Grid(Fraction(spec.scale))),),
            run,
            max(halo_of(self.upsampler.reach()), image_reach),
            self.grid,
            workspace=2 * spec.features * step * step,
        )


def initialise(network: nn.Module) -> None:
    """He normal on fan-in with zero biases, depth-wise weights included, as the released code."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, ChannelWeights):
            nn.init.normal_(module.weight, std=2**0.5)
            nn.init.zeros_(module.bias)


def from_released(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a released DIN state dict to this module's; shapes of DWC flattened."""
    last = max((int(m[1]) for m in map(UPSAMPLER.match, state) if m), default=0)
    return {
        UPSAMPLER.sub(lambda m: upsampler_name(int(m[1]), last), rename(key)): (
            value.flatten() if DEPTHWISE.search(key) else value
        )
        for key, value in state.items()
    }


UPSAMPLER = re.compile(r"^up_recon\.UPNet\.(\d+)\.")


def upsampler_name(index: int, last: int) -> str:
    """The upsampler's layer `index` (pixel shuffles are counted too) in this module's words."""
    return "upsampler.to_rgb." if index == last else f"upsampler.steps.{index // 2}.conv."


DEPTHWISE = re.compile(r"^WRDB\d+_\d+\.conv[1-9]\d*_\d+\.")
RELEASED_NAMES = (
    (re.compile(r"^feat_conv\."), "head."),
    (re.compile(r"^WRDB(\d+)_(\d+)\."), r"wrdbs.\1_\2."),
    (re.compile(r"\.conv0\."), ".entry."),
    (re.compile(r"^AsyCA(\d+)_(\d+)\.conv_init\."), r"nodes.\1_\2.integrate."),
    (re.compile(r"^AsyCA(\d+)_(\d+)\.conv_dc\."), r"nodes.\1_\2.squeeze."),
    (re.compile(r"^AsyCA(\d+)_(\d+)\.conv_ic\."), r"nodes.\1_\2.excite."),
    (re.compile(r"^conv_out1?\."), "fuse_branches."),
    (re.compile(r"^conv_out2\."), "fuse_blocks."),
)


def rename(key: str) -> str:
    """One released key in this module's words; unknown keys come back unchanged."""
    for pattern, replacement in RELEASED_NAMES:
        key = pattern.sub(replacement, key)
    key = re.sub(
        r"\.RDB(\d+)\.conv(\d+)\.",
        lambda m: f".rdbs.{int(m[1]) - 1}.convs.{int(m[2]) - 1}.",
        key,
    )
    # conv{j}_{i} is the i-th use of state j: it feeds state j + i.
    return re.sub(r"\.conv(\d+)_(\d+)\.", lambda m: f".links.{m[1]}_{int(m[1]) + int(m[2])}.", key)
