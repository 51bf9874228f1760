"""Plan a tiled run: tile sides, slots of feature maps, and the peak of memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from dinplug.errors import UsageError
from dinplug.inference.slots import FLOAT, Slot, assign_slots, memory_at, spill
from dinplug.networks.stages import FeatureMap, Grid, Stage, StageGraph

TileSize = tuple[int, int]
"""Rows and columns of a stage's tiles, on its grid."""

TARGET_WORKSPACE, LARGEST_WORKSPACE = 88 << 20, 160 << 20
"""Bytes of one tile's inputs, outputs and workspace, which decide its side: the second where tiles
are many. A worker keeps the most that any stage took, beside the maps of all later ones."""
MANY_TILES = 12
"""Tiles that are enough to keep cores busy; not the cores there are, so that all round alike."""
OPERATOR_SHARE = 3.0
"""Measured: what convolutions take beside their inputs and outputs, and freed blocks kept."""
STRIP_PIXELS = 16384
"""Measured: rows of full width with about so many pixels stay in a processor's caches, and are
whole runs of memory that operators need not copy."""
LARGEST_STRIP = 16 << 20
"""Bytes of such rows, inputs, outputs and workspace: more gain no time and make the heap larger."""
SMALLEST_TILE, LARGEST_TILE = 16, 256
"""Limits of the tile side that is chosen by itself, in pixels of the stage's grid."""
LARGEST_TILE_HALOS = 64
"""The same in halos, above which a side gains no time and costs memory (measured)."""
LARGEST_SHRINKING = 128
"""The same where windows shrink, and so have but half of the halo's work, and are copied."""
UNCUT = 128
"""The longest side, on the stage's grid, of a picture that is not cut for the cores' sake alone."""


@dataclass(frozen=True)
class ExecutionPlan:
    """How a graph runs over an image of `height` x `width` (padded) pixels.

    `tiles` and `tile_counts` are per stage, on its grid; `slots[slot_of[name]]` is where a map
    lives; `outputs` is what the output takes in memory at each stage, `fixed_bytes` what that needs
    besides maps: pixels, workspace and the output.
    `str()` describes the plan for a person.
    """

    height: int
    width: int
    tiles: tuple[TileSize, ...]
    tile_counts: tuple[int, ...]
    slots: tuple[Slot, ...]
    slot_of: dict[str, int]
    workers: int
    outputs: tuple[int, ...]
    fixed_bytes: tuple[int, ...]

    @property
    def scratch_bytes(self) -> int:
        """Size of all scratch files together."""
        return sum(slot.size for slot in self.slots if slot.place == "scratch")

    @cached_property
    def map_bytes(self) -> int:
        """Most memory that feature maps take at once."""
        return max(memory_at(self.slots, stage) for stage in range(len(self.tiles)))

    @cached_property
    def _whole_bytes(self) -> int:
        """Most memory that feature maps and the output take at once."""
        return max(
            memory_at(self.slots, stage) + output for stage, output in enumerate(self.outputs)
        )

    @cached_property
    def peak_bytes(self) -> int:
        """Predicted peak of memory over what the process held before."""
        return max(
            memory_at(self.slots, stage) + fixed for stage, fixed in enumerate(self.fixed_bytes)
        )

    def idle_bytes(self, stage: int) -> int:
        """What maps that are done with may take while `stage` runs, for the peak to stay."""
        # Workspace is left out: the heap keeps the most that any stage took.
        whole = self._whole_bytes - self.outputs[stage]
        return min(whole, self.peak_bytes - self.fixed_bytes[stage]) - memory_at(self.slots, stage)

    def __str__(self) -> str:
        rows = sorted({rows for rows, _ in self.tiles})
        heights = f"{rows[0]}" if len(rows) == 1 else f"{rows[0]} to {rows[-1]}"
        scratch = (
            f", {readable_size(self.scratch_bytes)} scratch file" if self.scratch_bytes else ""
        )
        return (
            f"{len(self.tiles)} stages, {sum(self.tile_counts)} tiles of {heights} rows, "
            f"feature maps {readable_size(self.map_bytes)} in memory{scratch}, "
            f"predicted peak {readable_size(self.peak_bytes)}"
        )


def readable_size(size: int) -> str:
    """Bytes as a person reads them."""
    if size >= 2**30:
        return f"{size / 2**30:.2f} GiB"
    return f"{size / 2**20:.0f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"


def plan_execution(
    graph: StageGraph,
    height: int,
    width: int,
    *,
    tile: int | None = None,
    max_memory: int | None = None,
    workers: int = 1,
    held_bytes: int = 0,
) -> ExecutionPlan:
    """Plan `graph` over an image of `height` x `width` pixels.

    `tile` is the largest tile side in input pixels (chosen per stage if None), `max_memory` the
    most bytes the run may take on top of what the process holds, `held_bytes` what the caller's
    pixels (the image and copies of it) and packed layers take throughout. The output is counted
    from the stage that writes it on, since memory is taken when it is first touched.

    Raises UsageError if not even the smallest tiles with all maps on disk fit `max_memory`.
    """
    slots, slot_of = assign_slots(graph, height, width)
    outputs = tuple(output_bytes(stage, height, width) for stage in graph.stages)
    maps = graph.maps
    limit = LARGEST_TILE
    while True:
        tiles = tuple(
            stage_tile(stage, height, width, tile, limit, values_of_tile(stage, maps))
            for stage in graph.stages
        )
        counts = tuple(
            count_tiles(stage, height, width, size)
            for stage, size in zip(graph.stages, tiles, strict=True)
        )
        fixed = tuple(
            held_bytes + workers * workspace + output
            for workspace, output in zip(
                workspaces(graph, height, width, tiles), outputs, strict=True
            )
        )
        plan = ExecutionPlan(height, width, tiles, counts, slots, slot_of, workers, outputs, fixed)
        if max_memory is None:
            return plan
        if max(fixed) <= max_memory:
            return replace(plan, slots=spill(slots, [max_memory - bytes_ for bytes_ in fixed]))
        if limit <= SMALLEST_TILE or tile is not None:
            smaller = " or a smaller --tile" if tile is not None else ""
            raise UsageError(
                f"{readable_size(max_memory)} are too little for a photo of {width} x {height} "
                f"pixels: give --max-memory at least {readable_size(max(fixed))}{smaller}"
            )
        limit //= 2


def stage_tile(
    stage: Stage, height: int, width: int, tile: int | None, limit: int, values: int
) -> TileSize:
    """A stage's tiles on its own grid: squares as asked, strips without context, or good squares.

    `limit` is the largest side of squares, and bounds the pixels of strips alike; `values` are
    those of a tile for each pixel of its window.
    """
    if tile is not None:
        side = max(1, tile * stage.grid.size(height) // height)
        return side, side
    if stage.is_pointwise:
        columns = stage.grid.size(width)
        pixels = min(STRIP_PIXELS, limit * limit, LARGEST_STRIP // (values * FLOAT))
        return max(1, pixels // columns), columns
    longest = stage.grid.size(max(height, width))
    pieces = max(-(-longest // largest_side(stage, limit)), 1 if longest <= UNCUT else 2)
    while True:
        side = -(-longest // pieces)
        if side <= SMALLEST_TILE or is_good_side(stage, height, width, side, values):
            return side, side
        pieces += 1


def largest_side(stage: Stage, limit: int) -> int:
    """Above which squares of a stage gain no time, but at most `limit`."""
    by_halo = LARGEST_TILE_HALOS * stage.halo if stage.halo else limit
    by_shrinking = LARGEST_SHRINKING if stage.shrinks and not stage.strided else limit
    return min(limit, by_halo, by_shrinking)


def is_good_side(stage: Stage, height: int, width: int, side: int, values: int) -> bool:
    """Whether squares of this side fit in the workspace."""
    size = (side, side)
    count = count_tiles(stage, height, width, size)
    pixels = window_pixels(stage, height, width, size)
    most = LARGEST_WORKSPACE if count >= MANY_TILES else TARGET_WORKSPACE
    return values * pixels * FLOAT <= most


def count_tiles(stage: Stage, height: int, width: int, size: TileSize) -> int:
    """How many tiles of a size a stage has."""
    rows, columns = size
    return -(-stage.grid.size(height) // rows) * -(-stage.grid.size(width) // columns)


def workspaces(
    graph: StageGraph, height: int, width: int, tiles: tuple[TileSize, ...]
) -> Iterator[int]:
    """Bytes one tile of each stage takes: inputs, outputs and what lies between."""
    maps = graph.maps
    for stage, size in zip(graph.stages, tiles, strict=True):
        pixels = window_pixels(stage, height, width, size)
        yield int(OPERATOR_SHARE * values_of_tile(stage, maps) * pixels * FLOAT)


def values_of_tile(stage: Stage, maps: Mapping[str, FeatureMap]) -> int:
    """Values for each pixel of a stage's window: inputs, outputs and what lies between."""
    ends = [maps[read.name] for read in stage.reads] + list(stage.writes)
    return stage.workspace + sum(values_per_pixel(m, stage.grid) for m in ends)


def window_pixels(stage: Stage, height: int, width: int, size: TileSize) -> int:
    """Pixels of the largest tile and its halo, cut off at the borders."""
    pixels = 1
    for side, length in zip(size, (height, width), strict=True):
        whole = stage.grid.size(length)
        largest = -(-whole // -(-whole // side))
        pixels *= min(largest + 2 * stage.halo, whole)
    return pixels


def values_per_pixel(feature_map: FeatureMap, grid: Grid) -> int:
    """Values of a map that lie under one pixel of `grid`."""
    return feature_map.channels * grid.step_to(feature_map.grid) ** 2


def output_bytes(stage: Stage, height: int, width: int) -> int:
    """Bytes of the output if this stage writes it."""
    return sum(
        m.channels * m.grid.size(height) * m.grid.size(width) * FLOAT
        for m in stage.writes
        if m.name == "output"
    )
