"""Sums of maps with one factor per channel, in one pass over memory.

Serves DIN's densely weighted connections (factors are weights, the same for all images) and the
rescaling of co-attention (factors are the softmax of each image).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import triton
import triton.language as tl
from torch import Tensor

from .layout import (
    Pixels,
    has_adjacent_channels,
    new_map,
    on_device,
    power_of_two,
    with_adjacent_channels,
)


@dataclass(frozen=True)
class SumConfig:
    """A program's share: `values` of each map (pixels times channels), by `warps` warps."""

    values: int
    warps: int


CONFIGS = (SumConfig(4096, 4), SumConfig(2048, 4), SumConfig(8192, 8), SumConfig(1024, 2))
"""Those worth measuring. The first is used: 32 values a thread, four 16-byte loads of each map."""
MANY_INPUTS = 6
"""From so many maps on the loads in flight are enough with half the values a thread."""
WIDEST = 128
"""Channels of a block at most."""


@triton.jit(do_not_specialize=["count", "width", "factor", "slope"])
def weighted_sum_fwd_kernel(
    inputs,
    weights,
    biases,
    residual,
    output,
    count,
    width,
    weight_steps,
    image_steps,
    row_steps,
    pixel_steps,
    factor,
    slope,
    COUNT: tl.constexpr,
    CHANNELS: tl.constexpr,
    ONE_ROW: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    """residual + factor * leaky_relu(sum of weights[i] * inputs[i] + biases[i]) of a block.

    `weights`, `biases`, `residual` and `slope` are None where there are none. Steps are those of
    the inputs, then of the output, then of the residual.
    """
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
    channel = tl.program_id(2) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)
    present = channel < CHANNELS
    inside = (pixel < count)[:, None]
    if CHANNELS % BLOCK_CHANNELS != 0:
        inside = inside & present[None, :]
    row = tl.zeros_like(pixel).to(tl.int64)
    column = pixel.to(tl.int64)
    if not ONE_ROW:
        row = (pixel // width).to(tl.int64)
        column = (pixel % width).to(tl.int64)
    total = tl.zeros((BLOCK_PIXELS, BLOCK_CHANNELS), dtype=tl.float32)
    for index in tl.static_range(COUNT):
        place = column * pixel_steps[index] + image * image_steps[index]
        if not ONE_ROW:
            place += row * row_steps[index]
        value = tl.load(
            inputs[index] + place[:, None] + channel[None, :], mask=inside, other=0.0
        ).to(tl.float32)
        if weights[index] is not None:
            start = weights[index] + image * weight_steps[index]
            weight = tl.load(start + channel, mask=present, other=0.0).to(tl.float32)
            value = value * weight[None, :]
        total += value
        if biases[index] is not None:
            bias = tl.load(biases[index] + channel, mask=present, other=0.0).to(tl.float32)
            total += bias[None, :]
    if slope is not None:
        total = tl.where(total >= 0, total, total * slope)
    total *= factor
    if residual is not None:
        place = column * pixel_steps[COUNT + 1] + image * image_steps[COUNT + 1]
        if not ONE_ROW:
            place += row * row_steps[COUNT + 1]
        total += tl.load(residual + place[:, None] + channel[None, :], mask=inside, other=0.0).to(
            tl.float32
        )
    place = column * pixel_steps[COUNT] + image * image_steps[COUNT]
    if not ONE_ROW:
        place += row * row_steps[COUNT]
    tl.store(
        output + place[:, None] + channel[None, :], total.to(output.dtype.element_ty), mask=inside
    )


def weighted_sum(
    inputs: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    biases: Sequence[Tensor | None],
    *,
    slope: float | None = None,
    factor: float = 1.0,
    residual: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Sum maps (N, C, H, W), each times its weight plus its bias, (C,) or None; then activate,
    multiply with `factor`, add `residual`."""
    steps = (0,) * len(inputs)
    rows = [None if weight is None else weight.contiguous() for weight in weights]
    return launch_sum(inputs, rows, steps, biases, slope, factor, residual, out)


def rescaled_sum(
    states: Sequence[Tensor], attention: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """Sum S states (N, C, H, W), each times its attention; `attention` is (N, S, C)."""
    scales = attention.contiguous()
    steps = (scales.stride(0),) * len(states)
    nothing = (None,) * len(states)
    return launch_sum(states, scales.unbind(dim=1), steps, nothing, None, 1.0, None, out)


def launch_sum(
    inputs: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    weight_steps: tuple[int, ...],
    biases: Sequence[Tensor | None],
    slope: float | None,
    factor: float,
    residual: Tensor | None,
    out: Tensor | None,
    config: SumConfig | None = None,
) -> Tensor:
    """Run the kernel over all images; accumulates in float32, returns the inputs' type.

    `weight_steps` is how far apart in memory the weights of two images lie; 0: they share them.
    """
    like = inputs[0]
    target = new_map(like) if out is None else out
    written = target if has_adjacent_channels(target) else new_map(like)
    maps = tuple(with_adjacent_channels(x) for x in inputs)
    added = None if residual is None else with_adjacent_channels(residual)
    pixels = Pixels.of([*maps, written, *([] if added is None else [added])])
    images, channels = like.shape[:2]
    chosen = config or config_for(len(maps))
    block_channels = power_of_two(channels, WIDEST)
    block_pixels = max(1, chosen.values // block_channels)
    grid = (triton.cdiv(pixels.count, block_pixels), images, triton.cdiv(channels, block_channels))
    with on_device(like):
        weighted_sum_fwd_kernel[grid](
            maps,
            tuple(weights),
            tuple(None if b is None else b.contiguous() for b in biases),
            added,
            written,
            pixels.count,
            pixels.width,
            weight_steps,
            pixels.image_steps,
            pixels.row_steps,
            pixels.pixel_steps,
            float(factor),
            None if slope is None else float(slope),
            COUNT=len(maps),
            CHANNELS=channels,
            ONE_ROW=pixels.rows == 1,
            BLOCK_PIXELS=block_pixels,
            BLOCK_CHANNELS=block_channels,
            num_warps=chosen.warps,
            enable_fp_fusion=True,
        )
    return target if written is target else target.copy_(written)


def config_for(count: int) -> SumConfig:
    """The share of a program that sums `count` maps."""
    return CONFIGS[1] if count >= MANY_INPUTS else CONFIGS[0]
