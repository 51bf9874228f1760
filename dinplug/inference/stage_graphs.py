"""CUDA graphs: a stage's launches recorded once and started as one, where shapes repeat.

A small tile takes the device less time than launching its operators takes the host. The first tile
of a shape runs as it is, which compiles kernels and measures convolutions; the second is recorded;
from then on its inputs are copied to where the recording reads them, and it is replayed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from dinplug.networks.stages import Read, Stage, StageInput
from dinplug.ops import kernel_choice

LOG = logging.getLogger(__name__)
LARGEST_RECORDED = 1 << 18
"""Pixels of a window at most: above, the device is busy long enough, and copies would cost."""

Outputs = tuple[Tensor, ...]


class StageRunner(Protocol):
    """Runs stages on windows."""

    def run(self, stage: Stage, x: StageInput) -> Outputs:
        """The stage's outputs, which nothing else uses."""

    def forget(self) -> None:
        """Give back all memory held from one run to the next."""


class PlainStages:
    """Runs every stage as it is."""

    def run(self, stage: Stage, x: StageInput) -> Outputs:
        return stage.run(x)

    def forget(self) -> None:
        pass


@dataclass(frozen=True)
class Recording:
    """A recorded stage: where it reads and writes, and what starts it."""

    inputs: StageInput
    outputs: Outputs
    replay: Callable[[], None]


Record = Callable[[Callable[[], Outputs]], tuple[Outputs, Callable[[], None]]]
"""Runs work once, recorded; returns its outputs and what makes them anew."""


class RecordedStages:
    """Runs stages by recordings where a shape comes back; `record` makes one."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.recordings: dict[Hashable, Recording | None] = {}
        """By case; None: it was met once, or cannot be recorded."""
        self.refused: set[Hashable] = set()
        self.places: dict[Hashable, Tensor] = {}

    def run(self, stage: Stage, x: StageInput) -> Outputs:
        if not is_repeatable(stage, x):
            return stage.run(x)
        case = (stage, kernel_choice(), x.borders, *map(layout, given(x)))
        if case not in self.recordings:
            self.recordings[case] = None
            return stage.run(x)
        recording = self.recordings[case]
        if recording is None and case not in self.refused:
            try:
                recording = self.recordings[case] = self._recorded(stage, x)
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                LOG.info("stage %s cannot be recorded: %s", stage.name, error)
                self.refused.add(case)
        if recording is None:
            return stage.run(x)
        for place, value in zip(given(recording.inputs), given(x), strict=True):
            place.copy_(value)
        recording.replay()
        return tuple(output.clone() for output in recording.outputs)

    def _recorded(self, stage: Stage, x: StageInput) -> Recording:
        """Record the stage on inputs that all recordings of these shapes share."""
        maps = tuple(self._place(number, value) for number, value in enumerate(x.maps))
        attention = None if x.attention is None else self._place(None, x.attention)
        inputs = replace(x, maps=maps, attention=attention)
        for place, value in zip(given(inputs), given(x), strict=True):
            place.copy_(value)
        outputs, replay = self.record(lambda: stage.run(inputs))
        LOG.debug("recorded stage %s on %s", stage.name, [tuple(m.shape) for m in maps])
        return Recording(inputs, outputs, replay)

    def _place(self, number: int | None, like: Tensor) -> Tensor:
        """Where recordings find input `number` (None: the attention) of this shape and type."""
        name = (number, *layout(like))
        if name not in self.places:
            self.places[name] = torch.empty_like(like)
        return self.places[name]

    def forget(self) -> None:
        self.recordings.clear()
        self.places.clear()


def is_repeatable(stage: Stage, x: StageInput) -> bool:
    """Whether a recording of `stage` on one window is right for all of its shape and borders.

    A stage that reads by places in the whole picture is not.
    """
    window = x.rows.size * x.columns.size
    return window <= LARGEST_RECORDED and all(type(read) is Read for read in stage.reads)


def given(x: StageInput) -> tuple[Tensor, ...]:
    """The tensors a stage is given."""
    return x.maps if x.attention is None else (*x.maps, x.attention)


def layout(x: Tensor) -> tuple[torch.Size, torch.dtype]:
    """What two tensors have alike for which the same recording serves."""
    return x.shape, x.dtype


class CudaRecorder:
    """Records into CUDA graphs that share one pool of memory.

    They may: each one's outputs are used up before another is replayed.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        graph = torch.cuda.CUDAGraph()
        # A capture that fails leaves its own stream the current one: the outer context does not.
        with (
            torch.cuda.stream(torch.cuda.current_stream(self.device)),
            torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"),
        ):
            outputs = work()
        return outputs, graph.replay


def stage_runner(device: torch.device) -> StageRunner:
    """What runs stages on a device."""
    return RecordedStages(CudaRecorder(device)) if device.type == "cuda" else PlainStages()
