"""Whatever lines it is fed, the worker answers or leaves, and never hangs."""

import copy
import json
import os
import queue
import random
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dinplug.hosts import protocol
from dinplug.hosts.pixels import PixelFolder
from tests.hosts.conftest import worker_launch

PATIENCE = 60.0
NASTY: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**53 + 1, 10**300, -(10**300), 0.5, 1e308, -1e-300,
    "", "x", "\0", "\ud800", "/", "../..", "/etc/passwd", "dehaze", "auto", "lock", "0" * 32,
    "0" * 32 + ".pixels", "x" * 5000, [], {}, [[]], [1, 2, 3, 4], [0, 0, 0, 0], [-1, 0, 1, 1],
    {"strength": 2}, {"strength": "1"}, {"model": "../x"}, {"device": "cuda:99"}, {"": {}},
]  # fmt: skip
PICTURE = {
    "pixels": "0" * 32 + ".pixels", "width": 8, "height": 8, "channels": 3, "dtype": "uint8",
    "profile_bytes": 0, "encoding": "profile",
}  # fmt: skip
GOOD: list[dict[str, Any]] = [
    {"request": "handshake", "protocol": 1, "dinplug": "0.1.0", "host": "fuzz", "folder": "/tmp"},
    {"request": "tasks"},
    {"request": "describe", "task": "dehaze", "parameters": {"strength": 0.5}, "width": 9,
     "height": 9},
    {"request": "open", **PICTURE},
    {"request": "preview", "picture": 1, "task": "dehaze", "parameters": {"model": "tiny-dehaze"},
     "region": [0, 0, 4, 4]},
    {"request": "restore", "picture": 1, "task": "sr", "parameters": {"scale": 2}},
    {"request": "close", "picture": 1},
    {"request": "cancel", "target": 1},
]  # fmt: skip


class Target:
    """A worker under fire: what it is sent, and what it answers, line by line."""

    def __init__(self, data_home: Path, parent: Path) -> None:
        launch = worker_launch(data_home)
        self.folder = PixelFolder.make(str(parent))
        self.process = subprocess.Popen(
            launch.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **launch.environment},
            bufsize=0,
        )
        self.lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        handshake = {**GOOD[0], "id": 1, "folder": self.folder.path}
        self.send(protocol.encode(handshake))

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def send(self, data: bytes) -> None:
        """Send bytes; a worker that has left takes none."""
        assert self.process.stdin is not None
        try:
            view = memoryview(data)
            while view:
                view = view[self.process.stdin.write(view) :]
        except BrokenPipeError:
            pass

    def answers_or_leaves(self, number: int, request: dict[str, Any]) -> bool:
        """Send a good request; True once it is answered, False if the worker left by itself."""
        self.send(b"\n" + protocol.encode({"id": number, **request}))
        end = time.monotonic() + PATIENCE
        while True:
            line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            if line is None:
                assert self.process.wait(PATIENCE) == 0
                return False
            message = protocol.decode(line, protocol.LONGEST_ANSWER)
            assert message["answer"] in protocol.ANSWERS
            if message["answer"] == "error":
                assert message["kind"] != "internal", message
            if message["id"] == number and message["answer"] != "progress":
                return True

    def close(self) -> None:
        """End it, by closing its pipe."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        self.process.stdout.close()
        self.folder.close()


def spoilt_message(rng: random.Random) -> dict[str, Any]:
    """A good request with some values, keys or whole fields replaced."""
    message: dict[str, Any] = copy.deepcopy(rng.choice(GOOD))
    message["id"] = rng.randint(1, 10**6)
    for _ in range(rng.randint(0, 3)):
        where = message
        inner = [v for v in message.values() if isinstance(v, dict) and v]
        if inner and rng.random() < 0.4:
            where = rng.choice(inner)
        key = rng.choice(sorted(where))
        action = rng.random()
        if action < 0.7:
            where[key] = copy.deepcopy(rng.choice(NASTY))
        elif action < 0.85:
            del where[key]
        else:
            where[rng.choice(["more", "", key.upper(), "\ud800"])] = copy.deepcopy(
                rng.choice(NASTY)
            )
        if not where:
            break
    return message


def spoilt_line(rng: random.Random) -> bytes:
    """A line of noise, or a request spoilt as a message or as bytes."""
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.randint(0, 300)) + b"\n"
    if kind < 0.13:
        return rng.choice([b"[", b'{"a":', b'"', b"9", b"x"]) * rng.randint(1, 70000) + b"\n"
    line = bytearray(json.dumps(spoilt_message(rng)).encode())
    if kind < 0.5:
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(line))
            action = rng.random()
            if action < 0.5:
                line[at] = rng.randrange(256)
            elif action < 0.75:
                del line[at : at + rng.randint(1, 20)]
            else:
                line[at:at] = line[: rng.randint(1, 40)]
            if not line:
                break
    return bytes(line) + rng.choice([b"\n", b"\n", b"\n", b"\r\n", b"", b"\n\n"])


def bombard(data_home: Path, parent: Path, seed: int, rounds: int, until: float = 0.0) -> int:
    """Feed workers spoilt lines, for `rounds` rounds and up to a time; return how many lines."""
    rng = random.Random(seed)
    target = Target(data_home, parent)
    lines = done = 0
    while done < rounds or time.monotonic() < until:
        done += 1
        for _ in range(rng.randint(1, 60)):
            target.send(spoilt_line(rng))
            lines += 1
        probe = rng.choice([GOOD[7], {"request": "tasks"}])
        if not target.answers_or_leaves(10**7 + done, probe):
            target.close()
            target = Target(data_home, parent)
    target.close()
    assert not list(parent.iterdir())
    return lines


def test_it_answers_or_leaves(tiny_models: Path, tmp_path: Path) -> None:
    assert bombard(tiny_models, tmp_path, seed=1, rounds=12) > 200


@pytest.mark.slow
def test_it_answers_or_leaves_for_a_minute(tiny_models: Path, tmp_path: Path) -> None:
    assert bombard(tiny_models, tmp_path, seed=2, rounds=20, until=time.monotonic() + 60) > 1000


def test_endless_lines_take_no_memory(tiny_models: Path, tmp_path: Path) -> None:
    target = Target(tiny_models, tmp_path)
    for _ in range(200):
        target.send(b"x" * 100000)
    assert target.answers_or_leaves(2, GOOD[7])
    told = [json.loads(line) for line in iter_queue(target.lines) if line]
    assert len(told) <= 2  # one line, however long, is one error
    target.close()


def test_nothing_but_a_handshake_comes_first(tiny_models: Path, tmp_path: Path) -> None:
    launch = worker_launch(tiny_models)
    asked = b"".join(protocol.encode({"id": n, **m}) for n, m in enumerate(GOOD[1:], 1))
    done = subprocess.run(
        launch.command,
        input=asked,
        capture_output=True,
        env={**os.environ, **launch.environment},
        timeout=PATIENCE,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(GOOD) - 1
    assert all("first request must be a handshake" in answer["message"] for answer in answers)


def iter_queue(lines: "queue.Queue[bytes | None]") -> list[bytes | None]:
    """What is in a queue now."""
    found = []
    while not lines.empty():
        found.append(lines.get())
    return found
