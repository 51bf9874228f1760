"""Mean and variance of every channel of a map, in one pass and in an order that never changes.

Two stages, no atomics: each program walks its own strip of pixels with a running (Welford) mean
and squared deviation in every lane, and merges its lanes (Chan, Golub and LeVeque 1979); a second
kernel merges the strips in their order. Both numbers are exact to a few roundings however far
the mean lies from zero, which a sum of squares is not.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from .layout import Pixels, on_device, power_of_two, with_adjacent_channels

VALUES = 4096
"""Values of a program's block, pixels times channels: 32 a thread."""
MOST_PARTS = 1024
"""Strips of an image at most: eight for each multiprocessor of an H200, all resident at once."""
WIDEST = 128
"""Channels of a block at most."""
MERGED = 32
"""Strips that the second stage takes at a time."""


@triton.jit(do_not_specialize=["count", "width", "strip_blocks"])
def strip_moments_fwd_kernel(
    inputs,
    parts,
    count,
    width,
    strip_blocks,
    image_steps,
    row_steps,
    pixel_steps,
    COUNT: tl.constexpr,
    CHANNELS: tl.constexpr,
    ONE_ROW: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_PIXELS: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    """Mean (and summed squared deviation) of a strip of `strip_blocks` blocks of pixels.

    `parts` is (N, COUNT, strips, ROWS, C), float32; ROWS is 2 with the deviation, 1 without.
    """
    strip = tl.program_id(0)
    image = tl.program_id(1).to(tl.int64)
    channel = tl.program_id(2) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)
    present = channel < CHANNELS
    first = strip * strip_blocks * BLOCK_PIXELS
    pixels = tl.minimum(strip_blocks * BLOCK_PIXELS, count - first)
    for index in tl.static_range(COUNT):
        seen = tl.zeros((BLOCK_PIXELS,), dtype=tl.float32)
        mean = tl.zeros((BLOCK_PIXELS, BLOCK_CHANNELS), dtype=tl.float32)
        deviation = tl.zeros((BLOCK_PIXELS, BLOCK_CHANNELS), dtype=tl.float32)
        for block in range(strip_blocks):
            pixel = first + block * BLOCK_PIXELS + tl.arange(0, BLOCK_PIXELS)
            row = tl.zeros_like(pixel).to(tl.int64)
            column = pixel.to(tl.int64)
            if not ONE_ROW:
                row = (pixel // width).to(tl.int64)
                column = (pixel % width).to(tl.int64)
            there = pixel < count
            inside = there[:, None]
            if CHANNELS % BLOCK_CHANNELS != 0:
                inside = inside & present[None, :]
            place = column * pixel_steps[index] + image * image_steps[index]
            if not ONE_ROW:
                place += row * row_steps[index]
            value = tl.load(
                inputs[index] + place[:, None] + channel[None, :], mask=inside, other=0.0
            ).to(tl.float32)
            seen += there.to(tl.float32)
            share = tl.where(there, 1.0 / tl.maximum(seen, 1.0), 0.0)
            step = value - mean
            moved = mean + step * share[:, None]
            if ROWS == 2:
                deviation += tl.where(inside, step * (value - moved), 0.0)
            mean = moved
        total = pixels.to(tl.float32)
        merged = tl.sum(mean * (seen / total)[:, None], axis=0)
        slot = ((image * COUNT + index) * tl.num_programs(0) + strip) * ROWS * CHANNELS
        tl.store(parts + slot + channel, merged, mask=present)
        if ROWS == 2:
            away = mean - merged[None, :]
            spread = tl.sum(deviation + seen[:, None] * away * away, axis=0)
            tl.store(parts + slot + CHANNELS + channel, spread, mask=present)


@triton.jit(do_not_specialize=["strips", "strip_pixels", "count"])
def merged_moments_fwd_kernel(
    parts,
    moments,
    strips,
    strip_pixels,
    count,
    CHANNELS: tl.constexpr,
    ROWS: tl.constexpr,
    MERGED: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
):
    """Merge the strips of one map of one image; `moments` is (N * COUNT, ROWS, C)."""
    which = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * BLOCK_CHANNELS + tl.arange(0, BLOCK_CHANNELS)
    present = channel < CHANNELS
    start = parts + which * strips * ROWS * CHANNELS
    scale = 1.0 / count
    mean = tl.zeros((BLOCK_CHANNELS,), dtype=tl.float32)
    for first in range(0, strips, MERGED):
        strip = first + tl.arange(0, MERGED)
        inside = (strip < strips)[:, None] & present[None, :]
        place = start + strip[:, None] * ROWS * CHANNELS + channel[None, :]
        part = tl.load(place, mask=inside, other=0.0)
        pixels = tl.minimum(strip_pixels, count - strip * strip_pixels).to(tl.float32)
        mean += tl.sum(tl.where(inside, part * (pixels * scale)[:, None], 0.0), axis=0)
    tl.store(moments + which * ROWS * CHANNELS + channel, mean, mask=present)
    if ROWS == 2:
        deviation = tl.zeros((BLOCK_CHANNELS,), dtype=tl.float32)
        for first in range(0, strips, MERGED):
            strip = first + tl.arange(0, MERGED)
            inside = (strip < strips)[:, None] & present[None, :]
            place = start + strip[:, None] * ROWS * CHANNELS + channel[None, :]
            away = tl.load(place, mask=inside, other=0.0) - mean[None, :]
            within = tl.load(place + CHANNELS, mask=inside, other=0.0)
            pixels = tl.minimum(strip_pixels, count - strip * strip_pixels).to(tl.float32)
            spread = within + pixels[:, None] * away * away
            deviation += tl.sum(tl.where(inside, spread, 0.0), axis=0)
        slot = moments + (which * ROWS + 1) * CHANNELS + channel
        tl.store(slot, deviation * scale, mask=present)


def channel_means(states: Sequence[Tensor]) -> Tensor:
    """The means (N, S, C), float32, of S states (N, C, H, W)."""
    return launch_moments(states, has_variance=False)[:, :, 0]


def channel_moments(x: Tensor) -> Tensor:
    """Mean and population variance (N, 2, C), float32, of a map (N, C, H, W)."""
    return launch_moments([x], has_variance=True)[:, 0]


def launch_moments(states: Sequence[Tensor], *, has_variance: bool) -> Tensor:
    """Means, and with `has_variance` population variances: (N, S, 1 or 2, C)."""
    maps = tuple(with_adjacent_channels(x) for x in states)
    pixels = Pixels.of(maps)
    images, channels = maps[0].shape[:2]
    block_channels = power_of_two(channels, WIDEST)
    block_pixels = VALUES // block_channels
    blocks = triton.cdiv(pixels.count, block_pixels)
    strip_blocks = triton.cdiv(blocks, MOST_PARTS)
    strips = triton.cdiv(blocks, strip_blocks)
    rows = 2 if has_variance else 1
    device = maps[0].device
    size = (images, len(maps), strips, rows, channels)
    parts = torch.empty(size, dtype=torch.float32, device=device)
    moments = torch.empty((images, len(maps), rows, channels), dtype=torch.float32, device=device)
    channel_blocks = triton.cdiv(channels, block_channels)
    with on_device(maps[0]):
        strip_moments_fwd_kernel[(strips, images, channel_blocks)](
            maps,
            parts,
            pixels.count,
            pixels.width,
            strip_blocks,
            pixels.image_steps,
            pixels.row_steps,
            pixels.pixel_steps,
            COUNT=len(maps),
            CHANNELS=channels,
            ONE_ROW=pixels.rows == 1,
            ROWS=rows,
            BLOCK_PIXELS=block_pixels,
            BLOCK_CHANNELS=block_channels,
            enable_fp_fusion=True,
        )
        merged_moments_fwd_kernel[(images * len(maps), channel_blocks)](
            parts,
            moments,
            strips,
            strip_blocks * block_pixels,
            pixels.count,
            CHANNELS=channels,
            ROWS=rows,
            MERGED=MERGED,
            BLOCK_CHANNELS=block_channels,
            enable_fp_fusion=True,
        )
    return moments
