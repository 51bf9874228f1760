"""The worker's pipes: lines of any length and pace come in, and nobody has to read answers."""

import os
import time
from collections.abc import Callable

import pytest

from dinplug.hosts import pipes, protocol
from dinplug.hosts.pipes import TOO_LONG, Inbox, Outbox


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds; fails the test after half a minute."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_lines_come_whole_and_long_ones_once() -> None:
    reading, writing = os.pipe()
    inbox = Inbox(reading)
    longest = b"a" * protocol.LONGEST_LINE
    sent = b"one\nt" + b"wo\n\n" + longest + b"\n" + longest + b"bb\nafter\n" + b"cut off"
    expected = [b"one", b"two", b"", longest, TOO_LONG, b"after"]
    with open(writing, "wb", buffering=0) as out:
        for start in range(0, len(sent), 30000):
            out.write(sent[start : start + 30000])
        assert [inbox.next_line(30) for _ in expected] == expected
        assert inbox.next_line(0.01) is None and not inbox.ended
    assert inbox.next_line(30) == b"" and inbox.ended
    os.close(reading)


def test_answers_go_out_in_order() -> None:
    reading, writing = os.pipe()
    outbox = Outbox(writing)
    for number in range(50):
        outbox.send({"id": number})
    outbox.flush()
    assert os.read(reading, 65536) == b"".join(protocol.encode({"id": n}) for n in range(50))
    assert not outbox.is_closed
    os.close(reading)
    outbox.send({"id": 50})
    wait_for(lambda: outbox.is_closed)
    outbox.send({"id": 51})
    outbox.flush()
    os.close(writing)


def test_a_host_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "_ANSWERS_AHEAD", 4)
    monkeypatch.setattr(pipes, "_DEAF_SECONDS", 0.1)
    monkeypatch.setattr(pipes, "_FLUSH_SECONDS", 0.1)
    reading, writing = os.pipe()
    outbox = Outbox(writing)
    sent = 0
    while not outbox.is_closed:
        outbox.send({"text": "x" * 60000})
        sent += 1
        assert sent < 20
    outbox.flush()
    os.close(reading)  # lets the writing thread go
    wait_for(lambda: outbox.is_closed)
