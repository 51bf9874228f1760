"""`--jobs`: real worker processes, and what becomes of them and of their photos."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dinplug.batch.processes import share
from dinplug.batch.wishes import Wishes
from tests.batch.forked_runs import ForkedRuns, forked_runs
from tests.batch.test_faults import COMMAND, contents, photos

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills of Unix")


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs have their temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, tiny_data_home: Path, temporary: Path
) -> Iterator[ForkedRuns]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        with forked_runs(tmp_path_factory.mktemp("said"), tiny_data_home) as server:
            yield server


def workers_of(pid: int) -> list[psutil.Process]:
    """The worker processes of a run: its children that multiprocessing has spawned."""
    children = psutil.Process(pid).children()
    return [child for child in children if any("spawn_main" in word for word in child.cmdline())]


def wait_until_ended(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive


def test_one_worker_is_killed_and_the_results_are_those_of_one_process(
    runs: ForkedRuns, tmp_path: Path
) -> None:
    source = photos(tmp_path / "photos", 10, (150, 100))
    code, said = runs.run(*COMMAND, source, "--out", tmp_path / "one")
    assert code == 0, said
    pid = runs.start(*COMMAND, source, "--out", tmp_path / "two", "--jobs", "2")
    runs.wait_for(pid, " -> ")
    workers = workers_of(pid)
    assert workers
    workers[0].kill()
    code, said = runs.wait(pid)
    assert code == 0, said
    assert "10 restored, 0 skipped, 0 failed" in said
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    wait_until_ended(workers)


def left_in(temporary: Path) -> list[Path]:
    return list(temporary.glob("dinplug-*"))


@pytest.mark.parametrize(
    "numbers",
    [(signal.SIGINT,), (signal.SIGINT, signal.SIGINT), (signal.SIGKILL,)],
    ids=["interrupted", "interrupted twice, which leaves at once", "killed"],
)
def test_workers_end_with_the_run_and_leave_nothing(
    runs: ForkedRuns, temporary: Path, tmp_path: Path, numbers: tuple[signal.Signals, ...]
) -> None:
    source = photos(tmp_path / "photos", 40, (300, 200))
    pid = runs.start(*COMMAND, source, "--out", tmp_path / "out", "--jobs", "2")
    runs.wait_for(pid, " -> ")
    workers = workers_of(pid)
    assert len(workers) == 2 and len(left_in(temporary)) == 2
    for number in numbers:
        os.kill(pid, number)
    code, said = runs.wait(pid)
    if signal.SIGKILL in numbers:  # the workers clean up alone
        assert code == -signal.SIGKILL
        wait_until_ended(workers)
    else:
        assert code == 130, said
        assert not any(worker.is_running() for worker in workers)
    assert "Traceback" not in said
    assert left_in(temporary) == []


def test_workers_share_memory_and_gpus() -> None:
    wishes = Wishes(task="dehaze", max_memory=4 << 30)
    shares = [share(wishes, number, jobs=4, gpus=2) for number in range(4)]
    assert {part.max_memory for part in shares} == {1 << 30}
    assert [part.device for part in shares] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert share(wishes, 1, jobs=2, gpus=1).device == "auto"
    cpu = Wishes(task="dehaze", device="cpu")
    assert share(cpu, 1, jobs=2, gpus=2) == cpu
