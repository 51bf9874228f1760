"""Run a typed stage graph on a device: maps there while they fit, else streamed from the host.

Work is queued without waiting for it. While a tile is computed the next one's maps come and the
last one's go, through two buffers each. Where the device's memory ends tiles are halved, then maps
move to the host; finished tiles are kept.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dinplug.errors import Interrupted
from dinplug.inference.device_maps import DeviceMaps, pixels, view_of
from dinplug.inference.device_plan import DevicePlan
from dinplug.inference.executor import Progress
from dinplug.inference.lanes import Lanes, Mark
from dinplug.inference.moments import TileMoments
from dinplug.inference.precision import TypedGraph
from dinplug.inference.stage_graphs import StageRunner
from dinplug.inference.tiling import halves, inside, tiles
from dinplug.networks.stages import (
    FeatureMap,
    Span,
    Stage,
    StageInput,
    Statistics,
    prepare_attention,
)

LOG = logging.getLogger(__name__)
AHEAD = 2
"""Tiles that may be queued before the caller waits for the first of them."""
LEAST_SIDE, LEAST_HALOS = 32, 4
"""Tiles are halved down to this side, or to so many halos if that is more."""

Tile = tuple[Span, Span]
Moments = list[dict[str, TileMoments]]
"""Those of each finished tile, by map."""


@dataclass
class Buffers:
    """Memory of the device for the windows of one tile whose maps are on the host.

    `read` is by the number of the stage's read, `written` by the map's name; both flat. They are
    free once the marks are passed.
    """

    read: dict[int, Tensor] = field(default_factory=dict)
    written: dict[str, Tensor] = field(default_factory=dict)
    read_marks: list[Mark] = field(default_factory=list)
    written_marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True)
class StageWork:
    """A stage as it runs now, number `index` of its graph."""

    index: int
    stage: Stage
    attention: Tensor | None

    def window(self, tile: Tile) -> Tile:
        """A tile with its halo."""
        rows, columns = tile
        return rows.widened(self.stage.halo), columns.widened(self.stage.halo)


class DeviceRun:
    """One run of a graph over one image (1, C, H, W) of the host, as planned.

    `output` is memory of the host for the result.
    """

    def __init__(
        self,
        typed: TypedGraph,
        plan: DevicePlan,
        image: Tensor,
        output: Tensor,
        lanes: Lanes,
        runner: StageRunner,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self.typed, self.plan, self.graph = typed, plan, typed.graph
        self.lanes, self.runner = lanes, runner
        self.on_progress, self.should_stop = on_progress, should_stop
        self.specs, self.types = self.graph.maps, typed.map_types()
        self.pooled = self.graph.pooled()
        self.maps = DeviceMaps(plan, self.types, image, output, lanes)
        self.statistics: dict[str, Statistics] = {}
        self.is_finite = torch.ones((), dtype=torch.bool, device=lanes.device)
        self.queued: deque[tuple[Mark, str]] = deque()
        self.total, self.done, self.halvings = sum(plan.tile_counts), 0, 0

    def run(self) -> bool:
        """Run all stages; False if the result of a half precision has values that are not finite.

        Raises Interrupted when asked to stop, OutOfMemoryError where not even the smallest tiles
        fit with all maps on the host.
        """
        try:
            with torch.inference_mode():
                self.maps.bring_image()
                for index, stage in enumerate(self.graph.stages):
                    attention = prepare_attention(stage, self.statistics)
                    self._run_stage(StageWork(index, stage, attention))
                    self.maps.drop_after(index)
                self.maps.move_to_host("output")
        finally:
            self.lanes.finish()
        self._report(until=0)
        return bool(self.is_finite)

    def _run_stage(self, work: StageWork) -> None:
        stage, moments = work.stage, Moments()
        height, width = (stage.grid.size(side) for side in (self.plan.height, self.plan.width))
        pending = deque(tiles(height, width, *self.plan.tiles[work.index]))
        for _ in range(self.halvings):
            self._halve(stage, pending)
        while pending:
            if not self._run_tiles(work, pending, moments):
                self._make_room(stage, pending)
        for name in moments[0]:
            total = TileMoments.merged([part[name] for part in moments])
            self.statistics[name] = total.statistics(torch.float32)

    def _halve(self, stage: Stage, pending: deque[Tile]) -> bool:
        """Halve the tiles to come; False if they are small enough already."""
        least = max(LEAST_SIDE, LEAST_HALOS * stage.halo)
        smaller = [half for tile in pending for half in halves(tile, least)]
        more = len(smaller) - len(pending)
        self.total += more
        pending.clear()
        pending.extend(smaller)
        return more > 0

    def _make_room(self, stage: Stage, pending: deque[Tile]) -> None:
        """After memory ran out: halve the tiles to come, else move a map to the host."""
        self.lanes.finish()
        self.runner.forget()
        if self._halve(stage, pending):
            self.halvings += 1
            LOG.info("out of memory in stage %s: tiles are halved", stage.name)
        elif self.maps.move_largest():
            self.lanes.finish()
            LOG.info("out of memory in stage %s: a map moves to the host", stage.name)
        else:
            raise torch.OutOfMemoryError(f"stage {stage.name} does not fit")
        self.lanes.release()

    def _run_tiles(self, work: StageWork, pending: deque[Tile], moments: Moments) -> bool:
        """Queue the tiles, each taken from `pending` once it is; False where memory ran out."""
        try:
            self._queue_tiles(work, pending, moments)
        except torch.OutOfMemoryError:
            return False
        return True

    def _queue_tiles(self, work: StageWork, pending: deque[Tile], moments: Moments) -> None:
        coming = list(pending)
        is_whole = len(coming) == 1 and not moments
        for written in work.stage.writes:
            self.maps.place(written.name, adopts=is_whole)
        ring = [self._buffers(work, coming) for _ in coming[:2]]
        if ring[0].read:
            self.lanes.finish()  # the processor may gather parts of the host's maps
        self.lanes.meet()
        arrived = self._upload(work, coming[0], ring[0])
        for number, tile in enumerate(coming):
            if self.should_stop is not None and self.should_stop():
                raise Interrupted("stopped as asked")
            buffers, after = ring[number % 2], arrived
            if number + 1 < len(coming):
                arrived = self._upload(work, coming[number + 1], ring[(number + 1) % 2])
            computed = self._compute(work, tile, buffers, after, moments, is_whole=is_whole)
            over = self._download(work.stage, tile, buffers, computed)
            pending.popleft()
            self.queued.append((over, work.stage.name))
            self._report(until=AHEAD)
        self.lanes.meet()

    def _buffers(self, work: StageWork, coming: list[Tile]) -> Buffers:
        """Memory for the largest of the tiles."""
        buffers = Buffers()
        for number, read in enumerate(work.stage.reads):
            if self.maps.is_on_host(read.name):
                spans = [self._source(work, number, tile) for tile in coming]
                buffers.read[number] = self._flat(read.name, spans)
        for written in work.stage.writes:
            if self.maps.is_on_host(written.name):
                spans = [self._target(work.stage, written, tile) for tile in coming]
                buffers.written[written.name] = self._flat(written.name, spans)
        return buffers

    def _flat(self, name: str, places: list[Tile]) -> Tensor:
        """Memory of the device for the largest of some parts of a map."""
        most = max(rows.size * columns.size for rows, columns in places)
        values = most * self.specs[name].channels
        return torch.empty(values, dtype=self.types[name], device=self.lanes.device)

    def _source(self, work: StageWork, number: int, tile: Tile) -> Tile:
        """What the stage's read of this number needs for a tile."""
        read = work.stage.reads[number]
        grid = self.specs[read.name].grid
        step = work.stage.grid.step_to(grid)
        rows, columns = work.window(tile)
        return (
            read.span(rows, step, grid.size(self.plan.height)),
            read.span(columns, step, grid.size(self.plan.width)),
        )

    @staticmethod
    def _target(stage: Stage, written: FeatureMap, tile: Tile) -> Tile:
        """What of a written map a tile makes."""
        step = stage.grid.step_to(written.grid)
        rows, columns = tile
        return rows.refined(step), columns.refined(step)

    def _upload(self, work: StageWork, tile: Tile, buffers: Buffers) -> list[Mark]:
        """Queue the copies of what the tile needs of the host's maps."""
        if not buffers.read:
            return []

        def copy_windows() -> None:
            for number, flat in buffers.read.items():
                stored = self.maps[work.stage.reads[number].name]
                source = stored.read(*self._source(work, number, tile))
                pixels(view_of(flat, source.shape)).copy_(pixels(source), non_blocking=True)

        return [self.lanes.submit("upload", copy_windows, buffers.read_marks)]

    def _compute(
        self,
        work: StageWork,
        tile: Tile,
        buffers: Buffers,
        after: list[Mark],
        moments: Moments,
        *,
        is_whole: bool,
    ) -> Mark:
        """Queue the computation of a tile; `is_whole`: it is all there is of its maps."""

        def compute() -> None:
            moments.append(self._computed(work, tile, buffers, is_whole=is_whole))

        mark = self.lanes.submit("compute", compute, [*after, *buffers.written_marks])
        buffers.read_marks = [mark]
        return mark

    def _computed(
        self, work: StageWork, tile: Tile, buffers: Buffers, *, is_whole: bool
    ) -> dict[str, TileMoments]:
        """Compute a tile, write it, and return its moments.

        All that takes memory comes before the first write: a tile that failed can be done again,
        also where it would have written over its own input.
        """
        stage, window = work.stage, work.window(tile)
        inputs = tuple(
            self._window(work, number, tile, buffers) for number in range(len(stage.reads))
        )
        dtype = self.typed.input_type(work.index)
        typed = inputs if dtype is None else tuple(x.to(dtype) for x in inputs)
        outputs = self.runner.run(stage, StageInput(typed, work.attention, *window))
        parts, moments = [], {}
        for written, values in zip(stage.writes, outputs, strict=True):
            name, step = written.name, stage.grid.step_to(written.grid)
            rows, columns = (inside(*sides, step) for sides in zip(tile, window, strict=True))
            part = values[:, :, rows, columns]
            if name in self.pooled:
                moments[name] = TileMoments.of(part, self.pooled[name])
            if name == "output" and self.typed.half is not None:
                self.is_finite = self.is_finite & part.isfinite().all()
            if is_whole and not self.maps.is_on_host(name):
                part = owned(part.to(self.types[name]), inputs)
            parts.append(part)
        for written, part in zip(stage.writes, parts, strict=True):
            if written.name in buffers.written:
                pixels(view_of(buffers.written[written.name], part.shape)).copy_(pixels(part))
            elif is_whole:
                self.maps.adopt(written.name, part)
            else:
                self.maps[written.name].write(*self._target(stage, written, tile), part)
        return moments

    def _window(self, work: StageWork, number: int, tile: Tile, buffers: Buffers) -> Tensor:
        """What a tile reads from one map, in its buffer or in place."""
        name = work.stage.reads[number].name
        rows, columns = self._source(work, number, tile)
        if number not in buffers.read:
            return self.maps[name].read(rows, columns)
        size = (1, self.specs[name].channels, rows.size, columns.size)
        return view_of(buffers.read[number], size)

    def _download(self, stage: Stage, tile: Tile, buffers: Buffers, computed: Mark) -> Mark:
        """Queue the copies of what the host keeps; return when the tile is over."""
        if not buffers.written:
            return computed

        def copy_results() -> None:
            for written in stage.writes:
                if written.name in buffers.written:
                    rows, columns = self._target(stage, written, tile)
                    size = (1, written.channels, rows.size, columns.size)
                    values = view_of(buffers.written[written.name], size)
                    self.maps[written.name].write(rows, columns, values)

        mark = self.lanes.submit("download", copy_results, [computed])
        buffers.written_marks = [mark]
        return mark

    def _report(self, until: int) -> None:
        """Wait for tiles until no more than `until` are under way, and tell of them."""
        while len(self.queued) > until:
            mark, stage = self.queued.popleft()
            self.lanes.wait(mark)
            self.done += 1
            if self.on_progress is not None:
                self.on_progress(Progress(stage, self.done, self.total))


def owned(values: Tensor, inputs: Sequence[Tensor]) -> Tensor:
    """`values` in channels-last order and in memory of their own size that no input shares."""
    dense = values.contiguous(memory_format=torch.channels_last)
    storage = dense.untyped_storage()
    shared = {x.untyped_storage().data_ptr() for x in inputs}
    if storage.nbytes() > dense.nbytes or storage.data_ptr() in shared:
        return dense.clone(memory_format=torch.channels_last)
    return dense
