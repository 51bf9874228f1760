"""3x3 convolutions with fewer products, by NNPACK on a CPU.

A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
arXiv:1509.09308: F(6x6, 3x3) takes 64 products for 36 outputs instead of 324, and rounds about ten
times as coarsely. torch keeps the operator to itself: where a build or a processor is without it,
`find_winograd` says so and the caller convolves directly.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

Winograd = Callable[..., Tensor]

LEAST_CHANNELS = 24
"""Measured: with fewer inputs the transforms cost more than they save."""
_ONE = (1, 1)


@functools.cache
def find_winograd() -> Winograd | None:
    """torch's operator of NNPACK's convolution; None where it is missing or has changed."""
    try:
        if not torch._nnpack_available():
            return None
        operator: Winograd = torch._nnpack_spatial_convolution
        with torch.inference_mode():
            found = operator(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 3, 3), None, _ONE, _ONE)
    except (AttributeError, RuntimeError, TypeError):
        return None
    return operator if found.shape == (1, 1, 1, 1) else None


def is_fitting(x: Tensor) -> bool:
    """Whether 3x3 convolutions of `x` (1, C, H, W), float32 on a CPU, are faster this way."""
    return len(x) == 1 and x.shape[1] >= LEAST_CHANNELS and find_winograd() is not None


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int]) -> Tensor:
    """3x3 convolution of planes (1, C, H, W) that follow each other in memory, zeros around."""
    operator = find_winograd()
    assert operator is not None
    return operator(x, weight, bias, padding, _ONE)
