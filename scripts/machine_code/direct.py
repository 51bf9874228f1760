"""Writes the direct convolution: a loop over pixels, sums over the kernel and the channels.

It keeps the sums of some pixels and all output channels in registers and reads every input value
once for them.
"""

from __future__ import annotations

from llvmlite import ir

from scripts.machine_code.writer import ADDED, LINE, Loop, Processor, Writer, number

MOST_PIXELS = 10
"""Of one run: each needs an address in a register."""


class Direct(Writer):
    """Any kernel, any stride, every border its own padding."""

    def __init__(self, processor: Processor, vectors: int) -> None:
        super().__init__(processor, vectors)
        self._write()

    def _taps(self, start: ir.Value, kernel: ir.Value, length: ir.Value) -> tuple[ir.Value, ...]:
        """The kernel's first and last tap inside a side of `length`, where it begins at `start`."""
        b, zero = self.build, number(0)
        first = self.clamp(b.neg(start), zero, kernel)
        return first, self.clamp(b.sub(length, start), first, kernel)

    def _write(self) -> None:
        """Rows; in each the pixels at the left border, runs of pixels, those at the right."""
        b, a = self.build, self.a
        zero = number(0)
        self.mask = self.outputs_of(number((self.vectors - 1) * self.lanes))
        # Pixels whose whole kernel lies in the map.
        padding, stride = a["padding_columns"], a["stride_columns"]
        rounded = b.sub(b.add(padding, stride), number(1))
        first = self.clamp(b.sdiv(rounded, stride), zero, a["columns"])
        room = b.sub(b.add(a["x_columns"], padding), a["kernel_columns"])
        fitting = b.add(b.sdiv(room, stride), number(1))
        last = self.clamp(
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
        bias = [self.load(b.gep(a["bias"], [number(n * self.lanes)])) for n in range(vectors)]
        self._expect(pixels, row, column)
        sources = Loop(b, number(0), a["sources"], carried=[a["weight"], *bias * pixels])
        weights, *sums = sources.carried
        x, x_row, x_pixel, channels = self.source(sources.index)
        corner = self.at(x, (top, x_row), (left, x_pixel))
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
        first = self.at(corner, (row_loop.index, x_row), (tap_column, x_pixel))
        step = b.mul(a["stride_columns"], x_pixel)
        starts = [self.at(first, (p, step)) for p in range(pixels)]
        taps = self.at(weights, (tap, tap_size))
        loop = Loop(b, number(0), length, carried=column_loop.carried)
        at = self.at(taps, (loop.index, width))
        kernel = [self.load(b.gep(at, [number(n * self.lanes)])) for n in range(vectors)]
        sums = []
        for p, start in enumerate(starts):
            value = self.spread(b.load(b.gep(start, [loop.index])))
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
            start = self.at(a[name], (row, a[f"{name}_row"]), (column, a[f"{name}_pixel"]))
            for p in range(pixels):
                pixel = self.at(start, (p, a[f"{name}_pixel"]))
                for n in range(0, self.vectors * self.lanes, LINE):
                    self.prefetch(b.gep(pixel, [number(n)]), writes=name == "out")

    def _added(
        self, name: str, sums: list[ir.Value], pixels: int, row: ir.Value, column: ir.Value
    ) -> list[ir.Value]:
        """The sums plus the map of this name, if there is one."""
        b, a = self.build, self.a
        loop = Loop(b, number(0), self.is_given(name), carried=sums)
        start = self.at(a[name], (row, a[f"{name}_row"]), (column, a[f"{name}_pixel"]))
        added = []
        for p in range(pixels):
            pixel = self.at(start, (p, a[f"{name}_pixel"]))
            for n in range(self.vectors):
                at = b.gep(pixel, [number(n * self.lanes)])
                is_last = n == self.vectors - 1
                value = self.load_some(at, self.mask) if is_last else self.load(at)
                added.append(b.fadd(loop.carried[p * self.vectors + n], value))
        return loop.close(added)

    def _store(self, sums: list[ir.Value], pixels: int, row: ir.Value, column: ir.Value) -> None:
        """The activation and the result."""
        b, a = self.build, self.a
        start = self.at(a["out"], (row, a["out_row"]), (column, a["out_pixel"]))
        for p in range(pixels):
            pixel = self.at(start, (p, a["out_pixel"]))
            for n in range(self.vectors):
                value = self.activated(sums[p * self.vectors + n])
                at = b.gep(pixel, [number(n * self.lanes)])
                if n == self.vectors - 1:
                    self.store_some(value, at, self.mask)
                else:
                    self.store(value, at)
