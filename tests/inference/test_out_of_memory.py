"""Where memory ends tiles are halved, then maps move to scratch files, then the photo is refused.

Failures are those that torch and the system really give: for sizes nobody has, and under limits.
"""

import errno
import logging
import mmap
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dinplug.errors import PhotoError
from dinplug.inference.executor import TiledRun
from dinplug.inference.kept_maps import KeptMaps
from dinplug.inference.out_of_memory import is_out_of_memory, memory_for
from dinplug.inference.plan import SMALLEST_TILE, plan_execution
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.inference.store import ScratchMap
from dinplug.networks.stages import Stage, StagedNetwork, StageGraph, StageInput
from tests.inference.cases import random_network
from tests.inference.test_executor import assert_same, image_for

CPU = torch.device("cpu")
FAR_TOO_MUCH = 1 << 46
Run = Callable[[StageInput], tuple[Tensor, ...]]


def map_too_much() -> None:
    with mmap.mmap(-1, FAR_TOO_MUCH * 2):
        pass


REAL_FAILURES = {
    "torch": lambda: torch.empty(FAR_TOO_MUCH),
    "numpy": lambda: np.empty(FAR_TOO_MUCH),
    "python": lambda: bytearray(FAR_TOO_MUCH * 2),
    "mmap": map_too_much,
}
OTHER_FAILURES = {
    "shapes": lambda: torch.zeros(2) + torch.zeros(3),
    "file": lambda: Path("/no/such/file").read_bytes(),
}


@pytest.mark.parametrize("cause", REAL_FAILURES.values(), ids=REAL_FAILURES)
def test_every_way_of_saying_so_is_known(cause: Callable[[], object]) -> None:
    with pytest.raises((MemoryError, OSError, RuntimeError)) as caught:
        cause()
    assert is_out_of_memory(caught.value)
    with pytest.raises(PhotoError, match="7 x 5 pixels do not fit"), memory_for(7, 5, CPU):
        cause()


@pytest.mark.parametrize("cause", OTHER_FAILURES.values(), ids=OTHER_FAILURES)
def test_other_errors_stay_what_they_are(cause: Callable[[], object]) -> None:
    with pytest.raises((OSError, RuntimeError)) as caught, memory_for(7, 5, CPU):
        cause()
    assert not is_out_of_memory(caught.value)


class SmallMemory:
    """Gives stages no memory for windows beyond `limit` pixels, nor `refusals` times for others.

    Counts what ran and what was refused.
    """

    def __init__(self, limit: int = 1 << 30, refusals: int = 0) -> None:
        self.limit, self.refusals = limit, refusals
        self.ran = self.refused = 0

    def graph(self, graph: StageGraph) -> StageGraph:
        """The graph with this memory."""
        stages = (replace(stage, run=self._limited(stage.run)) for stage in graph.stages)
        return replace(graph, stages=tuple(stages))

    def _limited(self, run: Run) -> Run:
        def limited(x: StageInput) -> tuple[Tensor, ...]:
            if x.rows.size * x.columns.size > self.limit or self.refused < self.refusals:
                self.refused += 1
                torch.empty(FAR_TOO_MUCH)
            self.ran += 1
            return run(x)

        return limited


def run_in(
    memory: SmallMemory, network: StagedNetwork, image: Tensor, tile: int, workers: int = 2
) -> Tensor:
    """The network's output over tiles, in this memory."""
    graph, (height, width) = memory.graph(network.graph), image.shape[-2:]
    plan = plan_execution(graph, height, width, tile=tile, workers=workers)
    output = torch.full((1, 3, network.scale * height, network.scale * width), torch.nan)
    TiledRun(graph, plan, image, output).run()
    return output


@pytest.mark.parametrize(
    ("name", "side"), [("din-dehaze", 216), ("imdn-x2", 72), ("msfin-s", 72), ("aidn-x2", 72)]
)
def test_tiles_are_halved(name: str, side: int) -> None:
    """One side is three times as long where most stages run on a coarser grid."""
    network = random_network(name)
    image = image_for(network, side, side)
    memory = SmallMemory(limit=46 * 46)
    expected = run_in(SmallMemory(), network, image, tile=32)
    assert_same(run_in(memory, network, image, tile=side), expected)
    assert memory.refused > 0


def test_finished_tiles_are_kept() -> None:
    network = random_network("imdn-x2")
    image = image_for(network, 160, 40)
    stages = len(network.graph.stages)

    class SuddenlySmall(SmallMemory):
        def _limited(self, run: Run) -> Run:
            limited = super()._limited(run)

            def sudden(x: StageInput) -> tuple[Tensor, ...]:
                if self.ran == 4 * stages - 2:
                    self.limit = 40 * 40
                return limited(x)

            return sudden

    memory = SuddenlySmall()
    assert_same(
        run_in(memory, network, image, tile=40, workers=1),
        run_in(SmallMemory(), network, image, tile=40),
    )
    assert memory.refused == 1
    # All but the last two of the last stage's four tiles were done: these two are halved.
    assert memory.ran == 4 * stages - 2 + 4


def test_maps_move_to_scratch_files_when_tiles_are_smallest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also the one that the stage writes, and those that later stages share."""
    network = random_network("din-dehaze")
    image = image_for(network, SMALLEST_TILE, SMALLEST_TILE)
    expected = run_in(SmallMemory(), network, image, tile=SMALLEST_TILE)
    with caplog.at_level(logging.INFO):
        memory = SmallMemory(refusals=1)
        assert torch.equal(run_in(memory, network, image, tile=SMALLEST_TILE), expected)
    (record,) = caplog.records
    assert re.fullmatch(
        r"out of memory in stage \w+: a map moves to a scratch file", record.message
    )


def test_a_map_without_room_in_memory_is_made_in_a_scratch_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = random_network("din-dehaze")
    image = image_for(network, 64, 64)
    expected = run_in(SmallMemory(), network, image, tile=32)
    monkeypatch.setattr(KeptMaps, "new", lambda *_: torch.empty(FAR_TOO_MUCH))
    made = []

    class Counted(ScratchMap):
        def __init__(self, channels: int, height: int, width: int) -> None:
            super().__init__(channels, height, width)
            made.append((channels, height, width))

    monkeypatch.setattr("dinplug.inference.executor.ScratchMap", Counted)
    assert torch.equal(run_in(SmallMemory(), network, image, tile=32), expected)
    assert made


def test_a_disk_without_room_either_costs_the_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_network("din-dehaze")
    monkeypatch.setattr(KeptMaps, "new", lambda *_: torch.empty(FAR_TOO_MUCH))

    def full(descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dinplug.inference.store.reserve", full)
    with pytest.raises(PhotoError, match="64 x 64 pixels do not fit into memory"):
        NetworkRunner(network, RunOptions(device="cpu")).run(torch.rand(1, 3, 64, 64))


def never(stage: Stage) -> Stage:
    def run(_: StageInput) -> tuple[Tensor, ...]:
        return (torch.empty(FAR_TOO_MUCH),)

    return replace(stage, run=run)


def test_a_photo_that_does_not_fit_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = NetworkRunner(random_network("imdn-no-prm"), RunOptions(device="cpu"))
    graph = runner.network.graph
    endless = replace(graph, stages=tuple(never(stage) for stage in graph.stages))
    monkeypatch.setattr(type(runner.network), "graph", endless)
    with pytest.raises(PhotoError, match="100 x 90 pixels do not fit into memory") as caught:
        runner.run(torch.rand(1, 3, 90, 100))
    assert "\n" not in str(caught.value)


PROGRAM = """
import logging, re, resource, sys
from pathlib import Path
import numpy as np, torch
from dinplug.inference.allocator import AMPLE
from dinplug.inference.run import NetworkRunner, RunOptions
from tests.inference.cases import random_network

def data():
    return int(re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
side, tile, room = (int(argument) for argument in sys.argv[1:4])
resource.setrlimit(resource.RLIMIT_DATA, (data() + AMPLE, resource.RLIM_INFINITY))  # `ulimit -d`
torch.manual_seed(5)
runner = NetworkRunner(random_network("din-dehaze"), RunOptions(device="cpu", tile=tile or None))
image = torch.rand(1, 3, side, side)
runner.run(image[:, :, :64, :64])
print(runner.plan(side, side).peak_bytes)
if room:
    resource.setrlimit(resource.RLIMIT_DATA, (data() + room, resource.RLIM_INFINITY))
result = runner.run(image)
resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, resource.RLIM_INFINITY))
np.save(sys.argv[4], result.numpy())
"""
SIDE = 1000


def run_under(room: int, result: Path, tile: int = 0) -> str:
    """Run the program in a process that may take `room` bytes more, and return what it said.

    With tiles of `tile` pixels, where memory suffices, or 0 for planned ones.
    """
    command = [sys.executable, "-c", PROGRAM, str(SIDE), str(tile), str(room), str(result)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_as_many_threads_run_as_there_is_memory_for(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, list[threading.Thread]()

    def scarce(thread: threading.Thread) -> None:
        if sum(other.is_alive() for other in started) == room:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    network = random_network("din-dehaze")
    image = torch.rand(1, 3, 64, 64)
    graph, plan = network.graph, plan_execution(network.graph, 64, 64, tile=16, workers=3)
    results = []
    # With room for two the third fails, and two are started again; and so on.
    for room_for, starts in ((3, 3), (2, 2 + 2), (1, 1 + 1 + 1)):
        room = room_for
        started.clear()
        results.append(torch.empty(1, 3, 64, 64))
        TiledRun(graph, plan, image, results[-1]).run()
        assert len(started) == starts
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
    room = 0
    with pytest.raises(RuntimeError, match="can't start new thread"):
        TiledRun(graph, plan, image, results[0])


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_under_a_real_limit_the_result_is_the_same(tmp_path: Path) -> None:
    """Planned for what there is; where tiles are too large for it they fail and shrink."""
    said = run_under(0, tmp_path / "free.npy")
    expected = torch.from_numpy(np.load(tmp_path / "free.npy"))
    (needed,) = (int(line) for line in said.splitlines() if line.isdecimal())
    # As planned for it; and with tiles that are planned for more, and fail.
    for room, tile in ((110, 0), (72, SIDE)):
        assert room << 20 < needed
        said = run_under(room << 20, tmp_path / "limited.npy", tile)
        assert_same(torch.from_numpy(np.load(tmp_path / "limited.npy")), expected)
        assert ("tiles are halved" in said) == bool(tile)
    with pytest.raises(AssertionError, match=f"PhotoError: {SIDE} x {SIDE} pixels do not fit"):
        run_under(30 << 20, tmp_path / "none.npy")
