"""Asymmetric information distillation network (AIDN), ARFDN, and RFDN, which they start from.

AIDN: Z. Zong, L. Zha, J. Jiang, X. Liu, "Asymmetric Information Distillation Network for
Lightweight Super Resolution", CVPR Workshops 2022; ARFDN is its authors' NTIRE 2022 challenge
entry: the same block, four times instead of six. RFDN: J. Liu et al., AIM 2020, arXiv:2009.11551.
No AIDN code or weights were released (docs/models/aidn.md says what is inferred).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn

from dinplug.networks.distillation import DistillationNetwork
from dinplug.networks.esa import (
    ESA,
    FIELD,
    POOLED_GRID,
    STRIDE,
    AttendedBlock,
    PooledRead,
    ResampledRead,
)
from dinplug.networks.layers import Conv
from dinplug.networks.stages import FeatureMap, Stage, StageInput, halo_of, reach, reads

SLOPE = 0.05
Distilled = Literal["multiplexed", "collected", "none"]


@dataclass(frozen=True)
class AIDNSpec:
    """The fields of an AIDN (`block` "aidb"; ARFDN with 4 blocks) or RFDN (`block` "rfdb").

    `fusion_slope` is the leaky ReLU's after the fusion of the blocks, `value_range` the largest
    value of input and output.

    Two fields are for ablations of the AIDB: `asymmetric` (AIEB; else one 3x3 convolution), and
    `distilled`: what distilled features are for. "multiplexed" ones join later refinements and the
    fusion, "collected" ones the fusion alone (RFDN's feature distillation connection, FDC), "none"
    are not there.
    """

    scale: int = 2
    block: Literal["aidb", "rfdb"] = "aidb"
    features: int = 50
    blocks: int = 6
    fusion_slope: float = 0.1
    value_range: float = 1.0
    asymmetric: bool = True
    distilled: Distilled = "multiplexed"

    def __post_init__(self) -> None:
        if self.scale not in (2, 3, 4):
            raise ValueError(f"AIDN and RFDN enlarge by 2, 3 or 4, not {self.scale}")
        if self.block not in ("aidb", "rfdb"):
            raise ValueError(f"no block is named {self.block}")
        if self.distilled not in get_args(Distilled):
            raise ValueError(f"distilled is one of {', '.join(get_args(Distilled))}")
        if self.block == "rfdb" and not (self.asymmetric and self.distilled == "multiplexed"):
            raise ValueError("asymmetric and distilled are fields of the AIDB, not of the RFDB")
        if self.features < 4 or self.features % 2 or self.blocks < 1:
            raise ValueError("AIDN needs an even number of features and at least one block")


class RFDB(AttendedBlock):
    """Residual feature distillation block, up to its ESA."""

    def __init__(self, features: int) -> None:
        super().__init__()
        kept = features // 2
        self.distils = nn.ModuleList([Conv(features, kept, 1, slope=SLOPE) for _ in range(3)])
        self.refines = nn.ModuleList([Conv(features, features, slope=SLOPE) for _ in range(3)])
        self.last = Conv(features, kept, slope=SLOPE)
        self.fuse = Conv(4 * kept, features, 1)
        self.esa = ESA(features)

    def distil(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W) to the same shape, before the attention, and to what that reduces."""
        kept = []
        for distil, refine in zip(self.distils, self.refines, strict=True):
            kept.append(distil(x))
            x = refine(x, (x,))
        return self.fused([*kept, self.last(x)])

    def halo(self) -> int:
        """Context of `distil`, in pixels."""
        return halo_of(reach(self.refines), reach(self.last))


class AIEB(nn.Module):
    """Asymmetric information extraction: 3x1 then 1x3, beside 1x3 then 3x1, summed, activated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        tall, wide = (3, 1), (1, 3)
        self.rows_first = nn.Sequential(
            Conv(inputs, outputs, tall, slope=SLOPE), Conv(outputs, outputs, wide)
        )
        self.columns_first = nn.Sequential(
            Conv(inputs, outputs, wide, slope=SLOPE), Conv(outputs, outputs, tall, slope=SLOPE)
        )

    def forward(self, x: Tensor, added: Sequence[Tensor] = ()) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H, W), maps `added` before the activation."""
        (taller, wider), (wide, tall) = self.rows_first, self.columns_first
        # A part for each pass over what both branches add up to.
        half = len(added) // 2
        y = wider(taller(x), added[half:])
        result: Tensor = tall(wide(x), (y, *added[:half]))
        return result

    def halo(self) -> int:
        """Context in pixels."""
        return halo_of(max(reach(self.rows_first), reach(self.columns_first)))


class AIDB(AttendedBlock):
    """Asymmetric information distillation block, up to its ESA: the width is halved at once."""

    def __init__(self, spec: AIDNSpec) -> None:
        super().__init__()
        features = spec.features
        kept = features // 2
        inputs = (features, kept, kept)
        self.multiplexes = spec.distilled == "multiplexed"
        distilled_from = inputs if spec.distilled != "none" else ()
        self.distils = nn.ModuleList([Conv(n, kept, 1, slope=SLOPE) for n in distilled_from])
        self.refines = nn.ModuleList(
            [AIEB(n, kept) if spec.asymmetric else Conv(n, kept, slope=SLOPE) for n in inputs]
        )
        self.last = Conv(kept, kept, slope=SLOPE)
        self.fuse = Conv((len(distilled_from) + 1) * kept, features, 1)
        self.esa = ESA(features)

    def distil(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W) to the same shape, before the attention, and to what that reduces.

        Information multiplexing: every refinement is joined by all features distilled so far.
        """
        kept: list[Tensor] = []
        for step, refine in enumerate(self.refines):
            if self.distils:
                kept.append(self.distils[step](x))
            joined = [x] if step > 0 else []
            if self.multiplexes:
                joined += kept
            x = refine(x, joined)
        return self.fused([*kept, self.last(x)])

    def halo(self) -> int:
        """Context of `distil`, in pixels."""
        refined = (r.halo() if isinstance(r, AIEB) else reach(r) for r in self.refines)
        return halo_of(*refined, reach(self.last))


class AIDN(DistillationNetwork):
    """AIDN, ARFDN or RFDN: (N, 3, H, W) in 0..`value_range` to (N, 3, scale·H, scale·W)."""

    def __init__(self, spec: AIDNSpec) -> None:
        super().__init__(spec.features, spec.blocks, spec.scale, spec.fusion_slope)
        self.spec = spec
        self.scale = spec.scale
        self.value_range = spec.value_range
        self.min_size = FIELD
        self.blocks = nn.ModuleList(
            [
                AIDB(spec) if spec.block == "aidb" else RFDB(spec.features)
                for _ in range(spec.blocks)
            ]
        )

    def build_stages(self) -> Iterator[Stage]:
        """Head; each block's distillation and the three steps of its ESA; tail."""
        yield self.head_stage(halo_of(reach(self.head)))
        for number, block in enumerate(self.blocks, start=1):
            assert isinstance(block, AIDB | RFDB)
            yield self._distil_stage(number, block)
            yield from self._coarse_stages(number, block.esa)
            yield self._gate_stage(number, block.esa)
        yield self.tail_stage(self.spec.blocks)

    def _distil_stage(self, number: int, block: AIDB | RFDB) -> Stage:
        reduced = FeatureMap(f"R{number}", block.esa.width)

        def run(x: StageInput) -> tuple[Tensor, ...]:
            return block.distil(x.maps[0])

        return Stage(
            f"distil {number}",
            reads(self.block_input(number)),
            (self.feature_map(f"D{number}"), reduced),
            run,
            block.halo(),
            workspace=4 * self.features,
            strided=True,
            shrinks=True,
        )

    def _coarse_stages(self, number: int, esa: ESA) -> Iterator[Stage]:
        pooled, mask = (FeatureMap(f"{n}{number}", esa.width, POOLED_GRID) for n in ("P", "M"))
        yield Stage(
            f"pool {number}",
            (PooledRead(f"R{number}"),),
            (pooled,),
            lambda x: (esa.pool(x.maps[0]),),
            grid=POOLED_GRID,
            # Fields of neighbouring tiles overlap: as if the inputs were there twice.
            workspace=3 * esa.width * STRIDE**2,
        )
        yield Stage(
            f"mask {number}",
            reads(pooled.name),
            (mask,),
            lambda x: (esa.coarse(x.maps[0]),),
            halo_of(reach(esa.coarse)),
            POOLED_GRID,
            workspace=2 * esa.width,
        )

    def _gate_stage(self, number: int, esa: ESA) -> Stage:
        last = self.spec.blocks
        before, writes = self.sums(number, last)

        def run(x: StageInput) -> tuple[Tensor, ...]:
            distilled, reduced, mask, *total = x.maps
            output = esa.gate(distilled, reduced, mask, x.rows, x.columns)
            return self.finish(number, last, output, total[0] if total else None)

        return Stage(
            f"block {number}",
            (*reads(f"D{number}", f"R{number}"), ResampledRead(f"M{number}"), *reads(*before)),
            writes,
            run,
            workspace=2 * self.features + 3 * esa.width,
        )


def recognise(shapes: Mapping[str, tuple[int, ...]]) -> AIDNSpec | None:
    """The network whose released state dict has these keys and shapes, or None.

    ARFDN files are for values in 0..1 with a fusion slope of 0.1, RFDN files for 0..255 and 0.05;
    neither is in the file.
    """
    head, tail = shapes.get("fea_conv.weight", ()), shapes.get("upsampler.0.weight", ())
    blocks = len({key.split(".")[0] for key in shapes if re.match(r"B\d+\.c5\.", key)})
    if not blocks or len(head) != 4 or len(tail) != 4:
        return None
    factor = round((tail[0] / 3) ** 0.5)
    try:
        if "B1.mpa.conv1.weight" in shapes:
            return AIDNSpec(factor, "aidb", head[0], blocks)
        if "B1.esa.conv1.weight" in shapes:
            return AIDNSpec(factor, "rfdb", head[0], blocks, SLOPE, 255.0)
    except ValueError:
        return None
    return None


BRANCHES = {"l": "rows_first", "m": "columns_first"}
ESA_NAMES = {
    "conv1": "reduce",
    "conv2": "stride",
    "conv_max": "coarse.0",
    "conv3": "coarse.1",
    "conv3_": "coarse.2",
    "conv_f": "shortcut",
    "conv4": "expand",
}


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a released RFDN or ARFDN state dict to this module's."""
    is_asymmetric = any(".mpa." in key for key in state)
    return {rename(key, 0 if is_asymmetric else 1): value for key, value in state.items()}


def rename(key: str, first: int) -> str:
    """One released key in this module's words; `first` numbers the first `c*_d` of a block."""
    for pattern, replacement in (("c.0.", "fuse."), ("LR_conv.", "smooth.")):
        if key.startswith(pattern):
            return replacement + key.removeprefix(pattern)
    key = re.sub(r"^fea_conv\.", "head.", key)
    key = re.sub(r"^upsampler\.0\.", "upsampler.conv.", key)
    key = re.sub(r"^B(\d+)\.", lambda m: f"blocks.{int(m[1]) - 1}.", key)
    key = re.sub(r"\.(?:esa|mpa)\.(\w+)\.", lambda m: f".esa.{ESA_NAMES.get(m[1], m[1])}.", key)
    key = re.sub(r"\.c(\d)_d\.", lambda m: f".distils.{int(m[1]) - first}.", key)
    key = re.sub(r"\.c(\d)_r\.", lambda m: f".refines.{int(m[1]) - 1}.", key)
    key = re.sub(
        r"\.c(\d)_([lm])([12])\.",
        lambda m: f".refines.{int(m[1]) - 1}.{BRANCHES[m[2]]}.{int(m[3]) - 1}.",
        key,
    )
    return key.replace(".c4.", ".last.").replace(".c5.", ".fuse.")
