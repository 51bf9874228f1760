"""Enhanced spatial attention (ESA) of RFDN and AIDN: local, with a wide field on a coarse grid.

J. Liu et al., "Residual Feature Distillation Network for Lightweight Image Super-Resolution",
AIM 2020, arXiv:2009.11551. A strided convolution and a max pool without padding bring the picture
to about a sixth of its sides; three convolutions there; back by a bilinear resize from the coarse
size to the picture's, which is no whole factor and differs with the picture's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinplug import ops
from dinplug.networks.layers import Conv
from dinplug.networks.shrinking import middle
from dinplug.networks.stages import Grid, Read, Span

POOLINGS = ((3, 2), (7, 3))
"""(kernel, stride) of the strided convolution and of the max pool; neither pads."""


def pooled_size(length: int) -> int:
    """Pixels along a side after the poolings, where the picture has `length`."""
    for kernel, stride in POOLINGS:
        length = (length - kernel) // stride + 1
    return length


def pooled_field() -> tuple[int, int]:
    """Picture pixels along a side that one coarse pixel sees, and how far apart two begin."""
    field, stride = 1, 1
    for kernel, step in POOLINGS:
        field += (kernel - 1) * stride
        stride *= step
    return field, stride


FIELD, STRIDE = pooled_field()


@dataclass(frozen=True)
class PooledGrid(Grid):
    """The grid after the poolings, about a sixth of the picture's sides."""

    scale: Fraction = Fraction(1, STRIDE)

    def size(self, length: int) -> int:
        """Pixels along one side where the picture has `length`, at least `FIELD`."""
        if length < FIELD:
            raise ValueError(f"ESA needs sides of at least {FIELD} pixels, not {length}")
        return pooled_size(length)

    def step_from(self, coarser: Grid) -> int:
        """One: a pixel of `coarser` lies under at most one pixel of this grid, in part."""
        del coarser
        return 1


POOLED_GRID = PooledGrid()


@dataclass(frozen=True)
class PooledRead(Read):
    """Read the picture under a window of the pooled grid."""

    overlaps: ClassVar[bool] = True

    def span(self, window: Span, step: int, length: int) -> Span:
        """From the first pixel the window's first pixel sees to the last one its last sees."""
        return Span(window.start * step, (window.stop - 1) * step + FIELD, length)


@dataclass(frozen=True)
class ResampledRead(Read):
    """Read the pixels of a coarse map that a bilinear resize to a window's grid needs."""

    def span(self, window: Span, step: int, length: int) -> Span:
        """The coarse pixels from the window's first sample to its last."""
        del step
        first, _ = sample(window.start, window.length, length)
        last, weight = sample(window.stop - 1, window.length, length)
        return Span(first, min(length, last + (2 if weight > 0 else 1)), length)


def sample(position: int, fine: int, coarse: int) -> tuple[int, Fraction]:
    """Where pixel `position` of `fine` lies among `coarse` pixels: index and weight of the next.

    Corners not aligned, samples before the first pixel's centre clamped to it.
    """
    place = max(Fraction(0), Fraction((2 * position + 1) * coarse - fine, 2 * fine))
    index = min(int(place), coarse - 1)
    return index, place - index if index < coarse - 1 else Fraction(0)


def resample_side(x: Tensor, dim: int, window: Span, coarse: int) -> Tensor:
    """Resize one side of `x`, which holds what `ResampledRead` spans, to `window`."""
    # The first sample of a whole side is clamped to the first pixel, whatever the sizes.
    start = sample(window.start, window.length, coarse)[0] if window.start > 0 else 0
    # In whole numbers: float32 positions would be off by 1e-4 pixels in a large picture.
    # Made where they are used: a device would be waited for to be given them.
    positions = torch.arange(window.start, window.stop, device=x.device)
    doubled = (2 * positions + 1) * coarse - window.length
    doubled = doubled.clamp_(min=0)
    lower = (doubled // (2 * window.length)).clamp_(max=coarse - 1)
    weight = (doubled - lower * 2 * window.length).to(torch.float64) / (2 * window.length)
    upper = (lower + 1).clamp_(max=coarse - 1)
    # At the last pixel lower and upper are one, whatever the weight.
    near, far = ((i - start).clamp_(max=x.shape[dim] - 1) for i in (lower, upper))
    # With channels last a pixel is a run of memory, and the convolutions after it want them so.
    pixels = x.permute(0, 2, 3, 1)
    side = dim - 1
    shape = [1, 1, 1, 1]
    shape[side] = -1
    resized = torch.lerp(
        pixels.index_select(side, near),
        pixels.index_select(side, far),
        weight.to(x.dtype).reshape(shape),
    )
    return resized.permute(0, 3, 1, 2)


class ESA(nn.Module):
    """Enhanced spatial attention on C channels, in the parts between which its grid changes."""

    def __init__(self, features: int) -> None:
        super().__init__()
        width = features // 4
        (kernel, stride), _ = POOLINGS
        self.width = width
        self.reduce = Conv(features, width, 1)
        self.stride = Conv(width, width, kernel, stride=stride, padding=0)
        self.coarse = nn.Sequential(
            Conv(width, width, slope=0), Conv(width, width, slope=0), Conv(width, width)
        )
        self.shortcut = Conv(width, width, 1)
        self.expand = Conv(width, features, 1)

    def pool(self, x: Tensor) -> Tensor:
        """Bring what `reduce` made, (N, C // 4, H, W), to the pooled grid."""
        _, (kernel, stride) = POOLINGS
        return F.max_pool2d(self.stride(x), kernel, stride)

    def gate(self, x: Tensor, reduced: Tensor, coarse: Tensor, rows: Span, columns: Span) -> Tensor:
        """`x` times the attention, where x and `reduced` cover the window `rows` x `columns`."""
        wide = resample_side(coarse, 3, columns, pooled_size(columns.length))
        wide = resample_side(wide, 2, rows, pooled_size(rows.length))
        attention: Tensor = self.expand(self.shortcut(reduced, (wide,)))
        return x * torch.sigmoid(attention)


VECTOR = 16
"""Channels that a CPU's convolutions write at once: 64 take them less time than 50."""


class ReducingFusion(nn.Module):
    """A 1x1 convolution `fuse` and `reduce` of its result as one: exact but for rounding."""

    def __init__(self, fuse: Conv, reduce: Conv) -> None:
        super().__init__()
        self.features, self.reduced = fuse.out_channels, reduce.out_channels
        assert fuse.bias is not None and reduce.bias is not None
        # In float64 so that composing costs no accuracy.
        first, second = (layer.weight.detach().double().flatten(1) for layer in (fuse, reduce))
        bias = fuse.bias.detach().double()
        weights = torch.cat([first, second @ first])
        biases = torch.cat([bias, second @ bias + reduce.bias.detach()])
        filling = -len(biases) % VECTOR
        weights, biases = F.pad(weights, (0, 0, 0, filling)), F.pad(biases, (0, filling))
        self.weight = nn.Parameter(weights.float()[:, :, None, None], requires_grad=False)
        self.bias = nn.Parameter(biases.float(), requires_grad=False)

    def forward(self, distilled: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The results of `fuse` and of `reduce` from maps of a chain, as slices of one map."""
        parts = [middle(part, distilled[-1]) for part in distilled]
        both = ops.convolve(parts, self.weight, self.bias)
        return both[:, : self.features], both[:, self.features :][:, : self.reduced]


class AttendedBlock(nn.Module):
    """A block that ends in an ESA: what it distilled is fused by a 1x1 convolution, then attended.

    The fusion and the attention's `reduce` are linear: folded, one convolution makes both.
    """

    fuse: nn.Module
    esa: ESA

    def fused(self, distilled: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The features (N, C, H, W) of what was distilled, and what `reduce` makes of them."""
        if isinstance(self.fuse, ReducingFusion):
            features, reduced = self.fuse(distilled)
            return features, reduced
        features = self.fuse(distilled)
        return features, self.esa.reduce(features)

    def folded(self) -> nn.Module:
        """The same map with one convolution for two; takes over this block's layers."""
        assert isinstance(self.fuse, Conv)
        self.fuse = ReducingFusion(self.fuse, self.esa.reduce)
        return self
