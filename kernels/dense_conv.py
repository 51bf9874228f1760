"""A 3x3 convolution between channel slices of one growth buffer: dense blocks concatenate nothing.

An implicit matrix product: a program computes a tile of pixels times all its output channels as a
sum, over chunks of input channels and the nine taps, of (pixels x chunk) times (chunk x outputs).
Where cuDNN is faster, copies of its input and output included, it runs instead: measured once for
each case and kept.
"""

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

from .layout import (
    has_adjacent_channels,
    new_map,
    on_device,
    power_of_two,
    with_adjacent_channels,
)
from .measured import fastest, size_class

WIDEST = 64
"""Output channels of a program at most."""
CUDNN = "cudnn"


@dataclass(frozen=True)
class ConvConfig:
    """A program's tile of pixels, the input channels of a step, and how it is run."""

    rows: int
    columns: int
    inputs: int
    warps: int
    stages: int

    @property
    def name(self) -> str:
        """How the choice is reported."""
        return f"triton {self.rows}x{self.columns}x{self.inputs}"


CONFIGS = (
    ConvConfig(8, 16, 32, 4, 3),
    ConvConfig(16, 16, 32, 8, 3),
    ConvConfig(8, 16, 64, 4, 3),
    ConvConfig(8, 8, 32, 4, 4),
)


@triton.jit(do_not_specialize=["height", "width", "slope"])
def dense_conv_fwd_kernel(
    x,
    weight,
    bias,
    output,
    height,
    width,
    x_image,
    x_row,
    x_pixel,
    output_image,
    output_row,
    output_pixel,
    slope,
    INPUTS: tl.constexpr,
    OUTPUTS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCK_INPUTS: tl.constexpr,
    BLOCK_OUTPUTS: tl.constexpr,
):
    """A tile of ROWS x COLUMNS pixels; `weight` is (OUTPUTS, 3, 3, INPUTS)."""
    across = tl.cdiv(width, COLUMNS)
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.arange(0, ROWS * COLUMNS)
    row = (tl.program_id(0) // across) * ROWS + pixel // COLUMNS
    column = (tl.program_id(0) % across) * COLUMNS + pixel % COLUMNS
    made = tl.program_id(2) * BLOCK_OUTPUTS + tl.arange(0, BLOCK_OUTPUTS)
    chunk = tl.arange(0, BLOCK_INPUTS)
    start = x + image * x_image
    total = tl.zeros((ROWS * COLUMNS, BLOCK_OUTPUTS), dtype=tl.float32)
    # All taps of a chunk before the next chunk: its pixels and their border stay in the L1 cache.
    for step in range(9 * tl.cdiv(INPUTS, BLOCK_INPUTS)):
        tap = step % 9
        channel = (step // 9) * BLOCK_INPUTS + chunk
        y = row + tap // 3 - 1
        z = column + tap % 3 - 1
        inside = ((y >= 0) & (y < height) & (z >= 0) & (z < width))[:, None]
        wanted = (made < OUTPUTS)[None, :]
        if INPUTS % BLOCK_INPUTS != 0:
            inside = inside & (channel < INPUTS)[None, :]
            wanted = wanted & (channel < INPUTS)[:, None]
        place = y.to(tl.int64) * x_row + z.to(tl.int64) * x_pixel
        values = tl.load(start + place[:, None] + channel[None, :], mask=inside, other=0.0)
        factors = tl.load(
            weight + (made[None, :] * 9 + tap) * INPUTS + channel[:, None], mask=wanted, other=0.0
        )
        # float32 stays float32: tf32 would keep 10 bits of its 23.
        total = tl.dot(values, factors, total, input_precision="ieee")
    if bias is not None:
        total += tl.load(bias + made, mask=made < OUTPUTS, other=0.0).to(tl.float32)[None, :]
    if slope is not None:
        total = tl.where(total >= 0, total, total * slope)
    place = image * output_image + row.to(tl.int64) * output_row
    place += column.to(tl.int64) * output_pixel
    inside = ((row < height) & (column < width))[:, None] & (made < OUTPUTS)[None, :]
    tl.store(
        output + place[:, None] + made[None, :], total.to(output.dtype.element_ty), mask=inside
    )


def dense_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    slope: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """3x3 convolution of `x` (N, C, H, W) with zero padding, bias and leaky ReLU, into `out`."""
    target = new_map(x, weight.shape[0]) if out is None else out
    if not x.is_cuda:
        return launch_conv(x, weight, bias, slope, target, CONFIGS[0])
    configs = {config.name: config for config in CONFIGS}
    ways = {CUDNN: lambda: run_cudnn(x, weight, bias, slope, target)} | {
        name: lambda config=config: launch_conv(x, weight, bias, slope, target, config)
        for name, config in configs.items()
    }
    size = size_class(x.shape[0] * x.shape[2] * x.shape[3])
    case = ("dense_conv", x.device, x.dtype, *weight.shape[:2], x.stride(3), target.stride(3), size)
    with on_device(x):
        return ways[fastest(case, ways, CUDNN)]()


def run_cudnn(
    x: Tensor, weight: Tensor, bias: Tensor | None, slope: float | None, out: Tensor
) -> Tensor:
    """The same by the library's convolution, whose result is copied or activated into `out`."""
    values = F.conv2d(x, weight, bias, padding=1)
    if slope is None:
        return out.copy_(values)
    activated: Tensor = torch.ops.aten.leaky_relu.out(values, slope, out=out)
    return activated


def launch_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    slope: float | None,
    out: Tensor,
    config: ConvConfig,
) -> Tensor:
    """Run the kernel; products are summed in float32."""
    source = with_adjacent_channels(x)
    written = out if has_adjacent_channels(out) else new_map(out)
    outputs, inputs = weight.shape[:2]
    images, _, height, width = x.shape
    block_outputs = max(16, power_of_two(outputs, WIDEST))
    tiles = triton.cdiv(height, config.rows) * triton.cdiv(width, config.columns)
    grid = (tiles, images, triton.cdiv(outputs, block_outputs))
    with on_device(x):
        dense_conv_fwd_kernel[grid](
            source,
            weight.to(x.dtype).permute(0, 2, 3, 1).contiguous(),
            None if bias is None else bias.contiguous(),
            written,
            height,
            width,
            *(source.stride(dim) for dim in (0, 2, 3)),
            *(written.stride(dim) for dim in (0, 2, 3)),
            None if slope is None else float(slope),
            INPUTS=inputs,
            OUTPUTS=outputs,
            ROWS=config.rows,
            COLUMNS=config.columns,
            BLOCK_INPUTS=config.inputs,
            BLOCK_OUTPUTS=block_outputs,
            num_warps=config.warps,
            num_stages=config.stages,
            enable_fp_fusion=True,
        )
    return out if written is out else out.copy_(written)
