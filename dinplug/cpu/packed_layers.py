"""Layers as dinplug's own machine code wants them, kept for as long as their weights live."""

from __future__ import annotations

import mmap
from collections.abc import Hashable, MutableMapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.weak import WeakIdKeyDictionary

from dinplug.cpu import own_code
from dinplug.cpu.own_code import Function, Kind

KERNEL_TRANSFORM = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""G of Winograd's F(4x4, 3x3): Lavin and Gray, arXiv:1509.09308, section 4.3."""
WINOGRAD_GROWTH = 4
"""36 transformed values for the 9 of a kernel."""


@dataclass(frozen=True)
class Part:
    """Some output channels of a layer, filled up to `width`: where they lie, and in what."""

    outputs: int
    width: int
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


_PACKED: MutableMapping[Tensor, dict[Hashable, Packed]] = WeakIdKeyDictionary()


def packed(
    kind: Kind, weight: Tensor, bias: Tensor | None, channels: tuple[int, ...]
) -> tuple[Part, ...]:
    """A layer's weight (O, I, kh, kw) and bias as the code wants them, kept while it lives.

    `channels` are those of each source. Values changed through `.data` in place are not noticed.
    """
    layer = [weight] if bias is None else [weight, bias]
    if any(x.is_inference() for x in layer):
        return pack(kind, weight, bias, channels)  # made for one picture
    # Slices of a layer are made anew for every call.
    owner = weight if weight._base is None else weight._base
    known = _PACKED.setdefault(owner, {})
    place = kind, weight.storage_offset(), weight.shape, weight.stride(), channels
    origin = [(x.untyped_storage(), x.storage_offset(), x._version) for x in layer]
    found = known.get(place)
    if found is None or not is_same(found.origin, origin):
        parts = pack(kind, weight, bias, channels, is_kept=True)
        found = known[place] = Packed(origin, parts)
    return found.parts


def is_same(one: Origin, other: Origin) -> bool:
    """Whether a layer's values are where and what they were."""
    return len(one) == len(other) and all(
        a[0].data_ptr() == b[0].data_ptr() and a[1:] == b[1:]
        for a, b in zip(one, other, strict=True)
    )


def pack(
    kind: Kind,
    weight: Tensor,
    bias: Tensor | None,
    channels: tuple[int, ...],
    is_kept: bool = False,
) -> tuple[Part, ...]:
    """Bring the output channels to vectors side by side, as many as a function takes at once."""
    code = own_code.find_code()
    assert code is not None
    functions = code.functions[kind]
    lanes, outputs = code.lanes, len(weight)
    vectors = -(-outputs // lanes)
    count = -(-vectors // len(functions))
    arranged = arrange_winograd if kind == "winograd" else arrange_direct
    parts = []
    for index in range(count):
        start, stop = (vectors * (index + step) // count for step in range(2))
        own = slice(start * lanes, min(stop * lanes, outputs))
        taken, width = own.stop - own.start, (stop - start) * lanes
        filled = F.pad(weight.detach()[own].permute(2, 3, 1, 0), (0, width - taken))
        kernel = arranged(filled, channels)
        biases, mask = weight.new_zeros(width), torch.zeros(width, dtype=torch.int32)
        if bias is not None:
            biases[:taken] = bias.detach()[own]
        mask[:taken] = -1
        values = torch.cat([kernel, biases, mask.view(torch.float32)])
        if is_kept:
            values = outside_the_heap(values)
        start_at = values.data_ptr()
        bias_at = start_at + kernel.nbytes
        mask_at = bias_at + biases.nbytes
        function = functions[stop - start - 1]
        parts.append(Part(taken, width, start_at, bias_at, mask_at, values, function))
    return tuple(parts)


def arrange_direct(kernel: Tensor, channels: tuple[int, ...]) -> Tensor:
    """A kernel (kh, kw, I, O) source by source, in each tap by tap."""
    return torch.cat([part.flatten() for part in torch.split(kernel, list(channels), dim=2)])


def arrange_winograd(kernel: Tensor, channels: tuple[int, ...]) -> Tensor:
    """A kernel (3, 3, I, O) transformed: 36 places, in each all sources' channels."""
    del channels
    transform = torch.tensor(KERNEL_TRANSFORM, dtype=torch.float64)
    # Wider than the maps: the weights are then rounded once.
    places = torch.einsum("pr,rcio,qc->pqio", transform, kernel.double(), transform)
    return places.to(kernel.dtype).flatten()


def outside_the_heap(values: Tensor) -> Tensor:
    """A copy in memory of its own: between tiles' memory it would leave the heap in pieces."""
    try:
        memory = mmap.mmap(-1, values.nbytes)
    except OSError:  # no room for a copy: what there is will do
        return values
    return torch.frombuffer(memory, dtype=values.dtype).copy_(values)


def bytes_to_pack(network: nn.Module) -> int:
    """What layers of `network` that are not packed yet take once they are, but for filling up."""
    if own_code.find_code() is None:
        return 0
    return sum(
        m.weight.nbytes * (WINOGRAD_GROWTH if m.kernel_size == (3, 3) else 1)
        for m in network.modules()
        if isinstance(m, nn.Conv2d) and m.groups == 1 and m.weight not in _PACKED
    )
