"""Plan a run on a device with memory of its own: strips, and which maps stay on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from dinplug.errors import UsageError
from dinplug.inference.plan import (
    TileSize,
    count_tiles,
    readable_size,
    values_per_pixel,
    window_pixels,
)
from dinplug.inference.precision import TypedGraph
from dinplug.inference.slots import FLOAT, Place, Slot, assign_slots, memory_at, spill
from dinplug.networks.stages import Stage

LARGEST_AREA = 1 << 22
"""Pixels of a tile at most, on the stage's grid: beyond it halos cost next to nothing."""
SMALLEST_AREA = 1 << 12
LARGEST_SPACE, SMALLEST_SPACE = 8 << 30, 1 << 20
"""Bytes that a tile's work may take: tried from the largest down, by halves."""
GOOD_SPACE = 128 << 20
"""The same, down to which smaller tiles are better than maps in the host's memory."""
STRIP_HALOS = 8
"""Rows of a strip, in halos, below which it is cut in width as well."""
OPERATOR_SHARE = 2.0
"""What operators take beside their inputs and outputs, and freed blocks kept. Not measured yet."""
ENDS = 2
"""Image and output are the last two slots."""


@dataclass(frozen=True)
class DevicePlan:
    """How a typed graph runs over an image of `height` x `width` (padded) pixels.

    `tiles` are the rows and columns of each stage's tiles, on its grid. A map lives in
    `slots[slot_of[name]]`, image and output too: on the device, in the host's memory or in a
    scratch file. `fixed_bytes` is what each stage needs on the device besides maps, weights
    included; `pixel_bytes` what the image and the result take of the host's memory. `str()`
    describes the plan for a person.
    """

    height: int
    width: int
    precision: str
    tiles: tuple[TileSize, ...]
    tile_counts: tuple[int, ...]
    slots: tuple[Slot, ...]
    slot_of: dict[str, int]
    fixed_bytes: tuple[int, ...]
    pixel_bytes: int

    @property
    def device_bytes(self) -> int:
        """Predicted peak of the device's memory."""
        return max(
            memory_at(self.slots, stage, "device") + fixed
            for stage, fixed in enumerate(self.fixed_bytes)
        )

    @property
    def peak_bytes(self) -> int:
        """Predicted peak of the host's memory over what the process held before."""
        return self.pixel_bytes + self.host_bytes("memory")

    def host_bytes(self, place: Place) -> int:
        """Most bytes of feature maps that are at once in a place of the host's."""
        inner = self.slots[:-ENDS]
        return max(memory_at(inner, stage, place) for stage in range(len(self.tiles)))

    def __str__(self) -> str:
        rows = sorted({rows for rows, _ in self.tiles})
        heights = f"{rows[0]}" if len(rows) == 1 else f"{rows[0]} to {rows[-1]}"
        memory, scratch = self.host_bytes("memory"), self.host_bytes("scratch")
        return (
            f"{len(self.tiles)} stages in {self.precision}, {sum(self.tile_counts)} tiles of "
            f"{heights} rows, predicted peak on the device {readable_size(self.device_bytes)}"
            + (f", feature maps {readable_size(memory)} in the host's memory" if memory else "")
            + (f", {readable_size(scratch)} in scratch files" if scratch else "")
        )


def plan_device_run(
    typed: TypedGraph,
    height: int,
    width: int,
    *,
    tile: int | None = None,
    max_vram: int | None = None,
    max_memory: int | None = None,
    weight_bytes: int = 0,
    pixel_bytes: int = 0,
) -> DevicePlan:
    """Plan `typed` over an image of `height` x `width` pixels.

    `tile` is the largest tile side in input pixels; None: strips as large as is good. `max_vram`
    bounds the device's memory, of which `weight_bytes` are the network's; `max_memory` bounds the
    host's, of which `pixel_bytes` are the image's and its copies'. Maps stay on the device while
    tiles of a good size fit beside them; else the largest go to the host's memory, and from there
    to scratch files.

    Raises UsageError if not even the smallest tiles fit.
    """
    slots, slot_of = device_slots(typed, height, width)
    stages = len(typed.full.stages)
    spaces = list(halves_of(LARGEST_SPACE, SMALLEST_SPACE)) if tile is None else [0]
    choices = []
    for space in spaces:
        tiles = [best_tile(typed, k, height, width, tile, space) for k in range(stages)]
        fixed = [weight_bytes + workspace(typed, k, height, width, t) for k, t in enumerate(tiles)]
        choices.append((tuple(tiles), tuple(fixed)))
    sizes, fixed_bytes = choices[0]
    if max_vram is not None:
        good = [c for c, space in zip(choices, spaces, strict=True) if space >= GOOD_SPACE]
        fitting = [c for c in good if fits(slots, c[1], max_vram)]
        # Half of the budget for the tiles leaves room for some maps.
        fitting += [c for c in choices if max(c[1]) <= max_vram // 2]
        fitting += [c for c in choices if max(c[1]) <= max_vram]
        if not fitting:
            least = max(choices[-1][1])
            raise too_little("--max-vram", max_vram, least, height, width, tile is not None)
        sizes, fixed_bytes = fitting[0]
        slots = spill(slots, [max_vram - size for size in fixed_bytes], "device", "memory")
    pixels = pixel_bytes + slots[slot_of["output"]].size
    if max_memory is not None:
        if pixels > max_memory:
            raise too_little("--max-memory", max_memory, pixels, height, width, False)
        budgets = [max_memory - pixels] * stages
        slots = spill(slots[:-ENDS], budgets) + slots[-ENDS:]
    counts = tuple(
        count_tiles(stage, height, width, size)
        for stage, size in zip(typed.full.stages, sizes, strict=True)
    )
    words = typed.described()
    return DevicePlan(height, width, words, sizes, counts, slots, slot_of, fixed_bytes, pixels)


def device_slots(
    typed: TypedGraph, height: int, width: int
) -> tuple[tuple[Slot, ...], dict[str, int]]:
    """A slot on the device for every map, in its type; those of image and output come last."""
    graph = typed.full
    value_bytes = {name: dtype.itemsize for name, dtype in typed.map_types().items()}
    inner, slot_of = assign_slots(graph, height, width, value_bytes)
    last, stages = graph.last_readers(), len(graph.stages)
    writer = next(
        index
        for index, stage in enumerate(graph.stages)
        if "output" in {written.name for written in stage.writes}
    )
    lives = {graph.image.name: (0, last[graph.image.name]), "output": (writer, stages)}
    maps = graph.maps
    ends = [
        Slot(maps[n].channels, maps[n].grid.size(height), maps[n].grid.size(width), *life)
        for n, life in lives.items()
    ]
    numbers = {name: len(inner) + place for place, name in enumerate(lives)}
    slots = tuple(
        Slot(s.channels, s.height, s.width, s.first, s.last, "device", s.value_bytes)
        for s in (*inner, *ends)
    )
    return slots, {**slot_of, **numbers}


def halves_of(largest: int, smallest: int) -> Iterator[int]:
    """`largest`, its half, and so on, down to `smallest`."""
    while largest >= smallest:
        yield largest
        largest //= 2


def best_tile(
    typed: TypedGraph, index: int, height: int, width: int, tile: int | None, space: int
) -> TileSize:
    """The largest tile of a stage whose work takes no more than `space`, or the smallest."""
    stage, size = typed.full.stages[index], (1, 1)
    for area in halves_of(LARGEST_AREA, SMALLEST_AREA):
        size = tile_size(stage, height, width, tile, area)
        if workspace(typed, index, height, width, size) <= space:
            break
    return size


def tile_size(stage: Stage, height: int, width: int, tile: int | None, area: int) -> TileSize:
    """Rows and columns of a stage's tiles on its own grid: as asked, or about `area` pixels.

    Strips of full width where they are not too flat for the halo: their windows are whole runs of
    memory, of few different shapes.
    """
    rows, columns = stage.grid.size(height), stage.grid.size(width)
    if tile is not None:
        side = max(1, tile * rows // height)
        return min(side, rows), min(side, columns)
    strip = area // columns
    if strip >= min(rows, max(1, STRIP_HALOS * stage.halo)):
        return min(strip, rows), columns
    side = math.isqrt(area)
    return min(side, rows), min(max(side, area // min(side, rows)), columns)


def workspace(typed: TypedGraph, index: int, height: int, width: int, tile: TileSize) -> int:
    """Bytes that a tile of a stage takes: inputs, outputs and what lies between.

    The share counts inputs and outputs twice at least: the next tile's come and the last one's go
    meanwhile.
    """
    maps, stage = typed.full.maps, typed.full.stages[index]
    ends = [maps[read.name] for read in stage.reads] + list(stage.writes)
    moved = sum(values_per_pixel(m, stage.grid) for m in ends)
    inner = typed.input_type(index)
    wide = FLOAT if inner is None else inner.itemsize
    window = window_pixels(stage, height, width, tile)
    return int(OPERATOR_SHARE * (stage.workspace + moved)) * window * wide


def fits(slots: tuple[Slot, ...], fixed: tuple[int, ...], budget: int) -> bool:
    """Whether all maps fit on the device beside the work of each stage."""
    return all(
        memory_at(slots, stage, "device") + size <= budget for stage, size in enumerate(fixed)
    )


def too_little(
    option: str, given: int, needed: int, height: int, width: int, has_tile: bool
) -> UsageError:
    """The error for a budget that no plan fits."""
    smaller = " or a smaller --tile" if has_tile else ""
    return UsageError(
        f"{readable_size(given)} are too little for a photo of {width} x {height} pixels: "
        f"give {option} at least {readable_size(needed)}{smaller}"
    )
