"""The operators worth a kernel, each with its one plain torch definition."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def weighted_sum(
    inputs: Sequence[Tensor], weights: Sequence[Tensor | None], biases: Sequence[Tensor | None]
) -> Tensor:
    """Sum maps (N, C, H, W), each times its per-channel weight plus its bias, (C,) or None.

    DIN's densely weighted connections: a depth-wise 1x1 convolution of each state, added up.
    """
    total: Tensor | None = None
    for x, weight, bias in zip(inputs, weights, biases, strict=True):
        term = x if weight is None else x * weight[:, None, None]
        if bias is not None:
            term = term + bias[:, None, None]
        total = term if total is None else total + term
    if total is None:
        raise ValueError("weighted_sum needs at least one input")
    return total


def rescaled_sum(states: Sequence[Tensor], attention: Tensor) -> Tensor:
    """Sum S states (N, C, H, W), each times its attention; `attention` is (N, S, C)."""
    scales = attention.unbind(dim=1)
    total = states[0] * scales[0][:, :, None, None]
    for state, scale in zip(states[1:], scales[1:], strict=True):
        total = torch.addcmul(total, state, scale[:, :, None, None])
    return total


def coattention(
    states: Sequence[Tensor],
    integrate: tuple[Tensor, Tensor],
    squeeze: tuple[Tensor, Tensor],
    excite: tuple[Tensor, Tensor],
) -> Tensor:
    """Asymmetric co-attention as the DIN papers write it, on whole maps.

    1x1 convolution of the concatenated states, global average, squeeze with ReLU, excitation,
    softmax over the S states per channel, rescaled sum. Each pair is (weight, bias) of a 1x1.
    """
    pooled = F.conv2d(torch.cat(list(states), dim=1), *integrate).mean(dim=(2, 3), keepdim=True)
    logits = F.conv2d(F.relu(F.conv2d(pooled, *squeeze)), *excite)
    attention = logits.reshape(logits.shape[0], len(states), -1).softmax(dim=1)
    return rescaled_sum(states, attention)


def scaled_conv1x1(x: Tensor, scale: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 1x1 convolution of `x` (N, C, H, W) times the per-channel `scale` (N, C).

    For a single image outside training the scale goes into the weights (O, C, 1, 1), which saves
    a pass over the map: the same sum with each product taken in another order.
    """
    if x.shape[0] == 1 and not torch.is_grad_enabled():
        return F.conv2d(x, weight * scale[0][:, None, None], bias)
    return F.conv2d(x * scale[:, :, None, None], weight, bias)
