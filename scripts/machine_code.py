"""Compile the direct convolution of `dinplug/direct.py` ahead of time, for each processor of it.

    python -m scripts.machine_code FOLDER

Run by the build hook (`hatch_build.py`), so that an installed dinplug needs no compiler. LLVM
compiles what is written here as its own intermediate code: a loop over pixels that keeps the sums
of some pixels and all output channels in registers and reads every input value once for them. The
files hold one function each and nothing else: no constants, no calls, no relocations.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import llvmlite.binding as llvm
from llvmlite import ir

FLOAT, INTEGER, INDEX = ir.FloatType(), ir.IntType(64), ir.IntType(32)
POINTER = FLOAT.as_pointer()
FLOAT_BYTES = 4
TRIPLE = "x86_64-unknown-linux-gnu"

MOST_PIXELS = 10
"""Of one run: each needs an address in a register."""
LINE = 16
"""Values in a line of a cache."""
ADDED = ("first", "second", "third")
"""Maps that are added before the activation; the address 0 is none."""
ARGUMENTS = (
    "out", "weight", "bias", "mask", "slope", *ADDED,
    "rows", "columns", "x_rows", "x_columns", "kernel_rows", "kernel_columns",
    "padding_rows", "padding_columns", "stride_rows", "stride_columns", "out_row", "out_pixel",
    *(f"{name}_{step}" for name in ADDED for step in ("row", "pixel")), "sources",
)  # fmt: skip
"""What the array holds to which the function is given a pointer, each in 64 bits.

Addresses up to `rows`. `mask` are a vector's lanes, negative where the last vector of outputs has
one. Steps from row to row and from pixel to pixel are in values. Behind `sources`, their number,
follow the maps whose channels are convolved one after the other, each with what `SOURCE` names.
"""
SOURCE = ("x", "row", "pixel", "channels")
LAYOUT = f"{zlib.crc32(' '.join((*ARGUMENTS, *SOURCE)).encode()):08x}"
"""In the files' names, so that code with other arguments than it is given is not found."""
ADDRESSES = ARGUMENTS.index("rows")


@dataclass(frozen=True)
class Processor:
    """A level of instructions: how many values a vector has, how many sums registers hold."""

    level: str
    lanes: int
    sums: int
    most_vectors: int


PROCESSORS = (
    Processor("x86-64-v4", lanes=16, sums=24, most_vectors=4),
    Processor("x86-64-v3", lanes=8, sums=12, most_vectors=3),
)


def number(value: int) -> ir.Constant:
    """A 64-bit constant."""
    return ir.Constant(INTEGER, value)


class Loop:
    """A counting loop that carries values: build its body, then `close` it with their next ones."""

    def __init__(
        self,
        build: ir.IRBuilder,
        start: ir.Value,
        stop: ir.Value,
        step: int = 1,
        carried: Sequence[ir.Value] = (),
    ) -> None:
        self.build, self.step = build, step
        before = build.block
        head, body, self.after = (build.append_basic_block(n) for n in ("head", "body", "after"))
        self.head = head
        build.branch(head)
        build.position_at_end(head)
        self.index = build.phi(INTEGER)
        self.index.add_incoming(start, before)
        self.carried = [build.phi(value.type) for value in carried]
        for phi, value in zip(self.carried, carried, strict=True):
            phi.add_incoming(value, before)
        build.cbranch(build.icmp_signed("<", self.index, stop), body, self.after)
        build.position_at_end(body)

    def close(self, following: Sequence[ir.Value] = ()) -> list[ir.Value]:
        """End the body; what was carried, as it is after the loop."""
        here = self.build.block
        self.index.add_incoming(self.build.add(self.index, number(self.step)), here)
        for phi, value in zip(self.carried, following, strict=True):
            phi.add_incoming(value, here)
        self.build.branch(self.head)
        self.build.position_at_end(self.after)
        return list(self.carried)


class Convolution:
    """Writes the function for `vectors` vectors of output channels, the last one in part."""

    def __init__(self, processor: Processor, vectors: int) -> None:
        self.processor, self.vectors, self.lanes = processor, vectors, processor.lanes
        self.vector = ir.VectorType(FLOAT, self.lanes)
        self.bits = ir.VectorType(ir.IntType(1), self.lanes)
        self.module = ir.Module("direct")
        self.module.triple = TRIPLE
        suffix = f"v{self.lanes}f32"
        self.multiply_add = self._intrinsic(f"llvm.fma.{suffix}", self.vector, [self.vector] * 3)
        at = self.vector.as_pointer()
        self.masked_store = self._intrinsic(
            f"llvm.masked.store.{suffix}.p0", ir.VoidType(), [self.vector, at, INDEX, self.bits]
        )
        self.masked_load = self._intrinsic(
            f"llvm.masked.load.{suffix}.p0", self.vector, [at, INDEX, self.bits, self.vector]
        )
        self.prefetch = self._intrinsic("llvm.prefetch.p0", ir.VoidType(), [POINTER, *[INDEX] * 3])
        kind = ir.FunctionType(ir.VoidType(), [INTEGER.as_pointer()])
        function = ir.Function(self.module, kind, "direct")
        function.attributes.add("nounwind")
        self.build = ir.IRBuilder(function.append_basic_block())
        self.array = function.args[0]
        self.a = self._arguments()
        self._write()

    def _intrinsic(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
        return ir.Function(self.module, ir.FunctionType(result, arguments), name)

    def _arguments(self) -> dict[str, ir.Value]:
        found = {}
        for index, name in enumerate(ARGUMENTS):
            value = self.build.load(self.build.gep(self.array, [number(index)]))
            found[name] = self.build.inttoptr(value, POINTER) if index < ADDRESSES else value
        return found

    def _source(self, index: ir.Value) -> tuple[ir.Value, ...]:
        """What `SOURCE` names of one source."""
        b = self.build
        start = b.add(b.mul(index, number(len(SOURCE))), number(len(ARGUMENTS)))
        values = [
            b.load(b.gep(self.array, [b.add(start, number(place))])) for place in range(len(SOURCE))
        ]
        return b.inttoptr(values[0], POINTER), *values[1:]

    def _at(self, base: ir.Value, *terms: tuple[ir.Value, ir.Value]) -> ir.Value:
        """`base` plus sums of products, in values."""
        for index, step in terms:
            base = self.build.gep(base, [self.build.mul(index, step)])
        return base

    def _load(self, address: ir.Value) -> ir.Value:
        at = self.build.bitcast(address, self.vector.as_pointer())
        return self.build.load(at, align=FLOAT_BYTES)

    def _spread(self, value: ir.Value) -> ir.Value:
        """A value in every lane."""
        empty = ir.Constant(self.vector, ir.Undefined)
        one = self.build.insert_element(empty, value, ir.Constant(INDEX, 0))
        lanes = ir.Constant(ir.VectorType(INDEX, self.lanes), [0] * self.lanes)
        return self.build.shuffle_vector(one, empty, lanes)

    def _clamp(self, value: ir.Value, least: ir.Value, most: ir.Value) -> ir.Value:
        b = self.build
        value = b.select(b.icmp_signed(">", value, least), value, least)
        return b.select(b.icmp_signed("<", value, most), value, most)

    def _taps(self, start: ir.Value, kernel: ir.Value, length: ir.Value) -> tuple[ir.Value, ...]:
        """The kernel's first and last tap inside a side of `length`, where it begins at `start`."""
        b, zero = self.build, number(0)
        first = self._clamp(b.neg(start), zero, kernel)
        return first, self._clamp(b.sub(length, start), first, kernel)

    def _write(self) -> None:
        """Rows; in each the pixels at the left border, runs of pixels, those at the right."""
        b, a = self.build, self.a
        zero = number(0)
        self.mask = self._mask()
        self.slope = self._spread(b.load(a["slope"]))
        self.zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        # Infinity times 0 is not a number, but the ReLU of it is.
        self.is_relu = b.fcmp_ordered("==", self.slope, self.zeros)
        # Pixels whose whole kernel lies in the map.
        padding, stride = a["padding_columns"], a["stride_columns"]
        rounded = b.sub(b.add(padding, stride), number(1))
        first = self._clamp(b.sdiv(rounded, stride), zero, a["columns"])
        room = b.sub(b.add(a["x_columns"], padding), a["kernel_columns"])
        fitting = b.add(b.sdiv(room, stride), number(1))
        last = self._clamp(
            b.select(b.icmp_signed("<", room, zero), zero, fitting), first, a["columns"]
        )
        rows = Loop(b, zero, a["rows"])
        top = b.sub(b.mul(rows.index, a["stride_rows"]), a["padding_rows"])
        taps = self._taps(top, a["kernel_rows"], a["x_rows"])
        self._border(rows.index, top, taps, zero, first)
        reached = first
        for pixels in self._runs():
            loop = Loop(b, reached, b.sub(last, number(pixels - 1)), pixels)
            self._run(pixels, rows.index, loop.index, top, taps, (zero, a["kernel_columns"]))
            loop.close()
            reached = loop.index
        self._border(rows.index, top, taps, last, a["columns"])
        rows.close()
        b.ret_void()

    def _runs(self) -> tuple[int, ...]:
        """How many pixels have their sums in registers at once, the most first."""
        most = min(MOST_PIXELS, self.processor.sums // self.vectors)
        # Four sums at least hide how long a product takes.
        few = max(2, -(-4 // self.vectors))
        return (most, few, 1) if few < most else (most, 1)

    def _mask(self) -> ir.Value:
        lanes = ir.VectorType(INDEX, self.lanes)
        at = self.build.bitcast(self.a["mask"], lanes.as_pointer())
        wanted = self.build.load(at, align=FLOAT_BYTES)
        return self.build.icmp_signed("<", wanted, ir.Constant(lanes, [0] * self.lanes))

    def _border(
        self,
        row: ir.Value,
        top: ir.Value,
        rows: tuple[ir.Value, ...],
        start: ir.Value,
        stop: ir.Value,
    ) -> None:
        """Pixels one by one, with those of the kernel's columns that lie in the map."""
        b, a = self.build, self.a
        loop = Loop(b, start, stop)
        left = b.sub(b.mul(loop.index, a["stride_columns"]), a["padding_columns"])
        columns = self._taps(left, a["kernel_columns"], a["x_columns"])
        self._run(1, row, loop.index, top, rows, columns)
        loop.close()

    def _run(
        self,
        pixels: int,
        row: ir.Value,
        column: ir.Value,
        top: ir.Value,
        rows: tuple[ir.Value, ...],
        columns: tuple[ir.Value, ...],
    ) -> None:
        """Some pixels' outputs: sums over the kernel and the channels, then what follows."""
        b, a, vectors = self.build, self.a, self.vectors
        left = b.sub(b.mul(column, a["stride_columns"]), a["padding_columns"])
        width = number(vectors * self.lanes)
        bias = [self._load(b.gep(a["bias"], [number(n * self.lanes)])) for n in range(vectors)]
        self._expect(pixels, row, column)
        sources = Loop(b, number(0), a["sources"], carried=[a["weight"], *bias * pixels])
        weights, *sums = sources.carried
        x, x_row, x_pixel, channels = self._source(sources.index)
        corner = self._at(x, (top, x_row), (left, x_pixel))
        tap_size = b.mul(channels, width)
        # Where pixels follow each other, a row of the kernel is one run of values.
        is_run = b.icmp_signed("==", x_pixel, channels)
        wide = b.sub(columns[1], columns[0])
        turns = b.select(is_run, number(1), wide)
        length = b.select(is_run, b.mul(wide, channels), channels)
        row_loop = Loop(b, rows[0], rows[1], carried=sums)
        column_loop = Loop(b, number(0), turns, carried=row_loop.carried)
        tap_column = b.add(columns[0], column_loop.index)
        tap = b.add(b.mul(row_loop.index, a["kernel_columns"]), tap_column)
        first = self._at(corner, (row_loop.index, x_row), (tap_column, x_pixel))
        step = b.mul(a["stride_columns"], x_pixel)
        starts = [self._at(first, (number(p), step)) for p in range(pixels)]
        taps = self._at(weights, (tap, tap_size))
        loop = Loop(b, number(0), length, carried=column_loop.carried)
        at = self._at(taps, (loop.index, width))
        kernel = [self._load(b.gep(at, [number(n * self.lanes)])) for n in range(vectors)]
        sums = []
        for p, start in enumerate(starts):
            value = self._spread(b.load(b.gep(start, [loop.index])))
            for n in range(vectors):
                carried = loop.carried[p * vectors + n]
                sums.append(b.call(self.multiply_add, [value, kernel[n], carried]))
        sums = row_loop.close(column_loop.close(loop.close(sums)))
        size = b.mul(b.mul(a["kernel_rows"], a["kernel_columns"]), tap_size)
        _, *sums = sources.close([b.gep(weights, [size]), *sums])
        for name in ADDED:
            sums = self._added(name, sums, pixels, row, column)
        self._store(sums, pixels, row, column)

    def _expect(self, pixels: int, row: ir.Value, column: ir.Value) -> None:
        """Have what is wanted after the sums in the cache by then: maps to add and the outputs."""
        b, a = self.build, self.a
        for name in (*ADDED, "out"):
            start = self._at(a[name], (row, a[f"{name}_row"]), (column, a[f"{name}_pixel"]))
            for p in range(pixels):
                pixel = self._at(start, (number(p), a[f"{name}_pixel"]))
                for n in range(0, self.vectors * self.lanes, LINE):
                    writes = ir.Constant(INDEX, int(name == "out"))
                    most, data = (ir.Constant(INDEX, value) for value in (3, 1))
                    b.call(self.prefetch, [b.gep(pixel, [number(n)]), writes, most, data])

    def _added(
        self, name: str, sums: list[ir.Value], pixels: int, row: ir.Value, column: ir.Value
    ) -> list[ir.Value]:
        """The sums plus the map of this name, if there is one."""
        b, a = self.build, self.a
        address = b.ptrtoint(a[name], INTEGER)
        given = b.zext(b.icmp_signed("!=", address, number(0)), INTEGER)
        # A loop of one turn or none.
        loop = Loop(b, number(0), given, carried=sums)
        start = self._at(a[name], (row, a[f"{name}_row"]), (column, a[f"{name}_pixel"]))
        added = []
        for p in range(pixels):
            for n in range(self.vectors):
                at = b.gep(
                    self._at(start, (number(p), a[f"{name}_pixel"])), [number(n * self.lanes)]
                )
                if n == self.vectors - 1:
                    where = b.bitcast(at, self.vector.as_pointer())
                    align = ir.Constant(INDEX, FLOAT_BYTES)
                    value = b.call(self.masked_load, [where, align, self.mask, self.zeros])
                else:
                    value = self._load(at)
                added.append(b.fadd(loop.carried[p * self.vectors + n], value))
        return loop.close(added)

    def _store(self, sums: list[ir.Value], pixels: int, row: ir.Value, column: ir.Value) -> None:
        """The leaky ReLU, whose slope is 1 where there is none, and the result."""
        b, a = self.build, self.a
        start = self._at(a["out"], (row, a["out_row"]), (column, a["out_pixel"]))
        for p in range(pixels):
            for n in range(self.vectors):
                value = sums[p * self.vectors + n]
                # Not a number is no less than 0, and stays what it is.
                is_less = b.fcmp_ordered("<", value, self.zeros)
                low = b.select(self.is_relu, self.zeros, b.fmul(value, self.slope))
                value = b.select(is_less, low, value)
                at = b.gep(self._at(start, (number(p), a["out_pixel"])), [number(n * self.lanes)])
                where = b.bitcast(at, self.vector.as_pointer())
                if n == self.vectors - 1:
                    align = ir.Constant(INDEX, FLOAT_BYTES)
                    b.call(self.masked_store, [value, where, align, self.mask])
                else:
                    b.store(value, where, align=FLOAT_BYTES)


def compiled(processor: Processor, vectors: int) -> bytes:
    """The machine code of one function; RuntimeError where it is not complete in itself."""
    target = llvm.Target.from_triple(TRIPLE)
    machine = target.create_target_machine(
        cpu=processor.level, features="-prefer-256-bit", opt=3, reloc="pic", codemodel="small"
    )
    module = llvm.parse_assembly(str(Convolution(processor, vectors).module))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    found = llvm.ObjectFileRef.from_data(machine.emit_object(module))
    sections = {bytes(section.name() or b""): section.data() for section in found.sections()}
    if any(name.startswith((b".rela.text", b".rodata")) for name in sections):
        raise RuntimeError(f"{processor.level}, {vectors} vectors: the code refers to other data")
    return bytes(sections[b".text"])


def write(folder: Path) -> list[Path]:
    """Write every function's file into `folder`."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for processor in PROCESSORS:
        for vectors in range(1, processor.most_vectors + 1):
            path = folder / f"{processor.level}-{LAYOUT}-{vectors}.bin"
            path.write_bytes(compiled(processor, vectors))
            written.append(path)
    return written


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])):
        print(f"{path}: {path.stat().st_size} bytes")
