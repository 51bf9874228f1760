"""Sums of maps with one factor per channel, in one pass over memory.

Serves DIN's densely weighted connections (factors are weights) and the rescaling of co-attention
(factors are the softmax of each image). Maps are read in channels-last order, where the channel of
a value is its position modulo C.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Values per program."""


@triton.jit
def weighted_sum_fwd_kernel(
    inputs,
    factors,
    biases,
    output,
    image_size,
    channels,
    COUNT: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Sum COUNT maps of one image; `factors` is (N, COUNT, C), `biases` (C,)."""
    image = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = place < image_size
    channel = place % channels
    total = tl.zeros((BLOCK,), dtype=tl.float32)
    for index in tl.static_range(COUNT):
        value = tl.load(inputs[index] + image * image_size + place, mask=inside, other=0.0)
        row = factors + (image * COUNT + index) * channels
        factor = tl.load(row + channel, mask=inside, other=0.0)
        total += value.to(tl.float32) * factor
    if HAS_BIAS:
        total += tl.load(biases + channel, mask=inside, other=0.0)
    tl.store(output + image * image_size + place, total.to(output.dtype.element_ty), mask=inside)


def weighted_sum(
    inputs: Sequence[Tensor], weights: Sequence[Tensor | None], biases: Sequence[Tensor | None]
) -> Tensor:
    """Sum maps (N, C, H, W), each times its per-channel weight plus its bias, (C,) or None."""
    like = inputs[0]
    ones = torch.ones(like.shape[1], dtype=torch.float32, device=like.device)
    rows = torch.stack([ones if weight is None else weight.float() for weight in weights])
    given = [bias.float() for bias in biases if bias is not None]
    bias = torch.stack(given).sum(dim=0) if given else None
    return launch(inputs, rows.expand(like.shape[0], -1, -1).contiguous(), bias)


def rescaled_sum(states: Sequence[Tensor], attention: Tensor) -> Tensor:
    """Sum S states (N, C, H, W), each times its attention; `attention` is (N, S, C)."""
    return launch(states, attention.float().contiguous(), None)


def launch(inputs: Sequence[Tensor], factors: Tensor, bias: Tensor | None) -> Tensor:
    """Run the kernel over all images; accumulates in float32, returns the inputs' type."""
    maps = tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)
    output = torch.empty_like(maps[0])
    images, channels = maps[0].shape[:2]
    image_size = maps[0][0].numel()
    grid = (triton.cdiv(image_size, BLOCK), images)
    weighted_sum_fwd_kernel[grid](
        maps,
        factors,
        factors if bias is None else bias,
        output,
        image_size,
        channels,
        COUNT=len(maps),
        HAS_BIAS=bias is not None,
        BLOCK=BLOCK,
    )
    return output
