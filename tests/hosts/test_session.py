"""A dialog's session: the latest wish is fulfilled, and a lost worker is replaced."""

import mmap
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinplug.hosts.client import Client, WorkerError
from dinplug.hosts.launch import Launch
from dinplug.hosts.pixels import PixelShape
from dinplug.hosts.session import Session, Wish
from tests.hosts.conftest import worker_launch

SMALL = PixelShape(40, 30, 3, "uint8")
BIG = PixelShape(1500, 1000, 3, "uint8")
REGION = (4, 6, 20, 10)


class Dialog:
    """Hears a session, and keeps what it hears."""

    def __init__(
        self,
        launch: Launch,
        folder: Path,
        shape: PixelShape = SMALL,
        max_memory: int | None = None,
    ) -> None:
        self.launch, self.folder, self.shape = launch, folder, shape
        self.max_memory = max_memory
        self.samples = np.random.default_rng(0).integers(0, 256, shape.sample_bytes, np.uint8)
        self.choices: list[Any] = []
        self.notes: list[str] = []
        self.descriptions: list[dict[str, Any]] = []
        self.shares: list[float] = []
        self.results: list[tuple[Wish, dict[str, Any], bytes]] = []
        self.errors: list[WorkerError] = []
        self.session = Session("dehaze", self.start, self.hand_over, self)

    def start(self) -> Client:
        parent = str(self.folder)
        return Client(self.launch, "test", "0.1.0", parent=parent, max_memory=self.max_memory)

    def hand_over(self, client: Client) -> dict[str, Any]:
        return client.put_pixels(self.shape, self.samples)

    def on_choices(self, models: list[dict[str, Any]], devices: list[dict[str, Any]]) -> None:
        self.choices.append((models, devices))

    def on_notes(self, notes: list[str]) -> None:
        self.notes += notes

    def on_description(self, description: dict[str, Any]) -> None:
        self.descriptions.append(description)

    def on_progress(self, progress: dict[str, Any]) -> None:
        self.shares.append(progress["share"])

    def on_result(self, wish: Wish, result: dict[str, Any], pixels: mmap.mmap) -> None:
        self.results.append((wish, result, bytes(pixels)))

    def on_error(self, error: WorkerError) -> None:
        self.errors.append(error)

    def until(self, condition: Any) -> None:
        """Let the session hear until something is so; fails after a minute."""
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end
            self.session.poll()
            time.sleep(0.01)


def wish(region: tuple[int, int, int, int] = REGION, **parameters: Any) -> Wish:
    return Wish("preview", {"model": "tiny-dehaze", **parameters}, region)


@pytest.fixture
def dialog(tiny_models: Path, tmp_path: Path) -> Iterator[Dialog]:
    made = Dialog(worker_launch(tiny_models), tmp_path)
    yield made
    made.session.close()
    assert os.listdir(tmp_path) == []


@pytest.fixture
def long_dialog(tiny_models: Path, tmp_path: Path) -> Iterator[Dialog]:
    made = Dialog(worker_launch(tiny_models), tmp_path, BIG)
    yield made
    made.session.close()


def test_a_wish_starts_the_worker_and_is_fulfilled(dialog: Dialog) -> None:
    dialog.session.want(wish())
    dialog.until(lambda: dialog.results)
    models, devices = dialog.choices[0]
    assert "tiny-dehaze" in [model["name"] for model in models]
    assert devices[0]["value"] == "auto"
    assert dialog.descriptions[0]["model"] == "tiny-dehaze"
    (asked, result, pixels) = dialog.results[0]
    assert asked.region == REGION and result["region"] == list(REGION)
    assert len(pixels) == 20 * 10 * 3
    assert not dialog.session.is_busy and not dialog.errors


def test_only_the_latest_wish_is_fulfilled_and_a_run_that_serves_it_goes_on(
    long_dialog: Dialog,
) -> None:
    dialog = long_dialog
    first = wish(ensemble=True)
    dialog.session.want(first)
    dialog.until(lambda: any(0 < share < 1 for share in dialog.shares))
    for x in range(5):
        dialog.session.want(wish((x, 0, 8, 8), ensemble=True, strength=0.5))
    dialog.until(lambda: not dialog.session.is_busy)
    regions = [asked.region for asked, *_ in dialog.results]
    assert regions == [REGION, (4, 0, 8, 8)]
    shares = [share for share in dialog.shares if 0 < share < 1]
    assert shares == sorted(shares)  # the network ran once


def test_a_run_that_does_not_serve_the_latest_wish_is_stopped(long_dialog: Dialog) -> None:
    dialog = long_dialog
    dialog.session.want(wish(ensemble=True))
    dialog.until(lambda: any(0 < share < 1 for share in dialog.shares))
    dialog.session.want(wish(ensemble=False))
    dialog.until(lambda: not dialog.session.is_busy)
    assert [asked.parameters["ensemble"] for asked, *_ in dialog.results] == [False]
    assert not dialog.errors


def test_stop_ends_a_run_and_tells_nobody(long_dialog: Dialog) -> None:
    dialog = long_dialog
    dialog.session.want(wish(ensemble=True))
    dialog.until(lambda: any(0 < share < 1 for share in dialog.shares))
    dialog.session.stop()
    shares = list(dialog.shares)
    dialog.until(lambda: not dialog.session.is_busy)
    assert not dialog.results and not dialog.errors and dialog.shares == shares
    dialog.session.want(wish())
    dialog.until(lambda: dialog.results)


def test_a_result_that_crosses_stop_is_dropped(dialog: Dialog) -> None:
    dialog.session.want(wish())
    dialog.until(lambda: dialog.session.running)
    client, running = dialog.session.client, dialog.session.running
    assert client is not None and running is not None
    answer = f'"id": {running[0]}, "answer": "result"'.encode()
    end = time.monotonic() + 60
    while answer not in b"".join(list(client.process.answers.queue)):
        assert time.monotonic() < end
        time.sleep(0.05)
    dialog.session.stop()
    dialog.until(lambda: not dialog.session.is_busy)
    assert not dialog.results and not dialog.errors
    assert os.listdir(client.folder.path) == ["lock"]


def test_a_killed_worker_is_told_of_once_and_replaced_for_the_next_wish(
    long_dialog: Dialog,
) -> None:
    dialog = long_dialog
    dialog.session.want(wish(ensemble=True))
    dialog.until(lambda: any(0 < share < 1 for share in dialog.shares))
    assert dialog.session.client is not None
    dialog.session.client.process.process.kill()
    dialog.until(lambda: dialog.errors)
    assert [error.kind for error in dialog.errors] == ["gone"]
    assert not dialog.results and not dialog.session.is_busy
    dialog.session.want(wish())
    dialog.until(lambda: dialog.results)
    assert len(dialog.errors) == 1


def test_a_wish_that_cannot_be_met_says_so_and_the_next_one_is_met(dialog: Dialog) -> None:
    dialog.session.want(wish(model="nothing-of-that-name"))
    dialog.until(lambda: dialog.errors)
    assert "nothing-of-that-name" in str(dialog.errors[0])
    dialog.session.want(wish())
    dialog.until(lambda: dialog.results)
    assert len(dialog.errors) == 1


def test_a_picture_that_is_too_large_is_told_of_each_time(
    tiny_models: Path, tmp_path: Path
) -> None:
    large = PixelShape(3000, 2000, 3, "uint8")
    dialog = Dialog(worker_launch(tiny_models), tmp_path, large, max_memory=64 << 20)
    for count in (1, 2):
        dialog.session.want(wish())
        dialog.until(lambda count=count: len(dialog.errors) == count)
        assert not dialog.session.is_busy
    assert {error.kind for error in dialog.errors} == {"photo"}
    assert os.listdir(tmp_path) == []


def test_a_worker_that_cannot_be_started_is_told_of(tmp_path: Path) -> None:
    dialog = Dialog(Launch(("/nowhere/python",)), tmp_path)
    dialog.session.want(wish())
    assert [error.kind for error in dialog.errors] == ["setup"]
    assert "install dinplug" in str(dialog.errors[0])
    assert not dialog.session.is_busy


def test_a_worker_that_does_not_speak_is_told_of_once(tmp_path: Path) -> None:
    dialog = Dialog(Launch(("/bin/false",)), tmp_path)
    dialog.session.want(wish())
    dialog.until(lambda: dialog.errors)
    dialog.session.poll()
    assert [error.kind for error in dialog.errors] == ["gone"]
