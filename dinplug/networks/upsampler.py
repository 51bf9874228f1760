"""Sub-pixel upsampling without activations, plain and folded into one convolution."""

from __future__ import annotations

import copy
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinplug.networks.layers import Conv, SubPixelConv
from dinplug.networks.stages import WHOLE, Borders, halo_of, reach


class Upsampler(nn.Module):
    """Sub-pixel upsampling without activations, then a convolution to RGB."""

    def __init__(self, features: int, factor: int) -> None:
        super().__init__()
        factors = [] if factor == 1 else [3] if factor == 3 else [2] * (factor.bit_length() - 1)
        self.factor = factor
        self.steps = nn.Sequential(*(SubPixelConv(features, features, f) for f in factors))
        self.to_rgb = Conv(features, 3)

    def forward(self, x: Tensor, borders: Borders = WHOLE) -> Tensor:
        """Map (N, C, H, W) to (N, 3, factor·H, factor·W); only the folded form heeds `borders`."""
        del borders
        rgb: Tensor = self.to_rgb(self.steps(x))
        return rgb

    def folded(self) -> nn.Module:
        """The same map as one convolution before one shuffle."""
        return self if self.factor == 1 else FoldedUpsampler(self)

    def reach(self) -> Fraction:
        """How far it looks, in pixels of its input grid."""
        total, step = Fraction(0), 1
        for conv in self.steps:
            assert isinstance(conv, SubPixelConv)
            total += reach(conv, step=step)
            step *= conv.factor
        return total + reach(self.to_rgb, step=step)


class FoldedUpsampler(nn.Module):
    """A linear upsampler as one convolution before one pixel shuffle.

    Convolutions and shuffles without activations between them compose to one convolution, except
    within one input pixel of the picture's border, where the layers' own zero padding differs from
    a padded composition: there a narrow strip goes through the original layers.
    """

    def __init__(self, original: Upsampler) -> None:
        super().__init__()
        self.factor = original.factor
        self.original = original
        self.halo = halo_of(original.reach())
        weight, bias = compose(original, self.halo, self.factor)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor, borders: Borders = WHOLE) -> Tensor:
        """Map (N, C, H, W) to (N, 3, factor·H, factor·W)."""
        output = F.conv2d(x, self.weight, self.bias, padding=self.halo)
        output = F.pixel_shuffle(output, self.factor)
        strip, edge = self.halo + 1, self.factor
        if borders.top:
            output[:, :, :edge] = self.original(x[:, :, :strip])[:, :, :edge]
        if borders.bottom:
            output[:, :, -edge:] = self.original(x[:, :, -strip:])[:, :, -edge:]
        if borders.left:
            output[..., :edge] = self.original(x[..., :strip])[..., :edge]
        if borders.right:
            output[..., -edge:] = self.original(x[..., -strip:])[..., -edge:]
        return output

    def reach(self) -> Fraction:
        """How far it looks, in pixels of its input grid."""
        return Fraction(self.halo)


def compose(original: nn.Module, halo: int, factor: int) -> tuple[Tensor, Tensor]:
    """Weight (3·factor², C, k, k) and bias of the one convolution, from impulse responses.

    Runs in float64 so that composing costs no accuracy. The window is what one impulse reaches:
    beyond it are zeros, as the layers' padding has it.
    """
    layers = copy.deepcopy(original).double()
    channels = next(m for m in layers.modules() if isinstance(m, nn.Conv2d)).in_channels
    centre, side = halo, 2 * halo + 1
    with torch.no_grad():
        silent = layers(torch.zeros(1, channels, side, side, dtype=torch.float64))
        impulses = torch.zeros(channels, channels, side, side, dtype=torch.float64)
        impulses[range(channels), range(channels), centre, centre] = 1
        responses = F.pixel_unshuffle(layers(impulses) - silent, factor)
        # What an impulse does `halo` to the left is what an output reads `halo` to the right.
        weight = responses.flip(2, 3).transpose(0, 1)
        bias = F.pixel_unshuffle(silent, factor)[0, :, centre, centre]
    return weight.float().contiguous(), bias.float()
