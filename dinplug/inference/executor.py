"""Run a stage graph tile by tile: the same pixels as the whole image, in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass

import torch
from torch import Tensor

from dinplug.errors import Interrupted
from dinplug.inference.moments import TileMoments
from dinplug.inference.plan import ExecutionPlan
from dinplug.inference.store import MemoryMap, ScratchMap, StoredMap
from dinplug.inference.tiling import inside, tiles
from dinplug.networks.stages import (
    Span,
    Stage,
    StageGraph,
    StageInput,
    Statistics,
    prepare_attention,
)


@dataclass(frozen=True)
class Progress:
    """How far a run is: tiles `done` of `total`, now in `stage`."""

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
    ) -> None:
        self.graph, self.plan = graph, plan
        self.on_progress, self.should_stop = on_progress, should_stop
        self.device = image.device
        self.maps: dict[str, StoredMap] = {
            graph.image.name: MemoryMap(image),
            "output": MemoryMap(output),
        }
        self.specs = graph.maps
        self.statistics: dict[str, Statistics] = {}
        self.pooled = graph.pooled()
        self.storage: dict[int, StoredMap] = {}
        self.done = 0
        self.lock = threading.Lock()

    def run(self) -> None:
        """Run all stages, or raise Interrupted when asked to stop."""
        last = self.graph.last_readers()
        with ThreadPoolExecutor(self.plan.workers) as pool, single_threaded_operators():
            for index, stage in enumerate(self.graph.stages):
                self._allocate(stage)
                self._run_stage(pool, stage, self.plan.tile_sides[index])
                for name in [n for n in self.maps if last.get(n) == index]:
                    del self.maps[name]
                for number in [n for n in self.storage if self.plan.slots[n].last <= index]:
                    del self.storage[number]

    def _allocate(self, stage: Stage) -> None:
        for written in stage.writes:
            if written.name == "output":
                continue
            number = self.plan.slot_of[written.name]
            if number not in self.storage:
                slot = self.plan.slots[number]
                size = (slot.channels, slot.height, slot.width)
                self.storage[number] = (
                    MemoryMap.empty(*size, self.device)
                    if slot.place == "memory"
                    else ScratchMap(*size)
                )
            self.maps[written.name] = self.storage[number]

    def _run_stage(self, pool: ThreadPoolExecutor, stage: Stage, side: int) -> None:
        with torch.inference_mode():
            attention = prepare_attention(stage, self.statistics)
        height = stage.grid.size(self.plan.height)
        width = stage.grid.size(self.plan.width)
        places = list(tiles(height, width, side))
        # Workers run in a copy of this context each: it holds the choice of kernels.
        futures = [
            pool.submit(copy_context().run, self._run_tile, stage, attention, rows, columns)
            for rows, columns in places
        ]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            moments = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
        # Tiles are merged in their own order, whichever finished first.
        for name in moments[0]:
            total = TileMoments.merged([part[name] for part in moments])
            self.statistics[name] = total.statistics(torch.float32)

    def _run_tile(
        self, stage: Stage, attention: Tensor | None, rows: Span, columns: Span
    ) -> dict[str, TileMoments]:
        if self.should_stop is not None and self.should_stop():
            raise Interrupted("stopped as asked")
        window_rows, window_columns = rows.widened(stage.halo), columns.widened(stage.halo)
        moments = {}
        with torch.inference_mode():
            inputs = tuple(
                self._read(stage, index, window_rows, window_columns)
                for index in range(len(stage.reads))
            )
            outputs = stage.run(StageInput(inputs, attention, window_rows, window_columns))
            for spec, values in zip(stage.writes, outputs, strict=True):
                step = stage.grid.step_to(spec.grid)
                part = values[
                    :, :, inside(rows, window_rows, step), inside(columns, window_columns, step)
                ]
                self.maps[spec.name].write(rows.refined(step), columns.refined(step), part)
                if spec.name in self.pooled:
                    moments[spec.name] = TileMoments.of(part, self.pooled[spec.name])
        self._report(stage)
        return moments

    def _read(self, stage: Stage, index: int, rows: Span, columns: Span) -> Tensor:
        read = stage.reads[index]
        grid = self.specs[read.name].grid
        step = stage.grid.step_to(grid)
        stored = self.maps[read.name]
        # Convolutions of more than a pixel would copy a window of a larger map at every use.
        take = stored.read if stage.halo else stored.view
        window = take(
            read.span(rows, step, grid.size(self.plan.height)),
            read.span(columns, step, grid.size(self.plan.width)),
        )
        return window.to(self.device)  # a scratch map is in host memory

    def _report(self, stage: Stage) -> None:
        if self.on_progress is None:
            return
        with self.lock:
            self.done += 1
            self.on_progress(Progress(stage.name, self.done, sum(self.plan.tile_counts)))


@contextmanager
def single_threaded_operators() -> Iterator[None]:
    """Let each operator use one thread: a tile per core beats a core per part of an operator."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
