"""Handing out photos: each is settled once, whoever is lost or slow."""

import threading

import pytest

from dinplug.batch.backlog import MOST_LOSSES, Attempt, Backlog


def take(backlog: Backlog, worker: str) -> Attempt:
    attempt = backlog.take(worker)
    assert attempt is not None
    return attempt


def test_photos_are_handed_out_in_order_and_once() -> None:
    backlog = Backlog(3, second_tries=True)
    assert [take(backlog, worker) for worker in "aba"] == [Attempt(i, True) for i in range(3)]
    assert backlog.settle(0, "a") and backlog.settle(1, "b") and not backlog.wait(0)
    assert backlog.settle(2, "a") and backlog.wait(0)
    assert backlog.take("a") is None


def test_an_empty_backlog_is_through() -> None:
    assert Backlog(0, second_tries=True).wait(0)


def test_a_photo_given_back_is_the_next_one() -> None:
    backlog = Backlog(2, second_tries=False)
    take(backlog, "a")
    backlog.give_back(0, "a")
    assert take(backlog, "b") == Attempt(0, False)


def test_a_photo_that_may_have_ended_its_worker_is_alone_with_the_next() -> None:
    backlog = Backlog(4, second_tries=False)
    assert [take(backlog, "a").index for _ in range(2)] == [0, 1]
    assert not backlog.lose(0, "a") and not backlog.lose(1, "a")
    assert take(backlog, "b").index == 1
    assert take(backlog, "c").index == 0
    waiting = threading.Thread(target=lambda: got.append(backlog.take("b")))
    got: list[Attempt | None] = []
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()  # `b` has photo 1 alone
    assert take(backlog, "d").index == 2
    backlog.settle(1, "b")
    waiting.join()
    assert got == [Attempt(3, True)]


def test_a_suspect_waits_while_its_worker_to_be_has_other_photos() -> None:
    backlog = Backlog(3, second_tries=False)
    take(backlog, "a")
    take(backlog, "b")
    backlog.lose(0, "a")
    assert take(backlog, "b").index == 2
    assert take(backlog, "c").index == 0


def test_a_photo_is_settled_when_it_was_lost_too_often() -> None:
    backlog = Backlog(1, second_tries=False)
    for number in range(MOST_LOSSES):
        take(backlog, str(number))
        assert backlog.lose(0, str(number)) == (number == MOST_LOSSES - 1)
    assert backlog.wait(0) and backlog.take("another") is None


def test_a_slow_photo_is_tried_twice_and_settled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("dinplug.batch.backlog.time.monotonic", lambda: now)
    backlog = Backlog(3, second_tries=True)
    for worker in "abc":
        take(backlog, worker)
    now = 10.0
    backlog.settle(1, "b")
    now = 19.0
    assert backlog._slow_one("b") is None  # not twice as long as photo 1
    now = 21.0
    assert backlog._slow_one("a") == 2  # its own one it has already
    assert take(backlog, "b") == Attempt(0, False)
    assert take(backlog, "b") == Attempt(2, False)
    assert backlog.settle(0, "b") and not backlog.settle(0, "a")
    backlog.lose(2, "c")
    assert not backlog.is_settled(2)
    assert backlog.settle(2, "b") and backlog.wait(0)


def test_without_second_tries_nobody_is_helped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("dinplug.batch.backlog.time.monotonic", lambda: now)
    backlog = Backlog(2, second_tries=False)
    take(backlog, "a")
    take(backlog, "b")
    now = 1.0
    backlog.settle(0, "a")
    now = 1000.0
    assert backlog._slow_one("a") is None


def test_closing_ends_the_waiting() -> None:
    backlog = Backlog(1, second_tries=False)
    take(backlog, "a")
    got: list[Attempt | None] = []
    waiting = threading.Thread(target=lambda: got.append(backlog.take("b")))
    waiting.start()
    backlog.close()
    waiting.join()
    assert got == [None]
