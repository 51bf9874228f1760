"""What the functions are made of: their arguments, loops, and how they end a pixel."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from llvmlite import ir

FLOAT, INTEGER, INDEX = ir.FloatType(), ir.IntType(64), ir.IntType(32)
POINTER = FLOAT.as_pointer()
FLOAT_BYTES = 4
TRIPLE = "x86_64-unknown-linux-gnu"

LINE = 16
"""Values in a line of a cache."""
ADDED = ("first", "second", "third")
"""Maps that are added before the activation; the address 0 is none."""
ARGUMENTS = (
    "out", "weight", "bias", "mask", "slope", *ADDED, "constants", "workspace",
    "rows", "columns", "x_rows", "x_columns", "kernel_rows", "kernel_columns",
    "padding_rows", "padding_columns", "stride_rows", "stride_columns", "out_row", "out_pixel",
    *(f"{name}_{step}" for name in ADDED for step in ("row", "pixel")),
    "channels", "sources",
)  # fmt: skip
"""What the array holds to which a function is given a pointer, each in 64 bits.

Addresses up to `rows`. `mask` are whole numbers, negative for output channels that there are, 0 for
those that fill the last vector. Steps from row to row and from pixel to pixel are in values. Behind
`sources`, their number, follow the maps whose channels are convolved one after the other, each with
what `SOURCE` names.
Only `winograd.py` has use for `constants`, `workspace` and `channels`: those of all sources.
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
        step: int | ir.Value = 1,
        carried: Sequence[ir.Value] = (),
    ) -> None:
        self.build = build
        self.step = number(step) if isinstance(step, int) else step
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
        self.index.add_incoming(self.build.add(self.index, self.step), here)
        for phi, value in zip(self.carried, following, strict=True):
            phi.add_incoming(value, here)
        self.build.branch(self.head)
        self.build.position_at_end(self.after)
        return list(self.carried)


class Writer:
    """Begins a function for `vectors` vectors of output channels, the last one in part."""

    def __init__(self, processor: Processor, vectors: int) -> None:
        self.processor, self.vectors, self.lanes = processor, vectors, processor.lanes
        self.vector = ir.VectorType(FLOAT, self.lanes)
        self.lane_numbers = ir.VectorType(INDEX, self.lanes)
        self.bits = ir.VectorType(ir.IntType(1), self.lanes)
        self.zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        self.module = ir.Module("convolution")
        self.module.triple = TRIPLE
        suffix = f"v{self.lanes}f32"
        self.multiply_add = self._intrinsic(f"llvm.fma.{suffix}", self.vector, [self.vector] * 3)
        at = self.vector.as_pointer()
        self._masked_store = self._intrinsic(
            f"llvm.masked.store.{suffix}.p0", ir.VoidType(), [self.vector, at, INDEX, self.bits]
        )
        self._masked_load = self._intrinsic(
            f"llvm.masked.load.{suffix}.p0", self.vector, [at, INDEX, self.bits, self.vector]
        )
        self._prefetch = self._intrinsic("llvm.prefetch.p0", ir.VoidType(), [POINTER, *[INDEX] * 3])
        kind = ir.FunctionType(ir.VoidType(), [INTEGER.as_pointer()])
        function = ir.Function(self.module, kind, "convolve")
        function.attributes.add("nounwind")
        self.build = ir.IRBuilder(function.append_basic_block())
        self.array = function.args[0]
        self.a = self._arguments()
        self.slope = self.spread(self.build.load(self.a["slope"]))
        # Infinity times 0 is not a number, but the ReLU of it is.
        self.is_relu = self.build.fcmp_ordered("==", self.slope, self.zeros)

    def _intrinsic(self, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
        return ir.Function(self.module, ir.FunctionType(result, arguments), name)

    def _arguments(self) -> dict[str, ir.Value]:
        found = {}
        for index, name in enumerate(ARGUMENTS):
            value = self.build.load(self.build.gep(self.array, [number(index)]))
            found[name] = self.build.inttoptr(value, POINTER) if index < ADDRESSES else value
        return found

    def outputs_of(self, start: ir.Value) -> ir.Value:
        """Which lanes of a vector that begins at output channel `start` there are."""
        wanted = self.load_lanes(self.build.gep(self.a["mask"], [start]))
        return self.build.icmp_signed("<", wanted, ir.Constant(self.lane_numbers, [0] * self.lanes))

    def source(self, index: ir.Value) -> tuple[ir.Value, ...]:
        """What `SOURCE` names of one source."""
        b = self.build
        start = b.add(b.mul(index, number(len(SOURCE))), number(len(ARGUMENTS)))
        values = [
            b.load(b.gep(self.array, [b.add(start, number(place))])) for place in range(len(SOURCE))
        ]
        return b.inttoptr(values[0], POINTER), *values[1:]

    def at(self, base: ir.Value, *terms: tuple[ir.Value | int, ir.Value]) -> ir.Value:
        """`base` plus sums of products, in values."""
        for index, step in terms:
            factor = number(index) if isinstance(index, int) else index
            base = self.build.gep(base, [self.build.mul(factor, step)])
        return base

    def load(self, address: ir.Value) -> ir.Value:
        """A vector, wherever it begins."""
        where = self.build.bitcast(address, self.vector.as_pointer())
        return self.build.load(where, align=FLOAT_BYTES)

    def load_lanes(self, address: ir.Value) -> ir.Value:
        """A vector of whole numbers."""
        where = self.build.bitcast(address, self.lane_numbers.as_pointer())
        return self.build.load(where, align=FLOAT_BYTES)

    def load_some(self, address: ir.Value, mask: ir.Value) -> ir.Value:
        """The lanes of a vector that a mask names, and zeros."""
        where = self.build.bitcast(address, self.vector.as_pointer())
        align = ir.Constant(INDEX, FLOAT_BYTES)
        return self.build.call(self._masked_load, [where, align, mask, self.zeros])

    def store(self, value: ir.Value, address: ir.Value) -> None:
        """Store a vector."""
        where = self.build.bitcast(address, self.vector.as_pointer())
        self.build.store(value, where, align=FLOAT_BYTES)

    def store_some(self, value: ir.Value, address: ir.Value, mask: ir.Value) -> None:
        """Store the lanes of a vector that a mask names."""
        where = self.build.bitcast(address, self.vector.as_pointer())
        self.build.call(self._masked_store, [value, where, ir.Constant(INDEX, FLOAT_BYTES), mask])

    def prefetch(self, address: ir.Value, writes: bool = False) -> None:
        """Have a line in the cache by the time it is wanted."""
        most, data = 3, 1
        hints = [ir.Constant(INDEX, value) for value in (int(writes), most, data)]
        self.build.call(self._prefetch, [address, *hints])

    def spread(self, value: ir.Value) -> ir.Value:
        """A value in every lane."""
        kind = ir.VectorType(value.type, self.lanes)
        empty = ir.Constant(kind, ir.Undefined)
        one = self.build.insert_element(empty, value, ir.Constant(INDEX, 0))
        lanes = ir.Constant(self.lane_numbers, [0] * self.lanes)
        return self.build.shuffle_vector(one, empty, lanes)

    def clamp(self, value: ir.Value, least: ir.Value, most: ir.Value) -> ir.Value:
        """A number, but no less than `least` and no more than `most`."""
        b = self.build
        value = b.select(b.icmp_signed(">", value, least), value, least)
        return b.select(b.icmp_signed("<", value, most), value, most)

    def activated(self, value: ir.Value) -> ir.Value:
        """The leaky ReLU, whose slope is 1 where there is none."""
        b = self.build
        # Not a number is no less than 0, and stays what it is.
        is_less = b.fcmp_ordered("<", value, self.zeros)
        low = b.select(self.is_relu, self.zeros, b.fmul(value, self.slope))
        return b.select(is_less, low, value)

    def is_given(self, name: str) -> ir.Value:
        """1 where there is an added map of this name, for a loop of one turn or none."""
        b = self.build
        address = b.ptrtoint(self.a[name], INTEGER)
        return b.zext(b.icmp_signed("!=", address, number(0)), INTEGER)
