"""dinplug's own convolution gives what the plain operators give and touches nothing beside maps."""

import ctypes
import gc
import mmap
import os
import platform
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dinplug import direct, ops
from tests.kernels.bounds import Tracked, U

pytestmark = pytest.mark.skipif(
    direct.find_code() is None,
    reason="dinplug's own convolution is for Linux on x86-64 with AVX2, where it has been built",
)
ROOT = Path(__file__).resolve().parents[1]
Sides = tuple[int, int]
GEOMETRIES: dict[str, tuple[Sides, Sides]] = {
    "1x1": ((1, 1), (1, 1)),
    "3x3": ((3, 3), (1, 1)),
    "3x1": ((3, 1), (1, 1)),
    "1x3": ((1, 3), (1, 1)),
    "8x8": ((8, 8), (4, 4)),
    "3x3-strided": ((3, 3), (2, 2)),
    "7x7": ((7, 7), (1, 1)),
}
"""Kernels and their strides."""
SPLITS = (
    (1,), (3,), (16,), (25,), (50,), (2, 1), (1, 15), (16, 16), (25, 3, 22), (4, 1, 8, 3),
    (5, 5, 5, 5, 5), (8, 8, 1, 16, 7, 10),
)  # fmt: skip
"""Channels of each source."""
OUTPUTS = (1, 7, 8, 16, 17, 25, 48, 64, 65, 144)
ROWS, COLUMNS = (1, 2, 3, 5, 8), (1, 3, 5, 7, 9, 13, 17, 23, 31)
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
        sides = chance.choice(ROWS), chance.choice(COLUMNS)
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
    """The truth in float64: a product and a sum for each weight, bias, maps and activation."""
    (top, left), (bottom, right) = case.padding, case.after
    x = F.pad(torch.cat(list(sources), dim=1).double(), (left, right, top, bottom))
    wide = None if bias is None else bias.double()
    truth = F.conv2d(x, weight.double(), wide, case.stride)
    size = F.conv2d(
        x.abs(), weight.double().abs(), None if wide is None else wide.abs(), case.stride
    )
    for y in added:
        truth, size = truth + y.double(), size + y.double().abs()
    roundings = 2 * prod(weight.shape[1:]) + len(added) + 3
    return Tracked(ops.activate(truth, case.slope), roundings * U * size)


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many outputs each of the convolutions has that dinplug's own code does."""
    found: list[int] = []
    convolve = direct.convolve

    def counting(sources: Sequence[Tensor], weight: Tensor, *arguments: Any) -> Tensor:
        found.append(len(weight))
        return convolve(sources, weight, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "convolve", counting)
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


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_own_code_gives_what_the_plain_operators_give(geometry: str) -> None:
    check_geometry(geometry)


def run_apart(call: str, **environment: str) -> None:
    """Run a function of this module in a process of its own, which a fault may end."""
    done = subprocess.run(
        [sys.executable, "-c", f"from tests import test_direct as t; t.{call}"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{call} ended with {done.returncode}:\n{done.stderr[-2000:]}"


def check_level(level: str, lanes: int) -> None:
    """A few cases of every kernel, where torch takes this processor for another."""
    code = direct.find_code()
    assert torch.backends.cpu.get_cpu_capability() == level
    assert code is not None and code.lanes == lanes
    for geometry in GEOMETRIES:
        check_geometry(geometry, count=10)


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="this processor is without AVX-512: the other tests run the code for AVX2",
)
def test_the_code_for_avx2_gives_the_same() -> None:
    run_apart("check_level('AVX2', 8)", ATEN_CPU_CAPABILITY="avx2")


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
    pack, new_empty = direct.pack, Tensor.new_empty

    def close(values: Tensor, at_end: bool) -> Tensor:
        return guarded(values.numel(), at_end).view(values.dtype).view(values.shape).copy_(values)

    pieces: list[Tensor] = []  # parts hold addresses

    def apart(part: direct.Part, at_end: bool) -> direct.Part:
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

        def packed(*arguments: Any, at_end: bool = at_end, **kept: Any) -> tuple[direct.Part, ...]:
            return tuple(apart(part, at_end) for part in pack(*arguments, **kept))

        def empty(like: Tensor, *shape: int, at_end: bool = at_end) -> Tensor:
            return close(new_empty(like, *shape), at_end)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(direct, "pack", packed)
            patch.setattr(Tensor, "new_empty", empty)
            for geometry in GEOMETRIES:
                for case in drawn(geometry, len(OUTPUTS)):
                    check(case, laid)


@pytest.mark.parametrize("capability", ["own", "avx2"])
def test_nothing_beside_a_map_is_touched(capability: str) -> None:
    run_apart("check_guards()", **({} if capability == "own" else {"ATEN_CPU_CAPABILITY": "avx2"}))


def test_what_is_guarded_cannot_be_read() -> None:
    reading, writing = os.pipe()
    try:
        for at_end, step in ((True, 4), (False, -4)):
            values = guarded(1, at_end)
            fits = (ctypes.c_char * 4).from_address(values.data_ptr())
            beside = (ctypes.c_char * 4).from_address(values.data_ptr() + step)
            assert os.write(writing, fits) == 4
            with pytest.raises(OSError, match="address"):
                os.write(writing, beside)
    finally:
        os.close(reading)
        os.close(writing)


def picture(channels: int = 16, sides: Sides = (5, 7)) -> Tensor:
    """A map with channels last."""
    return torch.randn(1, channels, *sides).contiguous(memory_format=torch.channels_last)


def convolved(
    x: Tensor | Sequence[Tensor], weight: Tensor, bias: Tensor | None = None, **more: Any
) -> tuple[Tensor, Tensor]:
    """What the own code gives, which must run, and what the plain operators give."""
    with torch.no_grad():
        with counted() as calls:
            own = ops.convolve(x, weight, bias, **more)
        with ops.plain_torch():
            plain = ops.convolve(x, weight, bias, **more)
    assert calls == [len(weight)]
    return own, plain


def are_close(own: Tensor, plain: Tensor) -> bool:
    """Whether they differ by the rounding of 16 x 9 products and sums, at values of some units."""
    return torch.allclose(own, plain, rtol=0, atol=2 * 145 * U * 16)


@pytest.mark.parametrize("slope", [None, 0.0, 0.05])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf], ids=str)
def test_what_is_not_finite_goes_through_as_in_torch(value: float, slope: float | None) -> None:
    torch.manual_seed(0)
    x = picture()
    x[0, 3, 2, 2] = value
    x[0, 9, 0, 6] = -value
    weight, bias = layer(25, 16, (3, 3))
    weight[5] = 0
    own, plain = convolved(x, weight, bias, padding=(1, 1), slope=slope)
    assert torch.equal(own.isnan(), plain.isnan())
    assert torch.equal(own.isposinf(), plain.isposinf())
    assert torch.equal(own.isneginf(), plain.isneginf())
    assert not plain.isfinite().all()
    assert are_close(own[own.isfinite()], plain[plain.isfinite()])


@pytest.mark.parametrize("changed", ["weight", "bias"])
@pytest.mark.parametrize("way", ["in place", "data", "loaded"])
def test_a_layer_that_changes_is_packed_anew(changed: str, way: str) -> None:
    torch.manual_seed(0)
    x = picture()
    convolution = torch.nn.Conv2d(16, 25, 3)
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None
    assert are_close(*convolved(x, weight, bias))
    parameter = weight if changed == "weight" else bias
    # More than once: memory that becomes free is given to the next.
    for factor in range(2, 8):
        if way == "in place":
            with torch.no_grad():
                parameter.mul_(factor / (factor - 1))
        elif way == "data":
            parameter.data = torch.randn(parameter.shape).div_(12)
        else:
            state = {name: torch.randn_like(v) / 12 for name, v in convolution.named_parameters()}
            convolution.load_state_dict(state)
        assert are_close(*convolved(x, weight, bias)), factor


def test_a_bias_made_for_every_call_is_not_taken_for_the_last() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(8, 16, (3, 3))
    for value in range(20):
        bias = torch.full((8,), float(value) / 4)
        assert are_close(*convolved(x, weight, bias)), value
        del bias


@pytest.mark.parametrize("made", ["weight", "bias", "both"])
def test_layers_made_in_inference_mode_are_taken(made: str) -> None:
    torch.manual_seed(0)
    x = picture()
    weight, bias = layer(8, 16, (3, 3))
    with torch.inference_mode():
        weight = weight.clone() if made != "bias" else weight
        bias = bias.clone() if made != "weight" else bias
        for _ in range(2):
            assert are_close(*convolved(x, weight, bias))


def test_slices_of_a_weight_are_told_apart() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(24, 32, (3, 3))
    for _ in range(2):
        for part in (weight[:, :16], weight[:, 16:], weight[:, 8:24], weight[:8, :16]):
            assert are_close(*convolved(x, part))
        assert are_close(*convolved([x[:, :8], x[:, 8:]], weight[:, :16]))
        assert are_close(*convolved([x[:, :3], x[:, 3:]], weight[:, :16]))
        assert are_close(*convolved(x, weight[:, :16].transpose(2, 3)))


def test_a_layer_is_packed_once_and_forgotten_with_its_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    gc.collect()
    before = len(direct._PACKED)
    packs = []
    pack = direct.pack

    def counted(weight: Tensor, *arguments: Any, **kept: Any) -> tuple[direct.Part, ...]:
        packs.append(weight.shape)
        return pack(weight, *arguments, **kept)

    monkeypatch.setattr(direct, "pack", counted)
    x = picture()
    weight, bias = layer(8, 16, (3, 3))
    for _ in range(3):
        convolved(x, weight, bias)
        convolved(x[:, :8], weight[:, :8], bias)
    assert packs == [(8, 16, 3, 3), (8, 8, 3, 3)]
    assert len(direct._PACKED) == before + 1
    del weight
    packs.clear()
    gc.collect()
    assert len(direct._PACKED) == before


def test_a_slice_that_changes_takes_the_place_of_what_it_was() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(8, 16, (1, 1))
    for _ in range(3):
        with torch.no_grad():
            weight.mul_(2)
        assert are_close(*convolved(x, weight[:4]))
        assert len(direct._PACKED[weight]) == 1


def test_a_function_outlives_what_it_was_found_with() -> None:
    # Two threads that look at once find two, and one of both is forgotten.
    found = direct.find_code.__wrapped__()
    assert found is not None
    function = found.functions[0]
    del found
    gc.collect()
    assert not function.memory.closed


@pytest.mark.parametrize(
    ("channels", "sides", "added", "biases"),
    [
        ((15,), [(5, 7)], (8, 5, 7), 8),
        ((16, 1), [(5, 7), (5, 7)], (8, 5, 7), 8),
        ((8, 8), [(5, 7), (5, 8)], (8, 5, 7), 8),
        ((8, 8), [(5, 7), (4, 7)], (8, 5, 7), 8),
        ((16,), [(5, 7)], (8, 5, 6), 8),
        ((16,), [(5, 7)], (8, 4, 7), 8),
        ((16,), [(5, 7)], (7, 5, 7), 8),
        ((16,), [(5, 7)], (8, 5, 7), 1),
        ((16,), [(5, 7)], (8, 5, 7), 7),
        ((16,), [(5, 7)], (8, 5, 7), 9),
    ],
)
def test_maps_that_do_not_fit_a_layer_are_refused(
    channels: tuple[int, ...], sides: list[Sides], added: tuple[int, int, int], biases: int
) -> None:
    torch.manual_seed(0)
    x = [picture(count, side) for count, side in zip(channels, sides, strict=True)]
    weight, _ = layer(8, 16, (1, 1))
    with torch.no_grad(), pytest.raises(RuntimeError):
        ops.convolve(x, weight, torch.zeros(biases), added=[picture(added[0], added[1:])])


def test_maps_smaller_than_a_kernel_are_refused() -> None:
    weight, _ = layer(8, 16, (7, 7))
    with torch.no_grad(), pytest.raises(RuntimeError):
        ops.convolve(picture(), weight)


def test_a_layer_in_another_memory_does_not_fit() -> None:
    x = picture()
    weight, _ = layer(8, 16, (1, 1))
    with torch.no_grad():
        assert direct.is_fitting([x], weight, 1)
        assert not direct.is_fitting([x], weight.to("meta"), 1)


def test_runs_where_it_may_and_nowhere_else() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(8, 16, (1, 1))
    with counted() as calls:
        ops.convolve(x, weight.requires_grad_())  # gradients are wanted
        with torch.no_grad():
            ops.convolve(x.half(), weight.half())
            ops.convolve(torch.cat([x, x]), weight)  # two pictures
            ops.convolve(x.contiguous(), weight)  # planes
            ops.convolve([x[:, :8], x[:, 8:].contiguous()], weight)
            ops.convolve(x, weight[:, :8], groups=2)
            assert ops.reads_anywhere()
            with ops.chosen_kernels("off"):
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            with ops.plain_torch():
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(direct, "find_code", lambda: None)
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            assert calls == []
            ops.convolve(x, weight)
    assert calls == [8]


def code_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> direct.Code | None:
    """What is found in another folder."""
    monkeypatch.setattr(direct, "FOLDER", folder)
    return direct.find_code.__wrapped__()


def test_a_package_without_the_code_is_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_in(tmp_path, monkeypatch) is None
    assert code_in(tmp_path / "missing", monkeypatch) is None


@pytest.mark.parametrize("kind", ["folder", "empty", "unreadable"])
def test_code_that_cannot_be_run_is_no_harm(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for level, _ in direct.LEVELS.values():
        path = tmp_path / f"{level}-1.bin"
        if kind == "folder":
            path.mkdir()
        elif kind == "empty":
            path.touch()
        else:
            path.symlink_to(tmp_path / "missing")
    assert code_in(tmp_path, monkeypatch) is None


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (sys, "platform", "win32"),
        (platform, "machine", lambda: "aarch64"),
        (torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT"),
    ],
    ids=["system", "machine", "processor"],
)
def test_other_computers_are_without_it(
    owner: object, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, value)
    assert direct.find_code.__wrapped__() is None


def test_threads_do_not_disturb_each_other() -> None:
    torch.manual_seed(0)
    x = picture(25, (31, 33))
    layers = [layer(outputs, 25, (3, 3)) for outputs in (8, 65, 144)]

    def run(_: int) -> list[Tensor]:
        with torch.no_grad():
            return [ops.convolve(x, *of, padding=(1, 1), slope=0.05, added=[]) for of in layers]

    with counted() as calls, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(16)))
    assert len(calls) == 48
    first = run(0)
    assert all(torch.equal(a, b) for other in found for a, b in zip(other, first, strict=True))
