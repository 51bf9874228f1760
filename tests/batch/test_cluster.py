"""`--cluster`: a real dask scheduler and real workers, one killed, and the document's lines."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

import dinplug
from dinplug.batch.lock import LOCK_NAME
from dinplug.batch.remote import Terms
from dinplug.batch.wishes import Wishes
from dinplug.errors import UsageError
from tests.batch.test_faults import ROOT, contents, photos
from tests.batch.test_processes import workers_of
from tests.tiny_models import write_tiny_models

DASK = (sys.executable, "-m", "dask")
DINPLUG = (sys.executable, "-m", "dinplug")
DOCUMENTED = (ROOT / "docs" / "scaling.md").read_text("utf-8")


class Machines:
    """Starts programs as on the machines of a cluster, in a folder of their own."""

    def __init__(self, folder: Path, programs: ExitStack) -> None:
        self.folder = folder
        self.programs = programs
        self.port = free_port()
        write_tiny_models(folder / "data")
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DINPLUG_DATA_HOME": str(folder / "data"),
            "DASK_TEMPORARY_DIRECTORY": str(folder / "dask"),
        }

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start(self, *command: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a program that runs until the end of the test; what it says goes into a file."""
        with (self.folder / "said.txt").open("a") as said:
            process = subprocess.Popen(
                command,
                stdout=said,
                stderr=said,
                text=True,
                cwd=self.folder,
                env={**self.environment, **environment},
            )
        self.programs.callback(end, process)
        return process

    def scheduler(self, *options: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a scheduler, and wait until it listens."""
        process = self.start(
            *(*DASK, "scheduler", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--no-dashboard", *options),
            **environment,
        )
        self.wait_for_scheduler()
        return process

    def wait_for_scheduler(self) -> None:
        for _ in range(600):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError((self.folder / "said.txt").read_text())

    def worker(self, address: str = "", **environment: str) -> "subprocess.Popen[str]":
        """Start a worker that is one process."""
        return self.start(
            *(*DASK, "worker", address or self.address, "--nworkers", "1", "--nthreads", "1"),
            *("--no-nanny", "--no-dashboard"),
            **environment,
        )

    def batch(
        self, *arguments: str | Path, model: str = "tiny-derain", **environment: str
    ) -> "subprocess.Popen[str]":
        """Start a batch whose standard output and error can be read as one."""
        command = (*DINPLUG, "batch", "--model", model, "--device", "cpu", *map(str, arguments))
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env={**self.environment, **environment},
        )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def end(process: "subprocess.Popen[str]") -> None:
    """End a program and all that it has started."""
    try:
        family = [*psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    process.kill()
    for child in family:
        child.kill()
    process.wait()


@contextmanager
def machines_in(folder: Path) -> Iterator[Machines]:
    with ExitStack() as programs:
        yield Machines(folder, programs)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with machines_in(tmp_path) as made:
        yield made


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    said, _ = process.communicate()
    return process.returncode, said


def documented_lines() -> list[str]:
    """The lines of docs/scaling.md that start a cluster and a batch on it."""
    (block,) = re.findall(r"^```sh\n(.*?)^```", DOCUMENTED, re.M | re.S)
    lines: list[str] = block.splitlines()
    return lines


def test_the_documented_lines_with_a_worker_killed_in_between(machines: Machines) -> None:
    """Word by word, but for the port (8786 may be taken) and the model (a tiny one)."""
    source = photos(machines.folder / "photos", 12, (200, 150))
    (source / "0.xmp").write_text("a sidecar")
    alone = machines.batch(source, "--out", machines.folder / "alone", model="tiny-dehaze")
    assert finished(alone)[0] == 0
    scheduler, worker, batch = (
        shlex.split(line.replace("8786", str(machines.port))) for line in documented_lines()
    )
    assert (scheduler[:2], worker[:2]) == (["dask", "scheduler"], ["dask", "worker"])
    machines.start(*DASK, *scheduler[1:])
    machines.wait_for_scheduler()
    started = machines.start(*DASK, *worker[1:])
    assert batch[:4] == ["dinplug", "batch", "--task", "dehaze"]
    run = machines.batch(*batch[4:], model="tiny-dehaze")
    assert run.stdout is not None
    first = run.stdout.readline()
    assert first.startswith("[1/12] "), first
    workers = workers_of(started.pid)
    assert len(workers) == 2
    workers[0].kill()
    code, said = finished(run)
    assert code == 0, said
    assert "12 restored, 0 skipped, 0 failed" in said
    results = contents(machines.folder / "photos-dehaze")
    assert results == contents(machines.folder / "alone")
    assert "0.xmp" in results and len(results) == 13
    code, said = finished(machines.batch(*batch[4:], model="tiny-dehaze"))
    assert (code, "0 restored, 12 skipped" in said) == (0, True), said


OLDER = """
import dinplug
dinplug.__version__ = "0.0.9"
"""


def test_other_versions_and_other_weights_are_refused(machines: Machines) -> None:
    source = photos(machines.folder / "photos")
    patched = machines.folder / "patched"
    patched.mkdir()
    (patched / "sitecustomize.py").write_text(OLDER)
    other = machines.folder / "other"
    write_tiny_models(other, seed=21)
    machines.scheduler()
    machines.worker(PYTHONPATH=f"{patched}:{ROOT}")
    machines.worker(DINPLUG_DATA_HOME=str(other))
    run = machines.batch(source, "--out", "out", "--cluster", machines.address)
    code, said = finished(run)
    assert code == 3, said
    assert "Traceback" not in said
    assert contents(machines.folder / "out") == {}
    reasons = re.findall(r"note: the worker tcp://\S+ cannot restore these photos: (.*)", said)
    version, weights = sorted(reasons)
    assert version == f"it has dinplug 0.0.9, and the batch runs with {dinplug.__version__}"
    assert weights.startswith("its weights of tiny-derain are others"), said
    assert "Error: the worker tcp://127.0.0.1:" in said
    assert not (machines.folder / "out" / LOCK_NAME).exists()


WITHOUT_DASK = """
import sys
sys.modules["distributed"] = sys.modules["dask"] = None
sys.argv[0] = "dinplug"
from dinplug.__main__ import main
main()
"""


def test_without_the_extra_one_line_and_exit_code_3(machines: Machines) -> None:
    source = photos(machines.folder / "photos")
    options = ["batch", "--model", "tiny-derain", str(source)]
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_DASK, *options, "--cluster", "tcp://127.0.0.1:1"],
        capture_output=True,
        text=True,
        env=machines.environment,
    )
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == (
        "Error: --cluster needs dask.distributed: pip install 'dinplug[cluster]'\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_DASK, *options],
        capture_output=True,
        text=True,
        env=machines.environment,
    )
    assert result.returncode == 0, result.stderr


def test_where_no_scheduler_is_one_line_says_so(machines: Machines) -> None:
    source = photos(machines.folder / "photos")
    code, said = finished(machines.batch(source, "--cluster", machines.address))
    (line,) = said.splitlines()
    assert code == 3 and line.startswith("Error: no dask scheduler answers at tcp://"), said


@pytest.mark.parametrize("address", ["", "10.0.0.5", "tcp://a b", "http://here:80", "tcp://h:x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    from dinplug.batch.cluster import ClusterCrew

    wishes = Wishes(task="dehaze")
    with pytest.raises(UsageError, match="write it like tcp://"):
        ClusterCrew(Terms(wishes, "ab" * 32, ()), address)


@pytest.mark.slow
def test_a_scheduler_that_is_lost_ends_the_run_and_one_machine_goes_on(machines: Machines) -> None:
    source = photos(machines.folder / "photos", 40, (200, 150))
    scheduler = machines.scheduler()
    machines.worker()
    run = machines.batch(source, "--out", "out", "--cluster", machines.address)
    assert run.stdout is not None
    assert run.stdout.readline().startswith("[1/40] ")
    scheduler.kill()
    code, said = finished(run)
    assert code == 3, said
    assert "not tried" in said and "Traceback" not in said
    assert f"Error: the dask scheduler at {machines.address} is lost" in said
    before = contents(machines.folder / "out")
    assert 0 < len(before) < 40
    code, said = finished(machines.batch(source, "--out", "out"))
    assert code == 0, said
    after = contents(machines.folder / "out")
    assert len(after) == 40 and before.items() <= after.items()


def certificate(folder: Path) -> None:
    """Make a certificate that is its own authority."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=dinplug", "-keyout", "key.pem", "-out", "ca.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.mark.slow
def test_tls_by_dasks_own_configuration(machines: Machines) -> None:
    """The variables are those of docs/scaling.md; without them nobody gets in."""
    certificate(machines.folder)
    names = re.findall(r"export (DASK_\w+)=(\S+)", DOCUMENTED)
    given = {"ca.pem": "ca.pem", "client.pem": "ca.pem", "client-key.pem": "key.pem"}
    client = {name: str(machines.folder / given[v]) if v in given else v for name, v in names}
    assert len(client) == 4
    everywhere = dict(client)
    for role in ("SCHEDULER", "WORKER"):
        everywhere |= {name.replace("CLIENT", role): value for name, value in client.items()}
    machines.scheduler("--protocol", "tls", **everywhere)
    address = machines.address.replace("tcp", "tls")
    machines.worker(address, **everywhere)
    source = photos(machines.folder / "photos")
    code, said = finished(machines.batch(source, "--cluster", address, "--out", "out", **client))
    assert code == 0, said
    code, said = finished(machines.batch(source, "--cluster", address, "--out", "new"))
    assert code == 3 and said.startswith("Error: no dask scheduler answers at tls://"), said
