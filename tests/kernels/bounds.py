"""What kernels must give: the definition in float64, with a bound on the error of float32 sums.

A sum or product rounds by at most half a unit in the last place; k of them in a chain are off by at
most k times that, times the sum of the terms' magnitudes (Higham, "Accuracy and Stability of
Numerical Algorithms", section 3.1). Bounds are followed through layers in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from dinplug import ops

U = 2.0**-24
"""Unit roundoff of float32."""
Layer = tuple[Tensor, Tensor | None]


@dataclass(frozen=True)
class Tracked:
    """True values and a bound on the error of those computed, elementwise; both float64."""

    value: Tensor
    error: Tensor

    @staticmethod
    def exactly(value: Tensor) -> Tracked:
        """Values known exactly."""
        return Tracked(value.double(), torch.zeros_like(value, dtype=torch.float64))

    def column(self, index: int) -> Tracked:
        """One place along the second dimension."""
        return Tracked(self.value[:, index], self.error[:, index])

    def excess(self, got: Tensor) -> float:
        """The largest error of `got` over its bound, whose own rounding is allowed for.

        A whole unit in the last place, for the interpreter cuts where the chip rounds; NaN, where
        nothing was written, and a wrong shape are infinite errors.
        """
        if got.shape != self.value.shape or not got.isfinite().all():
            return float("inf")
        limits = torch.finfo(got.dtype)
        rounding = 0.0 if got.dtype == torch.float32 else limits.eps
        difference = (got.double() - self.value).abs()
        allowed = self.error + rounding * (self.value.abs() + self.error)
        return float((difference / (allowed + limits.smallest_normal)).max())


def magnitudes(
    maps: Sequence[Tensor], weights: Sequence[Tensor | None], biases: Sequence[Tensor | None]
) -> Tensor:
    """The weighted sum of absolute values."""
    double = [[None if v is None else v.double().abs() for v in part] for part in (weights, biases)]
    sizes = [x.double().abs() for x in maps]
    return ops.weighted_sum.__wrapped__(sizes, *double)  # type: ignore[attr-defined, no-any-return]


def weighted_sum(
    maps: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    biases: Sequence[Tensor | None],
    slope: float | None = None,
    factor: float = 1.0,
    residual: Tensor | None = None,
) -> Tracked:
    """Product, sum and bias of each input, then activation, factor and residual."""
    double = [[None if v is None else v.double() for v in part] for part in (weights, biases)]
    truth = ops.weighted_sum.__wrapped__(  # type: ignore[attr-defined]
        [x.double() for x in maps], *double, slope=slope, factor=factor,
        residual=None if residual is None else residual.double(),
    )  # fmt: skip
    size = factor * magnitudes(maps, weights, biases)
    if residual is not None:
        size = size + residual.double().abs()
    return Tracked(truth, (3 * len(maps) + 3) * U * size)


def rescaled_sum(states: Sequence[Tensor], attention: Tracked) -> Tracked:
    """Product and sum of each state, whose attention may be off itself."""
    truth, size, carried = (
        torch.einsum("snchw,nsc->nchw", torch.stack([transform(s.double()) for s in states]), scale)
        for transform, scale in (
            (lambda x: x, attention.value),
            (torch.abs, attention.value.abs() + attention.error),
            (torch.abs, attention.error),
        )
    )
    return Tracked(truth, 2 * len(states) * U * size + carried)


def moments(maps: Sequence[Tensor]) -> tuple[Tracked, Tracked]:
    """Means and variances (N, S, C) of running updates and merges.

    A pixel is at most `roundings` operations away from the result, wherever it stands. Variance:
    Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983: relative error
    up to roundings * U * sqrt(1 + mean² / variance), and the mean's own error squared.
    """
    values = torch.stack([x.double().flatten(2) for x in maps], dim=1)
    roundings = 4 * values.shape[-1] + 8
    mean, variance = values.mean(-1), values.var(-1, unbiased=False)
    largest = values.abs().amax(-1)
    mean_error = roundings * U * largest
    condition = (variance * (variance + mean.square())).sqrt()
    return Tracked(mean, mean_error), Tracked(variance, roundings * U * condition + mean_error**2)


def linear(x: Tracked, layer: Layer) -> Tracked:
    """A 1x1 on vectors (N, I): as many products, sums and one bias."""
    weight = layer[0].double().flatten(1)
    bias = None if layer[1] is None else layer[1].double()
    truth = F.linear(x.value, weight, bias)
    size = F.linear(x.value.abs() + x.error, weight.abs(), None if bias is None else bias.abs())
    return Tracked(truth, F.linear(x.error, weight.abs()) + (2 * weight.shape[1] + 2) * U * size)


def coattention_weights(means: Tracked, layers: Sequence[Layer]) -> Tracked:
    """Three layers, then a softmax: an error E of logits scales a share by at most exp(2E)."""
    images, states, channels = means.value.shape
    pooled = linear(Tracked(means.value.flatten(1), means.error.flatten(1)), layers[0])
    hidden = linear(pooled, layers[1])
    logits = linear(Tracked(hidden.value.relu(), hidden.error), layers[2])
    shares = logits.value.reshape(images, states, channels).softmax(dim=1)
    off = logits.error.reshape(images, states, channels)
    worst = 2 * off.amax(dim=1, keepdim=True) + exponential(logits.value.abs().max(), states)
    return Tracked(shares, shares * torch.expm1(worst))


def contrast_gate(mean: Tracked, variance: Tracked, layers: Sequence[Layer]) -> Tracked:
    """Mean plus root of variance, two layers, and a sigmoid, nowhere steeper than 1/4."""
    floor = torch.full_like(variance.value, ops.SMALLEST_VARIANCE)
    root = variance.value.maximum(floor).sqrt()
    # sqrt(v + e) - sqrt(v) is at most e / sqrt(v), and at most sqrt(e).
    root_error = torch.minimum(variance.error / root, variance.error.sqrt()) + U * root
    contrast = Tracked(mean.value + root, mean.error + root_error + U * (mean.value.abs() + root))
    hidden = linear(contrast, layers[0])
    logits = linear(Tracked(hidden.value.relu(), hidden.error), layers[1])
    gate = logits.value.sigmoid()
    return Tracked(gate, logits.error / 4 + exponential(logits.value.abs().max(), 1) * gate)


def exponential(largest: Tensor, terms: int) -> Tensor:
    """Relative error of exponentials: the exponent's rounding, two units of exp2, sum, quotient."""
    return (4 * largest + 8 + 2 * terms) * U


def scaled_conv(x: Tensor, gate: Tracked, layer: Layer) -> Tracked:
    """A 1x1 whose weights carry the gate; they are rounded to the map's type."""
    weight = layer[0].double()
    bias = None if layer[1] is None else layer[1].double()
    scaled = weight.flatten(1)[None] * gate.value[:, None]
    truth = torch.einsum("noc,nchw->nohw", scaled, x.double())
    size = torch.einsum("noc,nchw->nohw", scaled.abs(), x.double().abs())
    gated = weight.flatten(1).abs()[None] * gate.error[:, None]
    off = torch.einsum("noc,nchw->nohw", gated, x.double().abs())
    if bias is not None:
        truth, size = truth + bias[:, None, None], size + bias.abs()[:, None, None]
    eps = torch.finfo(x.dtype).eps
    return Tracked(truth, off + (2 * eps + (2 * weight.shape[1] + 2) * U) * size)


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, slope: float | None) -> Tracked:
    """Nine products and sums for each channel, a bias, an activation.

    A library may round to the map's type before bias and activation: one unit for each.
    """
    double = (weight.double(), None if bias is None else bias.double())
    truth = ops.dense_conv.__wrapped__(x.double(), *double, slope=slope)  # type: ignore[attr-defined]
    sizes = (weight.double().abs(), None if bias is None else bias.double().abs())
    size = F.conv2d(x.double().abs(), *sizes, padding=1)
    eps = 0.0 if x.dtype == torch.float32 else torch.finfo(x.dtype).eps
    return Tracked(truth, ((18 * x.shape[1] + 3) * U + 2 * eps) * size)
