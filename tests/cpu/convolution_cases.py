"""Cases for dinplug's own convolution, drawn at random, and what holds them to the truth."""

import ctypes
import mmap
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dinplug import ops
from dinplug.cpu import convolution, own_code, packed_layers
from dinplug.cpu.packed_layers import Part
from tests.cpu.winograd_truth import WINOGRAD_ROUNDINGS, winograd_size
from tests.kernels.bounds import Tracked, U

ROOT = Path(__file__).resolve().parents[2]
Sides = tuple[int, int]
GEOMETRIES: dict[str, tuple[Sides, Sides]] = {
    "1x1": ((1, 1), (1, 1)),
    "3x3": ((3, 3), (1, 1)),
    "3x1": ((3, 1), (1, 1)),
    "1x3": ((1, 3), (1, 1)),
    "8x8": ((8, 8), (4, 4)),
    "3x3-strided": ((3, 3), (2, 2)),
    "7x7": ((7, 7), (1, 1)),
    "3x3-blocks": ((3, 3), (1, 1)),
}
"""Kernels and their strides; of the last one maps of more than a block of Winograd's tiles."""
SPLITS = (
    (1,), (3,), (16,), (25,), (50,), (2, 1), (1, 15), (16, 16), (25, 3, 22), (4, 1, 8, 3),
    (5, 5, 5, 5, 5), (8, 8, 1, 16, 7, 10),
)  # fmt: skip
"""Channels of each source."""
OUTPUTS = (1, 7, 8, 16, 17, 25, 48, 64, 65, 144)
ROWS, COLUMNS = (1, 2, 3, 5, 8), (1, 3, 5, 7, 9, 13, 17, 23, 31)
LARGE_ROWS, LARGE_COLUMNS = (17, 20, 23, 26), (29, 31, 36, 38)
LAYOUTS = ("whole", "slice", "window", "slice of a window")
CASES = 60
"""Drawn for each geometry."""


@dataclass(frozen=True)
class Case:
    """A layer and the maps it is given."""

    kernel: Sides
    stride: Sides
    padding: Sides
    after: Sides
    sources: tuple[tuple[int, str], ...]
    outputs: int
    sides: Sides
    slope: float | None
    added: tuple[str, ...]
    bias: bool

    def results(self) -> Sides:
        """Rows and columns of the result."""
        rows, columns = (
            (side + before + after - kernel) // stride + 1
            for side, before, after, kernel, stride in zip(
                self.sides, self.padding, self.after, self.kernel, self.stride, strict=True
            )
        )
        return rows, columns


def drawn(geometry: str, count: int) -> Iterator[Case]:
    """Cases of a kernel; every width of the result comes up."""
    chance = random.Random(geometry)
    kernel, stride = GEOMETRIES[geometry]
    for index in range(count):
        ways = (LARGE_ROWS, LARGE_COLUMNS) if geometry == "3x3-blocks" else (ROWS, COLUMNS)
        sides = chance.choice(ways[0]), chance.choice(ways[1])
        half = kernel[0] // 4 if stride == (4, 4) else kernel[0] // 2, kernel[1] // 2
        padding = half if index % 3 else (chance.randint(0, half[0]), chance.randint(0, half[1]))
        least = [max(0, kernel[d] - sides[d] - padding[d]) for d in range(2)]
        wanted = padding if index % 2 else (chance.randint(0, 3), chance.randint(0, 3))
        channels = chance.choice(SPLITS)
        yield Case(
            kernel, stride, padding, (max(least[0], wanted[0]), max(least[1], wanted[1])),
            tuple((count, chance.choice(LAYOUTS)) for count in channels),
            OUTPUTS[index % len(OUTPUTS)], sides, chance.choice((None, 0.0, 0.05)),
            tuple(chance.choice((*LAYOUTS, "planes")) for _ in range(chance.randint(0, 5))),
            chance.random() < 0.7,
        )  # fmt: skip


def laid_out(values: Tensor, layout: str) -> tuple[Tensor, Tensor]:
    """A map of these values, not a number beside it, and all the memory in which it lies."""
    _, channels, rows, columns = values.shape
    if layout == "planes":
        x = values.clone(memory_format=torch.contiguous_format)
        return x, x
    more = 5 if "slice" in layout else 0
    beside = 2 if "window" in layout else 0
    memory = torch.full((rows + 2 * beside, columns + 2 * beside, channels + 2 * more), torch.nan)
    window = memory[beside : beside + rows, beside : beside + columns, more : more + channels]
    window.copy_(values[0].permute(1, 2, 0))
    return window.permute(2, 0, 1)[None], memory


def layer(outputs: int, inputs: int, kernel: Sides) -> tuple[Tensor, Tensor]:
    """Weight and bias that make values of about 1 from such."""
    weight = torch.rand(outputs, inputs, *kernel) * 2 - 1
    return weight / prod(weight.shape[1:]) ** 0.5, torch.randn(outputs)


def tracked(
    case: Case, sources: Sequence[Tensor], weight: Tensor, bias: Tensor | None, added: list[Tensor]
) -> Tracked:
    """The truth in float64, and how far sums in float32 are from it at most."""
    (top, left), (bottom, right) = case.padding, case.after
    x = F.pad(torch.cat(list(sources), dim=1).double(), (left, right, top, bottom))
    wide = None if bias is None else bias.double()
    truth = F.conv2d(x, weight.double(), wide, case.stride)
    if convolution.fitting_kind(weight, case.stride, case.results()) == "winograd":
        size = winograd_size(x[0], weight)
        roundings = weight.shape[1] + WINOGRAD_ROUNDINGS
    else:
        # A product and a sum for each weight.
        size = F.conv2d(x.abs(), weight.double().abs(), None, case.stride)
        roundings = 2 * prod(weight.shape[1:])
    if wide is not None:
        size = size + wide.abs()[:, None, None]
    for y in added:
        truth, size = truth + y.double(), size + y.double().abs()
    return Tracked(ops.activate(truth, case.slope), (roundings + len(added) + 3) * U * size)


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many outputs each of the convolutions has that dinplug's own code does."""
    found: list[int] = []
    convolve = convolution.convolve

    def counting(sources: Sequence[Tensor], weight: Tensor, *arguments: Any) -> Tensor:
        found.append(len(weight))
        return convolve(sources, weight, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "convolve", counting)
        yield found


def check(case: Case, laid: Callable[[Tensor, str], tuple[Tensor, Tensor]] = laid_out) -> None:
    """Hold the own code and the plain definition to the truth, and memory to what it was."""
    values = [torch.rand(1, count, *case.sides) * 2 - 1 for count, _ in case.sources]
    others = [torch.randn(1, case.outputs, *case.results()) for _ in case.added]
    weight, bias = layer(case.outputs, sum(v.shape[1] for v in values), case.kernel)
    offset = bias if case.bias else None
    truth = tracked(case, values, weight, offset, others)
    layouts = (*(layout for _, layout in case.sources), *case.added)
    maps, memory = zip(
        *(laid(v, layout) for v, layout in zip((*values, *others), layouts, strict=True)),
        strict=True,
    )
    before = [m.view(torch.int32).clone() for m in memory]
    sources, added = maps[: len(values)], maps[len(values) :]

    def convolved() -> Tensor:
        return ops.convolve(
            sources, weight, offset, stride=case.stride, padding=case.padding,
            padding_after=case.after, slope=case.slope, added=added,
        )  # fmt: skip

    with torch.no_grad():
        with counted() as calls:
            own = convolved()
        with ops.plain_torch():
            plain = convolved()
    assert calls == [case.outputs], case
    assert truth.excess(plain) <= 1, case
    assert truth.excess(own) <= 1, case
    kept = [torch.equal(m.view(torch.int32), b) for m, b in zip(memory, before, strict=True)]
    assert all(kept), case


def check_geometry(geometry: str, count: int = CASES) -> None:
    """Some cases of a kernel."""
    torch.manual_seed(0)
    for case in drawn(geometry, count):
        check(case)


def run_apart(call: str, **environment: str) -> None:
    """Run a function of this module in a process of its own, which a fault may end."""
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.cpu import convolution_cases as t; t.{call}"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{call} ended with {done.returncode}:\n{done.stderr[-2000:]}"


def check_whole_numbers() -> None:
    """Values of which no sum and no product is rounded: the result is the truth, bit for bit."""
    torch.manual_seed(0)
    for outputs in OUTPUTS:
        maps = [picture(count, (21, 30)).sign() for count in (5, 4)]
        # Transformed weights have denominators of 24 each way.
        weight = torch.randint(-1, 2, (outputs, 9, 3, 3)) * 576.0
        with torch.no_grad():
            found = ops.convolve(maps, weight, padding=(1, 1))
        truth = F.conv2d(torch.cat(maps, dim=1).double(), weight.double(), padding=1)
        assert torch.equal(found.double(), truth), outputs


def check_level(level: str, lanes: int) -> None:
    """A few cases of every kernel, where torch takes this processor for another."""
    code = own_code.find_code()
    assert torch.backends.cpu.get_cpu_capability() == level
    assert code is not None and code.lanes == lanes
    check_whole_numbers()
    for geometry in GEOMETRIES:
        check_geometry(geometry, count=10)


def guarded(count: int, at_end: bool) -> Tensor:
    """Values whose next, or else whose last, neighbour may not be touched."""
    page = mmap.PAGESIZE
    size = count * 4
    pages = -(-size // page)
    memory = mmap.mmap(-1, (pages + 2) * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for place in (address, address + (pages + 1) * page):
        assert protect(place, page, 0) == 0, os.strerror(ctypes.get_errno())
    start = (pages + 1) * page - size if at_end else page
    return torch.frombuffer(memory, dtype=torch.float32, count=count, offset=start)


def check_guards() -> None:
    """Maps, packed weights and results beside pages that may not be touched."""
    torch.manual_seed(0)
    pack, new_empty = packed_layers.pack, Tensor.new_empty
    code = own_code.find_code()
    assert code is not None

    def close(values: Tensor, at_end: bool) -> Tensor:
        return guarded(values.numel(), at_end).view(values.dtype).view(values.shape).copy_(values)

    pieces: list[Tensor] = []  # parts hold addresses

    def apart(part: Part, at_end: bool) -> Part:
        sizes = [(part.bias - part.weight) // 4, (part.mask - part.bias) // 4]
        sizes.append(part.values.numel() - sum(sizes))
        own = [close(piece, at_end) for piece in torch.split(part.values, sizes)]
        pieces.extend(own)
        weight, bias, mask = (piece.data_ptr() for piece in own)
        return replace(part, weight=weight, bias=bias, mask=mask)

    for at_end in (True, False):

        def laid(values: Tensor, layout: str, at_end: bool = at_end) -> tuple[Tensor, Tensor]:
            x = close(values[0].permute(1, 2, 0), at_end).permute(2, 0, 1)[None]
            return x, x.permute(0, 2, 3, 1)

        def packed(*arguments: Any, at_end: bool = at_end, **kept: Any) -> tuple[Part, ...]:
            return tuple(apart(part, at_end) for part in pack(*arguments, **kept))

        def empty(like: Tensor, *shape: int, at_end: bool = at_end) -> Tensor:
            values = new_empty(like, *shape)
            return close(values, at_end) if all(shape) else values

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(packed_layers, "pack", packed)
            guarded_code = replace(code, constants=close(code.constants, at_end))
            patch.setattr(own_code, "find_code", lambda found=guarded_code: found)
            patch.setattr(Tensor, "new_empty", empty)
            for geometry in GEOMETRIES:
                for case in drawn(geometry, len(OUTPUTS)):
                    check(case, laid)


def picture(channels: int = 16, sides: Sides = (6, 7)) -> Tensor:
    """A map with channels last."""
    return torch.randn(1, channels, *sides).contiguous(memory_format=torch.channels_last)


def convolved(
    x: Tensor | Sequence[Tensor], weight: Tensor, bias: Tensor | None = None
) -> tuple[Tensor, Tracked]:
    """What the own code gives of maps without padding, which must run, and the truth."""
    with torch.no_grad(), counted() as calls:
        own = ops.convolve(x, weight, bias)
    assert calls == [len(weight)]
    sources = [x] if isinstance(x, Tensor) else x
    sides = sources[0].shape[2], sources[0].shape[3]
    kernel = weight.shape[2], weight.shape[3]
    case = Case(kernel, (1, 1), (0, 0), (0, 0), (), len(weight), sides, None, (), bias is not None)
    return own, tracked(case, sources, weight.detach(), None if bias is None else bias.detach(), [])


def are_close(own: Tensor, truth: Tracked) -> bool:
    """Whether they differ by no more than rounding."""
    return truth.excess(own) <= 1
