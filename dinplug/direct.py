"""Convolutions on a CPU that read and write maps where they lie, by code compiled beforehand.

oneDNN wants its maps in one piece: windows, slices of channels and concatenations are copied for
it. This code (`scripts/machine_code.py`, compiled when dinplug is built) takes steps from pixel to
pixel and from row to row, adds up to three maps before the activation, and makes the most of few
channels. For Linux on x86-64 with AVX-512 or AVX2; elsewhere `find_code` says so and the caller
takes oneDNN.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import mmap
import platform
import sys
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.weak import WeakIdKeyDictionary

LOG = logging.getLogger(__name__)
FOLDER = Path(__file__).with_name("machine_code")
Sides = tuple[int, int]


@dataclass(frozen=True)
class Function:
    """Code that can be called, and the memory it is in, which has to live as long."""

    call: Callable[[Any], None]
    memory: mmap.mmap


@dataclass(frozen=True)
class Code:
    """Functions for 1, 2, ... vectors of `lanes` output channels."""

    lanes: int
    functions: tuple[Function, ...]


@dataclass(frozen=True)
class Part:
    """Some output channels of a layer: where the code finds them, and what holds them."""

    outputs: int
    weight: int
    bias: int
    mask: int
    values: Tensor
    function: Function


Origin = list[tuple[torch.UntypedStorage, int | torch.SymInt, int]]
"""Where a layer's values lie, which keeps the place from being used anew, and their version."""


@dataclass(frozen=True)
class Packed:
    """A layer as the code wants it, and what it was made of."""

    origin: Origin
    parts: tuple[Part, ...]


LEVELS = {"AVX512": ("x86-64-v4", 16), "AVX2": ("x86-64-v3", 8)}
"""What torch calls a processor's vectors: the level they belong to, and values in each."""
LAYOUT = "628a2a15"
"""Of the functions' arguments, by `scripts/machine_code.py`: code of another would go astray."""
MOST_ADDED = 3
"""Maps that the code adds before the activation."""
_PACKED: MutableMapping[Tensor, dict[Hashable, Packed]] = WeakIdKeyDictionary()


def find_level() -> tuple[str, int] | None:
    """The level of this processor and values in its vectors, or None where no code is for it."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    return LEVELS.get(torch.backends.cpu.get_cpu_capability())


@functools.cache
def find_code() -> Code | None:
    """The functions for this processor, or None where there are none."""
    found = find_level()
    if found is None:
        return None
    level, lanes = found
    paths = sorted(FOLDER.glob(f"{level}-{LAYOUT}-*.bin"))
    try:
        functions = tuple(executable(path) for path in paths)
    except (OSError, ValueError) as error:
        LOG.info("no convolutions of dinplug's own (%s): oneDNN does them", error)
        return None
    return Code(lanes, functions) if functions else None


def executable(path: Path) -> Function:
    """The function a file is the code of.

    OSError where the system runs no code from there, ValueError if the file is empty.
    """
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    address = np.frombuffer(memory, np.uint8).ctypes.data
    return Function(ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address), memory)


def is_fitting(sources: Sequence[Tensor], weight: Tensor, groups: int) -> bool:
    """Whether a convolution of `sources` (N, C, H, W) here and now can run so.

    Float32 maps of one picture, channels next to each other, no gradients.
    """
    return (
        groups == 1
        and is_plain(weight)
        and all(len(x) == 1 and is_plain(x) and has_channels_last(x) for x in sources)
        and not torch.is_grad_enabled()
        and find_code() is not None
    )


def is_plain(x: Tensor) -> bool:
    """Whether `x` holds float32 values in the processor's own memory."""
    return x.device.type == "cpu" and x.dtype == torch.float32


def has_channels_last(x: Tensor) -> bool:
    """Whether a pixel's channels are next to each other, wherever the next pixel is."""
    return x.stride(1) == 1 or x.shape[1] == 1


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
    _, _, *sides = sources[0].shape
    kernel = weight.shape[2:]
    results = [
        (sides[d] + padding[d] + padding_after[d] - kernel[d]) // stride[d] + 1 for d in range(2)
    ]
    out = weight.new_empty(1, *results, len(weight)).permute(0, 3, 1, 2)
    maps = [
        y if has_channels_last(y) else y.contiguous(memory_format=torch.channels_last)
        for y in (added if len(added) <= MOST_ADDED else [sum(added[1:], added[0])])
    ]
    channels = tuple(x.shape[1] for x in sources)
    given = maps if bias is None else [*maps, bias]
    if not (
        sum(channels) == weight.shape[1]
        and all(list(x.shape[2:]) == sides for x in sources)
        and all(y.shape == out.shape for y in maps)
        and (bias is None or bias.shape == weight.shape[:1])
        and all(is_plain(y) for y in given)
    ):
        # The code would read what lies beside them.
        shapes = [tuple(x.shape) for x in (*sources, weight, *given)]
        raise RuntimeError(f"maps, weight, added maps and bias {shapes} do not fit each other")
    missing = [0] * (MOST_ADDED - len(maps))
    geometry = (*results, *sides, *kernel, *padding, *stride)
    steps = [y.stride(dim) for y in (out, *maps) for dim in (2, 3)]
    described = [
        value for x in sources for value in (x.data_ptr(), x.stride(2), x.stride(3), x.shape[1])
    ]
    value = ctypes.c_float(1.0 if slope is None else slope)
    offset = 0
    for part in packed(weight, bias, channels):
        arguments = (
            out.data_ptr() + offset, part.weight, part.bias, part.mask, ctypes.addressof(value),
            *(y.data_ptr() + offset for y in maps), *missing,
            *geometry, *steps, *missing, *missing, len(sources), *described,
        )  # fmt: skip
        part.function.call((ctypes.c_int64 * len(arguments))(*arguments))
        offset += part.outputs * out.itemsize
    return out


def packed(weight: Tensor, bias: Tensor | None, channels: tuple[int, ...]) -> tuple[Part, ...]:
    """A layer's weight (O, I, kh, kw) and bias as the code wants them, kept while it lives.

    `channels` are those of each source. Values changed through `.data` in place are not noticed.
    """
    layer = [weight] if bias is None else [weight, bias]
    if any(x.is_inference() for x in layer):
        return pack(weight, bias, channels)  # made for one picture
    # Slices of a layer are made anew for every call.
    owner = weight if weight._base is None else weight._base
    known = _PACKED.setdefault(owner, {})
    place = weight.storage_offset(), weight.shape, weight.stride(), channels
    origin = [(x.untyped_storage(), x.storage_offset(), x._version) for x in layer]
    found = known.get(place)
    if found is None or not is_same(found.origin, origin):
        found = known[place] = Packed(origin, pack(weight, bias, channels, is_kept=True))
    return found.parts


def is_same(one: Origin, other: Origin) -> bool:
    """Whether a layer's values are where and what they were."""
    return len(one) == len(other) and all(
        a[0].data_ptr() == b[0].data_ptr() and a[1:] == b[1:]
        for a, b in zip(one, other, strict=True)
    )


def pack(
    weight: Tensor, bias: Tensor | None, channels: tuple[int, ...], is_kept: bool = False
) -> tuple[Part, ...]:
    """Bring the output channels to vectors side by side, as many as a function takes at once."""
    code = find_code()
    assert code is not None
    lanes, outputs = code.lanes, len(weight)
    vectors = -(-outputs // lanes)
    count = -(-vectors // len(code.functions))
    parts = []
    for index in range(count):
        start, stop = (vectors * (index + step) // count for step in range(2))
        own = slice(start * lanes, min(stop * lanes, outputs))
        taken, width = own.stop - own.start, (stop - start) * lanes
        filled = F.pad(weight.detach()[own].permute(2, 3, 1, 0), (0, width - taken))
        biases, mask = weight.new_zeros(width), torch.zeros(lanes, dtype=torch.int32)
        if bias is not None:
            biases[:taken] = bias.detach()[own]
        mask[: taken - (width - lanes)] = -1
        # Source by source, in each tap by tap.
        sources = [part.flatten() for part in torch.split(filled, list(channels), dim=2)]
        values = torch.cat([*sources, biases, mask.view(torch.float32)])
        if is_kept:
            values = outside_the_heap(values)
        start_at = values.data_ptr()
        bias_at = start_at + filled.nbytes
        mask_at = bias_at + biases.nbytes
        function = code.functions[stop - start - 1]
        parts.append(Part(taken, start_at, bias_at, mask_at, values, function))
    return tuple(parts)


def outside_the_heap(values: Tensor) -> Tensor:
    """A copy in memory of its own: between tiles' memory it would leave the heap in pieces."""
    memory = mmap.mmap(-1, values.nbytes)
    return torch.frombuffer(memory, dtype=values.dtype).copy_(values)
