"""Writes 3x3 convolutions that take 36 products for 16 outputs instead of 144: F(4x4, 3x3).

A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
arXiv:1509.09308. Block by block of tiles of 4x4 outputs, so that what lies between stays in the
processor's caches: windows of 6x6 are transformed (B), multiplied with the transformed weights, and
transformed back (A). The last row and column of tiles lie over those before where sides are no
multiple of 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from scripts.machine_code.writer import ADDED, INTEGER, LINE, Loop, Processor, Writer, number

TILE, WINDOW = 4, 6
PLACES = WINDOW * WINDOW
TILES = 24
"""Of a block, a multiple of how many have their sums in registers at once."""
MOST_TILES = 8
"""Whose sums are: each tile needs an address in a register."""
FACTORS = (2.0, 4.0, 8.0, -2.0, -4.0, -5.0)
"""Of the transforms. They are `constants`, behind the numbers of a vector's lanes."""


class Winograd(Writer):
    """Kernels of 3x3 at a stride of 1, for results of 4x4 at least."""

    def __init__(self, processor: Processor, vectors: int) -> None:
        super().__init__(processor, vectors)
        b, a = self.build, self.a
        behind = b.gep(a["constants"], [number(self.lanes)])
        self.factors = {
            value: self.spread(b.load(b.gep(behind, [number(index)])))
            for index, value in enumerate(FACTORS)
        }
        # Else LLVM writes calls for maps without channels, whose products are zeros.
        assume = self._intrinsic("llvm.assume", ir.VoidType(), [ir.IntType(1)])
        b.call(assume, [b.icmp_signed(">", a["channels"], number(0))])
        self.width = number(vectors * self.lanes)
        # Of a tile's inputs: no store of a whole vector reaches the next tile's.
        whole = number(-LINE)
        self.tile_step = b.and_(b.add(a["channels"], number(self.lanes - 1 + LINE - 1)), whole)
        # An odd number of lines: the places of a tile are not all in the same sets of a cache.
        self.input_step = b.add(b.mul(number(TILES), self.tile_step), number(LINE))
        self.product_step = b.add(b.mul(number(TILES), self.width), number(LINE))
        self.inputs = a["workspace"]
        self.products = self.at(self.inputs, (PLACES, self.input_step))
        self.patch = self.at(self.products, (PLACES, self.product_step))
        self._write()

    def _write(self) -> None:
        """Blocks of tiles."""
        b, a = self.build, self.a
        down, self.across = (
            b.sdiv(b.add(a[side], number(TILE - 1)), number(TILE)) for side in ("rows", "columns")
        )
        total = b.mul(down, self.across)
        blocks = Loop(b, number(0), total, TILES)
        count = self._least(b.sub(total, blocks.index), number(TILES))
        self._for_each_tile(blocks.index, count, self._transform_inputs)
        self._multiply(count)
        self._for_each_tile(blocks.index, count, self._transform_products)
        blocks.close()
        b.ret_void()

    def _for_each_tile(
        self, start: ir.Value, count: ir.Value, body: Callable[[ir.Value, ir.Value, ir.Value], None]
    ) -> None:
        """`body` with a tile's number in its block, its first row and its first column."""
        b, a = self.build, self.a
        loop = Loop(b, number(0), count)
        tile = b.add(start, loop.index)
        row = b.sdiv(tile, self.across)
        column = b.sub(tile, b.mul(row, self.across))
        body(loop.index, self._first(row, a["rows"]), self._first(column, a["columns"]))
        loop.close()

    def _first(self, tile: ir.Value, length: ir.Value) -> ir.Value:
        """A tile's first row or column, so that its last one is in the result."""
        b = self.build
        return self._least(b.mul(tile, number(TILE)), b.sub(length, number(TILE)))

    def _least(self, one: ir.Value, other: ir.Value) -> ir.Value:
        b = self.build
        return b.select(b.icmp_signed("<", one, other), one, other)

    def _transform_inputs(self, tile: ir.Value, row: ir.Value, column: ir.Value) -> None:
        b, a = self.build, self.a
        top, left = b.sub(row, a["padding_rows"]), b.sub(column, a["padding_columns"])
        is_inside = b.and_(
            self._is_inside(top, WINDOW, a["x_rows"]), self._is_inside(left, WINDOW, a["x_columns"])
        )
        target = self.at(self.inputs, (tile, self.tile_step))
        sources = Loop(b, number(0), a["sources"], carried=[target])
        target = sources.carried[0]
        source = self.source(sources.index)
        x, x_row, x_pixel, channels = source
        border = Loop(b, number(0), b.zext(b.not_(is_inside), INTEGER))  # one turn or none
        self._copy_window(source, top, left)
        border.close()
        corner = b.select(is_inside, self.at(x, (top, x_row), (left, x_pixel)), self.patch)
        row_step = b.select(is_inside, x_row, b.mul(number(WINDOW), self.tile_step))
        pixel_step = b.select(is_inside, x_pixel, self.tile_step)
        groups = Loop(b, number(0), channels, self.lanes)
        mask = self._lanes_of(groups.index, channels)
        start = b.gep(corner, [groups.index])
        window = [
            [
                self.load_some(self.at(start, (r, row_step), (c, pixel_step)), mask)
                for c in range(WINDOW)
            ]
            for r in range(WINDOW)
        ]
        for r in range(WINDOW):
            for c in range(WINDOW, WINDOW + TILE):  # of the next tile
                self.prefetch(self.at(start, (r, row_step), (c, pixel_step)))
        here = b.gep(target, [groups.index])
        for place, value in enumerate(self._both_ways(window, self._input_transform)):
            self.store(value, self.at(here, (place, self.input_step)))
        groups.close()
        sources.close([b.gep(target, [channels])])

    def _is_inside(self, start: ir.Value, size: int, length: ir.Value) -> ir.Value:
        """Whether `size` pixels that begin at `start` lie in a side of `length`."""
        b = self.build
        room = b.sub(length, number(size))
        return b.and_(b.icmp_signed(">=", start, number(0)), b.icmp_signed("<=", start, room))

    def _lanes_of(self, start: ir.Value, stop: ir.Value) -> ir.Value:
        """Which lanes of a vector that begins at `start` are before `stop`."""
        b = self.build
        left = self.spread(b.trunc(b.sub(stop, start), self.lane_numbers.element))
        return b.icmp_signed("<", self.load_lanes(self.a["constants"]), left)

    def _copy_window(self, source: tuple[ir.Value, ...], top: ir.Value, left: ir.Value) -> None:
        """A window over the border, with zeros outside the map, in a place of its own."""
        b, a, side = self.build, self.a, number(WINDOW)
        x, x_row, x_pixel, channels = source
        rows = Loop(b, number(0), side)
        columns = Loop(b, number(0), side)
        row, column = b.add(top, rows.index), b.add(left, columns.index)
        is_in_map = b.and_(
            self._is_inside(row, 1, a["x_rows"]), self._is_inside(column, 1, a["x_columns"])
        )
        # Outside, no channel of the map's first pixel.
        zero = number(0)
        kept = b.select(is_in_map, channels, zero)
        row, column = b.select(is_in_map, row, zero), b.select(is_in_map, column, zero)
        place = self.at(x, (row, x_row), (column, x_pixel))
        pixel = b.add(b.mul(rows.index, side), columns.index)
        target = self.at(self.patch, (pixel, self.tile_step))
        groups = Loop(b, zero, channels, self.lanes)
        value = self.load_some(b.gep(place, [groups.index]), self._lanes_of(groups.index, kept))
        self.store(value, b.gep(target, [groups.index]))
        groups.close()
        columns.close()
        rows.close()

    def _both_ways(
        self,
        values: Sequence[Sequence[ir.Value]],
        transform: Callable[[Sequence[ir.Value]], list[ir.Value]],
    ) -> list[ir.Value]:
        """Columns transformed, then rows; row by row."""
        columns = [transform(column) for column in zip(*values, strict=True)]
        return [value for row in zip(*columns, strict=True) for value in transform(row)]

    def _input_transform(self, d: Sequence[ir.Value]) -> list[ir.Value]:
        """B of six values."""
        b, times = self.build, self._times
        even, odd = times(-4, d[2], d[4]), times(-4, d[1], d[3])
        close, far = b.fsub(d[4], d[2]), b.fsub(d[3], d[1])
        return [
            times(4, d[0], times(-5, d[2], d[4])),
            b.fadd(even, odd),
            b.fsub(even, odd),
            times(2, far, close),
            times(-2, far, close),
            times(4, d[1], times(-5, d[3], d[5])),
        ]

    def _output_transform(self, m: Sequence[ir.Value]) -> list[ir.Value]:
        """A of six values: four."""
        b, times = self.build, self._times
        near, near_odd = b.fadd(m[1], m[2]), b.fsub(m[1], m[2])
        far, far_odd = b.fadd(m[3], m[4]), b.fsub(m[3], m[4])
        return [
            b.fadd(b.fadd(m[0], near), far),
            times(2, far_odd, near_odd),
            times(4, far, near),
            b.fadd(times(8, far_odd, near_odd), m[5]),
        ]

    def _times(self, factor: float, value: ir.Value, added: ir.Value) -> ir.Value:
        """A product with one of `FACTORS` and a sum, rounded once."""
        return self.build.call(self.multiply_add, [value, self.factors[factor], added])

    def _multiply(self, count: ir.Value) -> None:
        """At each place, all tiles' inputs with the weights; some tiles too many are computed."""
        b, a, vectors = self.build, self.a, self.vectors
        most = min(MOST_TILES, self.processor.sums // vectors)
        places = Loop(b, number(0), number(PLACES))
        weights = self.at(a["weight"], (places.index, b.mul(a["channels"], self.width)))
        inputs = self.at(self.inputs, (places.index, self.input_step))
        products = self.at(self.products, (places.index, self.product_step))
        tiles = Loop(b, number(0), count, most)
        first = self.at(inputs, (tiles.index, self.tile_step))
        starts = [self.at(first, (t, self.tile_step)) for t in range(most)]
        loop = Loop(b, number(0), a["channels"], carried=[self.zeros] * (most * vectors))
        at = self.at(weights, (loop.index, self.width))
        kernel = [self.load(b.gep(at, [number(n * self.lanes)])) for n in range(vectors)]
        sums = []
        for t, start in enumerate(starts):
            value = self.spread(b.load(b.gep(start, [loop.index])))
            for n in range(vectors):
                carried = loop.carried[t * vectors + n]
                sums.append(b.call(self.multiply_add, [value, kernel[n], carried]))
        sums = loop.close(sums)
        for t in range(most):
            target = self.at(products, (b.add(tiles.index, number(t)), self.width))
            for n in range(vectors):
                self.store(sums[t * vectors + n], b.gep(target, [number(n * self.lanes)]))
        tiles.close()
        places.close()

    def _transform_products(self, tile: ir.Value, row: ir.Value, column: ir.Value) -> None:
        b, a, width = self.build, self.a, self.width
        groups = Loop(b, number(0), width, self.lanes)
        mask = self.outputs_of(groups.index)
        start = b.gep(self.at(self.products, (tile, width)), [groups.index])
        values = [self.load(self.at(start, (p, self.product_step))) for p in range(PLACES)]
        window = [values[r * WINDOW : (r + 1) * WINDOW] for r in range(WINDOW)]
        bias = self.load(b.gep(a["bias"], [groups.index]))
        sums = [b.fadd(v, bias) for v in self._both_ways(window, self._output_transform)]
        for name in ADDED:
            loop = Loop(b, number(0), self.is_given(name), carried=sums)
            places = self._outputs(name, row, column, groups.index)
            sums = loop.close(
                [
                    b.fadd(value, self.load_some(place, mask))
                    for value, place in zip(loop.carried, places, strict=True)
                ]
            )
        places = self._outputs("out", row, column, groups.index)
        for value, place in zip(sums, places, strict=True):
            self.store_some(self.activated(value), place, mask)
        groups.close()

    def _outputs(
        self, name: str, row: ir.Value, column: ir.Value, channel: ir.Value
    ) -> list[ir.Value]:
        """Where a tile's outputs are in a map like the result, row by row."""
        a = self.a
        row_step, pixel_step = a[f"{name}_row"], a[f"{name}_pixel"]
        start = self.at(self.build.gep(a[name], [channel]), (row, row_step), (column, pixel_step))
        return [
            self.at(start, (r, row_step), (c, pixel_step)) for r in range(TILE) for c in range(TILE)
        ]
