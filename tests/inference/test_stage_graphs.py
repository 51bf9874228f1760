"""Recorded stages: recorded when a shape comes back, right for every tile, refused when unsafe."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from dinplug.inference.executor import single_threaded_operators
from dinplug.inference.precision import in_float32
from dinplug.inference.stage_graphs import (
    LARGEST_RECORDED,
    Outputs,
    RecordedStages,
    is_repeatable,
)
from dinplug.networks.folding import fold
from dinplug.networks.stages import Span, StageInput
from tests.inference.cases import random_network
from tests.inference.test_device_run import plan_for, run_on
from tests.inference.test_executor import image_for


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with single_threaded_operators():
        yield


class Tape:
    """Records as a CUDA graph does: replaying reads and writes the same memory as recording."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, work: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        self.recorded += 1
        outputs = tuple(torch.full_like(output, torch.nan) for output in work())

        def replay() -> None:
            self.replayed += 1
            for place, value in zip(outputs, work(), strict=True):
                place.copy_(value)

        return outputs, replay


@pytest.mark.parametrize("name", ["din-dehaze", "imdn-no-prm", "aidn-no-fdc"])
def test_replays_give_the_same_pixels(name: str) -> None:
    network = fold(random_network(name))
    typed = in_float32(network)
    graph = typed.graph
    tape = Tape()
    runner = RecordedStages(tape)
    for seed in range(3):
        torch.manual_seed(seed)
        image = image_for(network, 24, 16)
        plan = plan_for(network, image, tile=12)
        output = run_on(network, image, plan, runner=runner, typed=typed)
        assert torch.equal(output, run_on(network, image, plan))
    plain = sum(any(type(read).__name__ != "Read" for read in s.reads) for s in graph.stages)
    assert 0 < tape.recorded <= sum(plan.tile_counts)
    assert tape.replayed > tape.recorded
    assert all(len({type(r) for r in case[0].reads}) == 1 for case in runner.recordings)  # type: ignore[index]
    assert (plain > 0) == name.startswith("aidn")


def inputs(rows: Span, side: int = 8) -> StageInput:
    """A window for the first stage of a network."""
    return StageInput((torch.rand(1, 3, rows.size, side),), None, rows, Span(0, side, side))


def test_borders_have_recordings_of_their_own() -> None:
    stage = random_network("imdn-no-prm").graph.stages[0]
    tape = Tape()
    runner = RecordedStages(tape)
    with torch.inference_mode():
        for _ in range(3):
            for rows in (Span(0, 8, 32), Span(8, 16, 32), Span(16, 24, 32), Span(24, 32, 32)):
                x = inputs(rows)
                assert torch.equal(runner.run(stage, x)[0], stage.run(x)[0])
    assert tape.recorded == 3  # top, middle, bottom


def test_outputs_outlive_the_next_replay() -> None:
    stage = random_network("imdn-no-prm").graph.stages[0]
    runner = RecordedStages(Tape())
    with torch.inference_mode():
        first, second, third = (inputs(Span(0, 8, 8)) for _ in range(3))
        runner.run(stage, first)
        kept = runner.run(stage, second)[0]
        runner.run(stage, third)
        assert torch.equal(kept, stage.run(second)[0])


def test_what_cannot_be_recorded_runs_as_it_is() -> None:
    stage = random_network("imdn-no-prm").graph.stages[0]
    tried = []

    def refuse(work: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        tried.append(work)
        raise RuntimeError("operation not permitted when stream is capturing")

    runner = RecordedStages(refuse)
    with torch.inference_mode():
        for _ in range(4):
            x = inputs(Span(0, 8, 8))
            assert torch.equal(runner.run(stage, x)[0], stage.run(x)[0])
    assert len(tried) == 1


def test_memory_that_ends_while_recording_is_told() -> None:
    stage = random_network("imdn-no-prm").graph.stages[0]

    def full(work: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        raise torch.OutOfMemoryError("injected")

    runner = RecordedStages(full)
    x = inputs(Span(0, 8, 8))
    runner.run(stage, x)
    with pytest.raises(torch.OutOfMemoryError):
        runner.run(stage, x)
    runner.forget()
    assert not runner.recordings and not runner.places


def test_only_small_windows_that_are_alike_everywhere_are_recorded() -> None:
    stages = random_network("aidn-no-fdc").graph.stages
    head, gate = stages[0], next(stage for stage in stages if stage.name == "block 1")
    small, wide = Span(0, 8, 8), Span(0, LARGEST_RECORDED, LARGEST_RECORDED)
    nothing: tuple[Tensor, ...] = ()
    assert is_repeatable(head, StageInput(nothing, None, small, small))
    assert not is_repeatable(head, StageInput(nothing, None, wide, small))
    assert not is_repeatable(gate, StageInput(nothing, None, small, small))
