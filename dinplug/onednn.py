"""Convolutions fused with what follows them, by oneDNN on a CPU.

torch has these operators for its compiler's sake and calls them private: where a build is without
them, `find_fused` says so and the caller takes plain operators.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Sides = tuple[int, int]

_ONE = (1, 1)
_DEPTH_ONE = (1, 1, 1)
_SUM = ("add", 1.0)


@functools.cache
def find_fused() -> tuple[Any, Any] | None:
    """torch's operator of oneDNN's fused convolution, and the one that adds to a given map.

    None where one is missing or has changed.
    """
    try:
        operator = torch.ops.mkldnn._convolution_pointwise
        adding = torch.ops.mkldnn._convolution_pointwise_.binary
        pixel, weight = torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
        plain = (weight, None, (0, 0), _ONE, _ONE, 1)
        with torch.inference_mode():
            operator(pixel, *plain, "leaky_relu", [0.5], "")
            operator.binary(pixel, pixel, *plain, *_SUM, None, [], "")
            adding(pixel.clone(), pixel, *plain, *_SUM, None, [], "")
    except (AttributeError, RuntimeError, TypeError):
        return None
    return operator, adding


@functools.cache
def convolves_depth() -> bool:
    """Whether the operator takes maps (N, C, D, H, W) as well."""
    found = find_fused()
    if found is None:
        return False
    voxel = torch.ones(1, 1, 1, 1, 1)
    geometry = ((0, 0, 0), _DEPTH_ONE, _DEPTH_ONE, 1)
    try:
        with torch.inference_mode():
            result: Tensor = found[0](voxel, voxel, None, *geometry, "none", [], "")
    except RuntimeError:
        return False
    return result.shape == voxel.shape


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
    residual: Tensor | None,
    in_place: bool,
) -> Tensor:
    """Convolution, plus `residual`, then a leaky ReLU of negative `slope`, each if given.

    Maps (N, C, H, W) in any memory order; the result is in that of `x`, or in the memory of
    `residual` if it is to be `in_place`.
    """
    found = find_fused()
    assert found is not None
    operator, adding = found
    geometry = (padding, stride, _ONE, groups)
    y: Tensor
    if residual is None:
        activation = "none" if slope is None else "relu" if slope == 0 else "leaky_relu"
        scalars = [slope] if activation == "leaky_relu" else []
        y = operator(x, weight, bias, *geometry, activation, scalars, "")
        return y
    # Of the activations only the ReLU fuses with a sum.
    rectified = "relu" if slope == 0 else None
    following: tuple[Any, ...] = (weight, bias, *geometry, *_SUM, rectified, [], "")
    if in_place and residual.is_contiguous(memory_format=torch.channels_last):
        y = adding(residual, x, *following)
    else:
        y = operator.binary(x, residual, *following)
    return y if rectified else activate_(y, slope)


def convolve_blocks(
    blocks: Tensor, weight: Tensor, bias: Tensor | None, slope: float | None
) -> Tensor:
    """3x3 convolution with zero padding over channels that lie in blocks, then a leaky ReLU.

    `blocks` (D, H, W, B) are the D·B channels, `weight` is (O, D·B, 3, 3); the result is
    (1, O, H, W), channels-last. It is a convolution of three dimensions whose kernel is as deep as
    there are blocks. The first blocks of more are a run of memory, as the first channels of a
    channels-last map are not: a dense block so needs no copies of what it reads.
    """
    found = find_fused()
    assert found is not None
    voxels = blocks.permute(3, 0, 1, 2)[None]
    outputs, _, *sides = weight.shape
    kernel = weight.view(outputs, len(blocks), -1, *sides).transpose(1, 2)
    kernel = kernel.contiguous(memory_format=torch.channels_last_3d)
    activation, scalars = ("none", []) if slope is None else ("leaky_relu", [slope])
    geometry = ((0, 1, 1), _DEPTH_ONE, _DEPTH_ONE, 1)
    y: Tensor = found[0](voxels, kernel, bias, *geometry, activation, scalars, "")
    return y[:, :, 0]


def activate_(x: Tensor, slope: float | None) -> Tensor:
    """Leaky ReLU with negative `slope` in place; 0 is ReLU, None the identity."""
    if slope is None:
        return x
    return F.relu_(x) if slope == 0 else F.leaky_relu_(x, slope)
