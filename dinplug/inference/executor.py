"""Run a stage graph tile by tile: the same pixels as the whole image, in bounded memory.

Where memory ends nevertheless, tiles are halved, then maps move to scratch files; finished tiles
are kept.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

import torch
from torch import Tensor

from dinplug import ops
from dinplug.errors import Interrupted, SetupError
from dinplug.inference.allocator import give_freed_memory_back
from dinplug.inference.kept_maps import KeptMaps
from dinplug.inference.moments import TileMoments
from dinplug.inference.out_of_memory import is_out_of_memory
from dinplug.inference.plan import SMALLEST_TILE, ExecutionPlan, TileSize
from dinplug.inference.slots import FLOAT, Slot
from dinplug.inference.store import MemoryMap, ScratchMap, StoredMap
from dinplug.inference.tiling import halves, inside, tiles
from dinplug.networks.shrinking import NEITHER, Ends, shrinking
from dinplug.networks.stages import (
    Span,
    Stage,
    StageGraph,
    StageInput,
    Statistics,
    prepare_attention,
)

LOG = logging.getLogger(__name__)

Tile = tuple[Span, Span]
Moments = dict[tuple[int, int], dict[str, TileMoments]]
"""Those of each finished tile, by its first row and column, then by map."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: `done` of `total` steps, which need not be equally long, now in `stage`."""

    stage: str
    done: int
    total: int


class TiledRun:
    """One run of a graph over one image (1, C, H, W), as planned."""

    def __init__(
        self,
        graph: StageGraph,
        plan: ExecutionPlan,
        image: Tensor,
        output: Tensor,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
        kept: KeptMaps | None = None,
    ) -> None:
        self.graph, self.plan = graph, plan
        self.on_progress, self.should_stop = on_progress, should_stop
        self.kept = kept or KeptMaps()
        self.maps: dict[str, StoredMap] = {
            graph.image.name: MemoryMap(image),
            "output": MemoryMap(output),
        }
        self.specs = graph.maps
        self.statistics: dict[str, Statistics] = {}
        self.pooled = graph.pooled()
        self.storage: dict[int, MemoryMap] = {}
        self.done = 0
        # In pixels: a strip is not much beside a square with context.
        self.total = sum(
            stage.grid.size(plan.height) * stage.grid.size(plan.width) for stage in graph.stages
        )
        self.lock = threading.Lock()
        self.is_short = False
        self.pool = new_pool(plan.workers)

    def run(self) -> None:
        """Run all stages, or raise Interrupted when asked to stop.

        Raises what `is_out_of_memory` knows where not even the smallest tiles fit with all maps in
        scratch files.
        """
        last = self.graph.last_readers()
        try:
            with single_threaded_operators():
                for index, stage in enumerate(self.graph.stages):
                    self._allocate(index)
                    self._run_stage(stage, self.plan.tiles[index])
                    for name in [n for n in self.maps if last.get(n) == index]:
                        del self.maps[name]
                    for number in [n for n in self.storage if self.plan.slots[n].last <= index]:
                        self._release(number)
        finally:
            self.pool.shutdown()

    def _allocate(self, index: int) -> None:
        """Give what a stage writes its place: in use already, kept from before, or new."""
        written = [w.name for w in self.graph.stages[index].writes if w.name != "output"]
        slots = {
            self.plan.slot_of[name]: self.plan.slots[self.plan.slot_of[name]] for name in written
        }
        wanted = {number: slot for number, slot in slots.items() if number not in self.storage}
        for number, slot in wanted.items():
            block = self.kept.take(slot.size // FLOAT) if slot.place == "memory" else None
            if block is not None:
                self.storage[number] = MemoryMap.over(block, *slot.sides)
        self.kept.keep_at_most(self.plan.idle_bytes(index))
        for number, slot in wanted.items():
            if number not in self.storage:
                self.storage[number] = self._new_map(slot)
        for name in written:
            self.maps[name] = self.storage[self.plan.slot_of[name]]

    def _new_map(self, slot: Slot) -> MemoryMap:
        """A slot's map where the plan wants it, or in a scratch file where memory ends."""
        if slot.place == "memory":
            try:
                return MemoryMap.over(self.kept.new(slot.size // FLOAT), *slot.sides)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                LOG.info("out of memory: a map of %d MiB goes to a scratch file", slot.size >> 20)
                return scratch_instead(slot)
        return ScratchMap(*slot.sides)

    def _release(self, number: int) -> None:
        stored = self.storage.pop(number)
        if not isinstance(stored, ScratchMap):
            self.kept.give(stored.block)

    def _run_stage(self, stage: Stage, size: TileSize) -> None:
        with torch.inference_mode():
            attention = prepare_attention(stage, self.statistics)
        height = stage.grid.size(self.plan.height)
        width = stage.grid.size(self.plan.width)
        pending = list(tiles(height, width, *size))
        moments: Moments = {}
        while pending := self._run_tiles(stage, attention, pending, moments):
            pending = self._make_room(stage, pending)
        # Tiles are merged in their own order, whichever finished first.
        ordered = [moments[place] for place in sorted(moments)]
        for name in ordered[0]:
            total = TileMoments.merged([part[name] for part in ordered])
            self.statistics[name] = total.statistics(torch.float32)

    def _run_tiles(
        self, stage: Stage, attention: Tensor | None, pending: list[Tile], moments: Moments
    ) -> list[Tile]:
        """Run the tiles, note their moments, and return those that memory did not suffice for."""
        self.is_short = False
        # Workers run in a copy of this context each: it holds the choice of kernels.
        futures = [
            self.pool.submit(copy_context().run, self._run_tile, stage, attention, rows, columns)
            for rows, columns in pending
        ]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            found = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
        left = []
        for (rows, columns), of_tile in zip(pending, found, strict=True):
            if of_tile is None:
                left.append((rows, columns))
            else:
                moments[rows.start, columns.start] = of_tile
        return left

    def _make_room(self, stage: Stage, pending: list[Tile]) -> list[Tile]:
        """After memory ran out: return the tiles halved, or move a map to a scratch file."""
        # New threads: one in which oneDNN once found no memory never gets any again.
        self.pool.shutdown()
        self.pool = new_pool(self.plan.workers)
        self.kept.keep_at_most(0)
        give_freed_memory_back()
        least = max(SMALLEST_TILE, stage.halo)
        smaller = [half for tile in pending for half in halves(tile, least)]
        if len(smaller) > len(pending):
            LOG.info("out of memory in stage %s: tiles are halved", stage.name)
        elif self._move_largest():
            LOG.info("out of memory in stage %s: a map moves to a scratch file", stage.name)
        else:
            raise torch.OutOfMemoryError(f"stage {stage.name} does not fit")
        return smaller

    def _move_largest(self) -> bool:
        """Move the largest map in memory to a scratch file; False if there is none."""
        slots = self.plan.slots
        kept = [n for n, stored in self.storage.items() if not isinstance(stored, ScratchMap)]
        if not kept:
            return False
        number = max(kept, key=lambda number: slots[number].size)
        slot, before = slots[number], self.storage[number]
        moved = scratch_instead(slot)
        rows, columns = (Span(0, side, side) for side in (slot.height, slot.width))
        moved.write(rows, columns, before.whole)
        self.storage[number] = moved
        for name, stored in self.maps.items():
            if stored is before:
                self.maps[name] = moved
        return True

    def _run_tile(
        self, stage: Stage, attention: Tensor | None, rows: Span, columns: Span
    ) -> dict[str, TileMoments] | None:
        """Run a tile and return its moments; None if memory ran out, here or in another one."""
        if self.should_stop is not None and self.should_stop():
            raise Interrupted("stopped as asked")
        if self.is_short:
            return None
        window = rows.widened(stage.halo), columns.widened(stage.halo)
        moments, parts = {}, []
        try:
            with torch.inference_mode():
                inputs = tuple(
                    self._read(stage, index, *window) for index in range(len(stage.reads))
                )
                ends = [shrinking_ends(stage, side) for side in window]
                with shrinking(*ends):
                    outputs = stage.run(StageInput(inputs, attention, *window))
                for spec, values in zip(stage.writes, outputs, strict=True):
                    step = stage.grid.step_to(spec.grid)
                    part = values[
                        :,
                        :,
                        inside(rows, window[0], step, values.shape[2], ends[0]),
                        inside(columns, window[1], step, values.shape[3], ends[1]),
                    ]
                    if spec.name in self.pooled:
                        moments[spec.name] = TileMoments.of(part, self.pooled[spec.name])
                    parts.append((spec.name, step, part))
                # All that takes memory came before: a tile that failed has written nothing, not
                # even over its own input, and can be done again.
                for name, step, part in parts:
                    self.maps[name].write(rows.refined(step), columns.refined(step), part)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self.is_short = True
            return None
        self._report(stage, rows.size * columns.size)
        return moments

    def _read(self, stage: Stage, index: int, rows: Span, columns: Span) -> Tensor:
        read = stage.reads[index]
        grid = self.specs[read.name].grid
        step = stage.grid.step_to(grid)
        stored = self.maps[read.name]
        # Convolutions of more than a pixel would copy a window of a larger map at every use, but
        # for one of full width, which is a run of memory, and where they read anywhere.
        is_in_place = stage.halo == 0 or columns.size == columns.length
        is_in_place |= stage.strided and ops.reads_anywhere()
        take = stored.view if is_in_place else stored.read
        return take(
            read.span(rows, step, grid.size(self.plan.height)),
            read.span(columns, step, grid.size(self.plan.width)),
        )

    def _report(self, stage: Stage, pixels: int) -> None:
        if self.on_progress is None:
            return
        with self.lock:
            self.done += pixels
            self.on_progress(Progress(stage.name, self.done, self.total))


def shrinking_ends(stage: Stage, window: Span) -> Ends:
    """At which ends of a window a stage's layers leave out their padding.

    At one alone only where they read maps anywhere: most convolutions pad both ends alike.
    """
    ends = window.inner_ends
    at_one = stage.strided and ops.reads_anywhere()
    return ends if stage.shrinks and (all(ends) or at_one) else NEITHER


def scratch_instead(slot: Slot) -> ScratchMap:
    """A scratch file for a map that memory has no room for; OutOfMemoryError if the disk has none.

    A full disk costs a run that was told to use scratch files; here it costs the photo.
    """
    try:
        return ScratchMap(*slot.sides)
    except SetupError as error:
        raise torch.OutOfMemoryError(str(error)) from error


def new_pool(workers: int) -> ThreadPoolExecutor:
    """Threads for tiles, `workers` or as many as there is memory for, which all run already.

    Each is told anew that operators use one thread: OpenMP asks per thread, and ends the process
    where it cannot start its own. RuntimeError where not even one starts.
    """
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    all_run = threading.Barrier(workers)
    try:
        for _ in range(workers):
            pool.submit(all_run.wait)
    except RuntimeError:
        all_run.abort()
        pool.shutdown()
        if workers == 1:
            raise
        return new_pool(workers - 1)
    return pool


@contextmanager
def single_threaded_operators() -> Iterator[None]:
    """Let each operator use one thread: a tile per core beats a core per part of an operator."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
