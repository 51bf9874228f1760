"""Asymmetric co-attention: means of all states, their attention, and the rescaled sum.

Three reads of each state's bytes would be the paper's concatenation, 1x1 map and average; here
each state is read once for its mean and once for the sum. The 1x1 acts on the means (average and
convolution are both linear), so neither the concatenation nor its map exists.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .layers import linear
from .layout import on_device
from .moments import channel_means
from .weighted_sum import rescaled_sum

SMALLEST = tl.constexpr(-3.0e38)


@triton.jit
def coattention_weights_fwd_kernel(
    means,
    integrate,
    integrate_bias,
    squeeze,
    squeeze_bias,
    excite,
    excite_bias,
    attention,
    STATES: tl.constexpr,
    CHANNELS: tl.constexpr,
    POOLED: tl.constexpr,
    SQUEEZED: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
    BLOCK_POOLED: tl.constexpr,
    BLOCK_SQUEEZED: tl.constexpr,
):
    """The attention (STATES, CHANNELS) of one image from its means (STATES, CHANNELS)."""
    image = tl.program_id(0).to(tl.int64) * STATES * CHANNELS
    channel = tl.arange(0, BLOCK_CHANNELS)
    present = channel < CHANNELS
    pooled = tl.zeros((BLOCK_POOLED,), dtype=tl.float32)
    for state in tl.static_range(STATES):
        mean = tl.load(means + image + state * CHANNELS + channel, mask=present, other=0.0)
        part = integrate + state * CHANNELS
        pooled += linear(
            part, None, mean, 0, POOLED, CHANNELS, STATES * CHANNELS, BLOCK_POOLED, BLOCK_CHANNELS
        )
    if integrate_bias is not None:
        place = tl.arange(0, BLOCK_POOLED)
        bias = tl.load(integrate_bias + place, mask=place < POOLED, other=0.0)
        pooled += bias.to(tl.float32)
    hidden = linear(
        squeeze, squeeze_bias, pooled, 0, SQUEEZED, POOLED, POOLED, BLOCK_SQUEEZED, BLOCK_POOLED
    )
    hidden = tl.maximum(hidden, 0.0)
    largest = tl.full((BLOCK_CHANNELS,), SMALLEST, dtype=tl.float32)
    total = tl.zeros((BLOCK_CHANNELS,), dtype=tl.float32)
    for state in tl.static_range(STATES):
        logit = linear(
            excite, excite_bias, hidden, state * CHANNELS,
            CHANNELS, SQUEEZED, SQUEEZED, BLOCK_CHANNELS, BLOCK_SQUEEZED,
        )  # fmt: skip
        higher = tl.maximum(largest, logit)
        total = total * tl.exp(largest - higher) + tl.exp(logit - higher)
        largest = higher
    # The logits are made again rather than kept: they are a few hundred products.
    for state in tl.static_range(STATES):
        logit = linear(
            excite, excite_bias, hidden, state * CHANNELS,
            CHANNELS, SQUEEZED, SQUEEZED, BLOCK_CHANNELS, BLOCK_SQUEEZED,
        )  # fmt: skip
        share = tl.exp(logit - largest) / total
        tl.store(attention + image + state * CHANNELS + channel, share, mask=present)


def coattention_weights(
    means: Tensor,
    integrate: tuple[Tensor, Tensor | None],
    squeeze: tuple[Tensor, Tensor | None],
    excite: tuple[Tensor, Tensor | None],
) -> Tensor:
    """The attention (N, S, C), float32, of S states from their means (N, S, C)."""
    images, states, channels = means.shape
    pooled, squeezed = integrate[0].shape[0], squeeze[0].shape[0]
    given = means.float().contiguous()
    attention = torch.empty_like(given)
    layers = [
        None if value is None else value.contiguous()
        for layer in (integrate, squeeze, excite)
        for value in layer
    ]
    with on_device(means):
        coattention_weights_fwd_kernel[(images,)](
            given,
            *layers,
            attention,
            STATES=states,
            CHANNELS=channels,
            POOLED=pooled,
            SQUEEZED=squeezed,
            BLOCK_CHANNELS=triton.next_power_of_2(channels),
            BLOCK_POOLED=triton.next_power_of_2(pooled),
            BLOCK_SQUEEZED=triton.next_power_of_2(squeezed),
            num_warps=8,
            enable_fp_fusion=True,
        )
    return attention


def coattention(
    states: Sequence[Tensor],
    integrate: tuple[Tensor, Tensor | None],
    squeeze: tuple[Tensor, Tensor | None],
    excite: tuple[Tensor, Tensor | None],
) -> Tensor:
    """Asymmetric co-attention of S states (N, C, H, W), each pair (weight, bias) of a 1x1."""
    attention = coattention_weights(channel_means(states), integrate, squeeze, excite)
    return rescaled_sum(states, attention)
