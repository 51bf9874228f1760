"""Convolutions on a CPU that read and write maps where they lie, by dinplug's own machine code.

oneDNN wants its maps in one piece: windows, slices of channels and concatenations are copied for
it. This code takes steps from pixel to pixel and from row to row, adds up to three maps before the
activation, and makes the most of few channels. Kernels of 3x3 take 36 products for 16 outputs
instead of 144 by Winograd's F(4x4, 3x3) (A. Lavin and S. Gray, "Fast Algorithms for Convolutional
Neural Networks", CVPR 2016, arXiv:1509.09308), which rounds a few times as coarsely.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from dinplug.cpu import own_code
from dinplug.cpu.own_code import Kind
from dinplug.cpu.packed_layers import packed

Sides = tuple[int, int]
MOST_ADDED = 3
"""Maps that the code adds before the activation."""
LEAST_CHANNELS = 8
"""Measured: with fewer inputs Winograd's transforms cost more than they save."""
TILE, WINDOW, TILES = 4, 6, 24
"""Winograd's algorithm: sides of a tile of outputs and of the window it reads, tiles of a block."""
LINE = 16
"""Values in a line of a cache."""


def is_fitting(sources: Sequence[Tensor], weight: Tensor, groups: int) -> bool:
    """Whether a convolution of `sources` (N, C, H, W) here and now can run so.

    Float32 maps of one picture, channels next to each other, no gradients.
    """
    return (
        groups == 1
        and is_plain(weight)
        and all(len(x) == 1 and is_plain(x) and has_channels_last(x) for x in sources)
        and not torch.is_grad_enabled()
        and own_code.find_code() is not None
    )


def is_plain(x: Tensor) -> bool:
    """Whether `x` holds float32 values in the processor's own memory."""
    return x.device.type == "cpu" and x.dtype == torch.float32


def has_channels_last(x: Tensor) -> bool:
    """Whether a pixel's channels are next to each other, wherever the next pixel is."""
    return x.stride(1) == 1 or x.shape[1] == 1


def fitting_kind(weight: Tensor, stride: Sides, results: Sides) -> Kind:
    """The faster of what computes `results` rows and columns of a layer."""
    is_winograd = (
        weight.shape[2:] == (3, 3)
        and stride == (1, 1)
        and weight.shape[1] >= LEAST_CHANNELS
        and min(results) >= TILE
    )
    return "winograd" if is_winograd else "direct"


def workspace_values(channels: int, width: int, lanes: int) -> int:
    """What Winograd's algorithm holds of a block of tiles, from its inputs to its products.

    At each place of a window all tiles' inputs, and all their `width` products, with a line between
    places; and a window over the border of all `channels`. Vectors may reach beyond channels.
    """
    places, tile = WINDOW * WINDOW, -(-(channels + lanes - 1) // LINE) * LINE
    return places * (TILES * tile + LINE + TILES * width + LINE + tile)


def convolve(
    sources: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor | None,
    stride: Sides,
    padding: Sides,
    padding_after: Sides,
    slope: float | None,
    added: Sequence[Tensor],
) -> Tensor:
    """Convolution of all channels of `sources` (1, C, H, W), which are alike in size.

    Then plus maps `added` and a leaky ReLU, each if given. `padding` are zeros before the first row
    and column, `padding_after` those after the last. The result has channels last.
    """
    code = own_code.find_code()
    assert code is not None
    rows, columns = sources[0].shape[2:]
    high, wide = weight.shape[2:]
    results = (
        (rows + padding[0] + padding_after[0] - high) // stride[0] + 1,
        (columns + padding[1] + padding_after[1] - wide) // stride[1] + 1,
    )
    maps = [
        y if has_channels_last(y) else y.contiguous(memory_format=torch.channels_last)
        for y in (added if len(added) <= MOST_ADDED else [sum(added[1:], added[0])])
    ]
    refuse_misfits(sources, weight, bias, maps, results)
    out = weight.new_empty(1, *results, len(weight)).permute(0, 3, 1, 2)
    kind = fitting_kind(weight, stride, results)
    parts = packed(kind, weight, bias, tuple(x.shape[1] for x in sources))
    workspace = None
    if kind == "winograd":
        width = max(part.width for part in parts)
        workspace = weight.new_empty(workspace_values(weight.shape[1], width, code.lanes))
    missing = [0] * (MOST_ADDED - len(maps))
    geometry = (*results, rows, columns, high, wide, *padding, *stride)
    steps = [y.stride(dim) for y in (out, *maps) for dim in (2, 3)]
    described = [
        value for x in sources for value in (x.data_ptr(), x.stride(2), x.stride(3), x.shape[1])
    ]
    value = ctypes.c_float(1.0 if slope is None else slope)
    offset = 0
    for part in parts:
        arguments = (
            out.data_ptr() + offset, part.weight, part.bias, part.mask, ctypes.addressof(value),
            *(y.data_ptr() + offset for y in maps), *missing,
            code.constants.data_ptr(), 0 if workspace is None else workspace.data_ptr(),
            *geometry, *steps, *missing, *missing, weight.shape[1], len(sources), *described,
        )  # fmt: skip
        part.function.call((ctypes.c_int64 * len(arguments))(*arguments))
        offset += part.outputs * out.itemsize
    return out


def refuse_misfits(
    sources: Sequence[Tensor],
    weight: Tensor,
    bias: Tensor | None,
    added: Sequence[Tensor],
    results: Sides,
) -> None:
    """Raise RuntimeError where the code would read or write what lies beside maps."""
    given = [*added] if bias is None else [*added, bias]
    if not (
        min(results) > 0
        and sum(x.shape[1] for x in sources) == weight.shape[1]
        and all(x.shape[2:] == sources[0].shape[2:] for x in sources)
        and all(y.shape == (1, len(weight), *results) for y in added)
        and (bias is None or bias.shape == weight.shape[:1])
        and all(is_plain(y) for y in given)
    ):
        shapes = [tuple(x.shape) for x in (*sources, weight, *given)]
        raise RuntimeError(f"maps, weight, added maps and bias {shapes} do not fit each other")
