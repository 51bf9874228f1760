"""Workers end, stop and fail in every way there is, and the client says so."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from dinplug.hosts import protocol
from dinplug.hosts.client import Client, WorkerError
from dinplug.hosts.pixels import PixelShape
from tests.hosts.conftest import ROOT, StartClient, worker_launch

BIG = PixelShape(1500, 1000, 3, "uint8")
LONG_ORDER: dict[str, Any] = {
    "task": "dehaze",
    "parameters": {"model": "tiny-dehaze", "ensemble": True},
}
"""With BIG a run of several seconds at least, in hundreds of tiles."""
posix = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
PATIENCE = 60.0


class Heard:
    """What became of a request."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self.errors: list[WorkerError] = []
        self.shares: list[float] = []

    def ask(self, client: Client, request: str, **fields: Any) -> int:
        """Send a request and listen."""
        return client.ask(
            request,
            self.results.append,
            self.errors.append,
            lambda told: self.shares.append(told["share"]),
            **fields,
        )

    def until_running(self, client: Client) -> None:
        """Wait until the network runs."""
        wait_until(lambda: any(0 < s < 1 for s in self.shares) or bool(self.errors), client)
        assert not self.errors and not self.results


def wait_until(condition: Any, client: Client | None = None) -> None:
    """Wait, and listen to a client meanwhile; fails the test after a minute."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        if client is None:
            time.sleep(0.05)
        else:
            client.poll(0.05)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that nobody collected has ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def start_long_run(client: Client) -> tuple[Heard, int]:
    """Begin a run that takes long, and wait until its network runs."""
    told = client.put_pixels(BIG, bytes(range(250)) * (BIG.sample_bytes // 250))
    picture = client.call("open", **told)["picture"]
    heard = Heard()
    number = heard.ask(client, "restore", picture=picture, **LONG_ORDER)
    heard.until_running(client)
    return heard, number


def test_cancel_stops_a_run_and_the_worker_lives_on(start_client: StartClient) -> None:
    client = start_client()
    heard, number = start_long_run(client)
    client.cancel(number)
    wait_until(lambda: heard.errors, client)
    assert heard.errors[0].kind == "cancelled" and not heard.results
    shares = list(heard.shares)
    told = client.call("describe", width=100, height=100, **LONG_ORDER)
    # A run that went on to its end would have left its speed.
    assert told["seconds"] is None
    assert heard.shares == shares and shares[-1] < 1
    assert client.alive and os.listdir(client.folder.path) == ["lock"]


def test_a_call_can_be_cancelled_and_ends_in_time(start_client: StartClient) -> None:
    client = start_client()
    told = client.put_pixels(BIG, bytes(BIG.sample_bytes))
    picture = client.call("open", **told)["picture"]
    shares: list[float] = []
    with pytest.raises(WorkerError) as caught:
        client.call(
            "restore",
            lambda told: shares.append(told["share"]),
            should_stop=lambda: any(share > 0 for share in shares),
            picture=picture,
            **LONG_ORDER,
        )
    assert caught.value.kind == "cancelled"
    with pytest.raises(WorkerError) as caught:
        client.call("restore", timeout=0.2, picture=picture, **LONG_ORDER)
    assert caught.value.kind == "cancelled"
    assert client.call("close", picture=picture)["answer"] == "result"


def test_too_many_requests_are_told_to_wait(start_client: StartClient) -> None:
    client = start_client()
    heard, number = start_long_run(client)
    more = Heard()
    for _ in range(protocol.MOST_WAITING + 3):
        more.ask(client, "tasks")
    wait_until(lambda: len(more.errors) == 3, client)
    assert {error.kind for error in more.errors} == {"busy"}
    client.cancel(number)
    wait_until(lambda: len(more.results) == protocol.MOST_WAITING, client)
    assert len(more.errors) == 3 and heard.errors[0].kind == "cancelled"


def test_cancelling_what_is_over_changes_nothing(start_client: StartClient) -> None:
    client = start_client()
    client.cancel(1)
    client.cancel(99)
    assert client.call("cancel", target=1)["cancelled"] is False
    assert client.alive


@posix
def test_a_killed_worker_is_told_of(start_client: StartClient) -> None:
    client = start_client()
    heard, _ = start_long_run(client)
    os.kill(client.process.process.pid, signal.SIGKILL)
    wait_until(lambda: heard.errors, client)
    assert heard.errors[0].kind == "gone" and "killed by signal 9" in str(heard.errors[0])
    assert not Path(client.folder.path).exists()
    with pytest.raises(WorkerError, match="killed by signal 9"):
        client.call("tasks")


@posix
def test_the_worker_goes_with_its_host(tiny_models: Path, tmp_path: Path) -> None:
    launch = worker_launch(tiny_models)
    code = f"""
import json, time
from dinplug.hosts.client import Client
from dinplug.hosts.launch import Launch
from tests.hosts.test_client import start_long_run
client = Client(Launch({launch.command!r}, {dict(launch.environment)!r}), "test", "0.1.0",
                parent={str(tmp_path)!r})
start_long_run(client)
client.folder.write(b"not read yet")
print(json.dumps([client.process.process.pid, client.folder.path]), flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    host = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
    try:
        assert host.stdout is not None
        worker, folder = json.loads(host.stdout.readline())
        assert is_running(worker) and len(os.listdir(folder)) == 2
    finally:
        host.kill()
        host.communicate()
    wait_until(lambda: not is_running(worker))
    assert not os.path.exists(folder)


def test_a_worker_with_nothing_to_do_leaves(start_client: StartClient) -> None:
    client = start_client("--idle", "1")
    wait_until(lambda: not client.alive, client)
    assert client.error is not None and client.error.kind == "gone"
    assert "nothing to do for 1 seconds" in str(client.error)
    assert not Path(client.folder.path).exists()


@posix
def test_a_worker_that_is_asked_to_end_says_so(start_client: StartClient) -> None:
    client = start_client()
    wait_until(lambda: client.welcome, client)
    os.kill(client.process.process.pid, signal.SIGTERM)
    wait_until(lambda: not client.alive, client)
    assert "asked to end" in str(client.error)


@posix
def test_a_hang_up_without_a_dead_host_changes_nothing(start_client: StartClient) -> None:
    client = start_client()
    wait_until(lambda: client.welcome, client)
    os.kill(client.process.process.pid, signal.SIGHUP)
    assert client.call("cancel", target=1)["cancelled"] is False and client.alive


def test_closing_ends_worker_and_folder(start_client: StartClient) -> None:
    client = start_client()
    client.put_pixels(PixelShape(2, 1, 1, "uint8"), b"ab")
    client.close()
    client.close()
    assert client.process.process.returncode == 0
    assert not Path(client.folder.path).exists()
    with pytest.raises(WorkerError, match="was ended"):
        client.call("tasks")


@pytest.mark.parametrize("pipe", ["stdin", "stdout"])
def test_a_worker_leaves_when_a_pipe_closes(pipe: str, tiny_models: Path) -> None:
    launch = worker_launch(tiny_models)
    process = subprocess.Popen(
        launch.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **launch.environment},
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        if pipe == "stdin":
            process.stdin.close()
        else:
            process.stdout.close()
            process.stdin.write(b"garbage\n")
            process.stdin.flush()
        assert process.wait(PATIENCE) == 0


def test_pixels_must_be_as_many_as_stated(start_client: StartClient) -> None:
    with pytest.raises(ValueError, match="not the 6 bytes"):
        start_client().put_pixels(PixelShape(2, 1, 3, "uint8"), b"12345")
