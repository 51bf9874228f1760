"""Convolutions fused with what follows them, by oneDNN on a CPU.

torch has these operators for its compiler's sake and calls them private: where a build is without
them, `find_fused` says so and the caller takes plain operators.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Sides = tuple[int, int]

_ONE = (1, 1)
_SUM = ("add", 1.0)


@functools.cache
def find_fused() -> Any | None:
    """torch's operator of oneDNN's fused convolution, None where it is missing or has changed."""
    try:
        operator = torch.ops.mkldnn._convolution_pointwise
        pixel, weight = torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
        plain = (weight, None, (0, 0), _ONE, _ONE, 1)
        with torch.inference_mode():
            operator(pixel, *plain, "leaky_relu", [0.5], "")
            operator.binary(pixel, pixel, *plain, *_SUM, None, [], "")
    except (AttributeError, RuntimeError, TypeError):
        return None
    return operator


def is_fusible(x: Tensor, weight: Tensor) -> bool:
    """Whether a convolution of `x` here and now can run fused: float32 on a CPU, no gradients."""
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and find_fused() is not None
    )


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sides,
    padding: Sides,
    groups: int,
    slope: float | None,
    added: Sequence[Tensor],
) -> Tensor:
    """Convolution, plus maps `added`, then a leaky ReLU of negative `slope`, each if given.

    Maps (N, C, H, W) in any memory order; the result is in that of `x`.
    """
    operator = find_fused()
    assert operator is not None
    geometry = (padding, stride, _ONE, groups)
    y: Tensor
    if not added:
        activation = "none" if slope is None else "relu" if slope == 0 else "leaky_relu"
        scalars = [slope] if activation == "leaky_relu" else []
        y = operator(x, weight, bias, *geometry, activation, scalars, "")
        return y
    # Of the activations only the ReLU fuses with a sum.
    first, *others = added
    rectified = "relu" if slope == 0 and not others else None
    y = operator.binary(x, first, weight, bias, *geometry, *_SUM, rectified, [], "")
    for other in others:
        y.add_(other)
    return y if rectified else activate_(y, slope)


def activate_(x: Tensor, slope: float | None) -> Tensor:
    """Leaky ReLU with negative `slope` in place; 0 is ReLU, None the identity."""
    if slope is None:
        return x
    return F.relu_(x) if slope == 0 else F.leaky_relu_(x, slope)
