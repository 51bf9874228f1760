"""Folders are watched while real files are written to them, renamed, deleted."""

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinplug.batch.arrivals import Arrivals
from dinplug.batch.events import (
    Event,
    PhotoDone,
    PhotoFailed,
    PhotoSkipped,
    PhotoStarted,
    RunFinished,
    RunStarted,
    from_json,
)
from dinplug.batch.interrupt import Stop
from dinplug.batch.journal import JOURNAL_NAME
from dinplug.batch.lock import FolderLock
from dinplug.batch.plan import BatchPlan, Request
from dinplug.batch.rehearse import suffix_finder
from dinplug.batch.run import BatchRun
from dinplug.batch.watch import Emit, Watch, check_places
from dinplug.batch.wishes import Wishes
from dinplug.errors import UsageError
from dinplug.imaging.kinds import is_foreign_name, is_photo_name
from tests.batch.forked_runs import ForkedRuns, forked_runs
from tests.tiny_models import write_tiny_models

SETTLE = 0.3


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedRuns]:
    data_home = tmp_path_factory.mktemp("data-home")
    write_tiny_models(data_home)
    with forked_runs(tmp_path_factory.mktemp("said"), data_home) as server:
        yield server


def encoded(seed: int, suffix: str = ".png", size: tuple[int, int] = (40, 30)) -> bytes:
    """The content of a photo's file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, {".png": "PNG", ".jpg": "JPEG"}[suffix])
    return stream.getvalue()


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Watched:
    """A watch of `photos` in the main thread, while `acts` happen in another one."""

    def __init__(self, folder: Path, overwrite: bool = False) -> None:
        self.photos, self.out = folder / "photos", folder / "photos-derain"
        self.photos.mkdir(exist_ok=True)
        self.events: list[Event] = []
        self.notes: list[str] = []
        self.stop = Stop()
        wishes = Wishes(model="tiny-derain", device="cpu")
        model = wishes.load()
        restorer, recipe = wishes.restorer(model), wishes.recipe(model)

        def start(plan: BatchPlan, emit: Emit) -> BatchRun:
            options = wishes.write_options
            return BatchRun(plan, recipe, restorer, options, emit, self.stop, overwrite=overwrite)

        self.watch = Watch(
            Request((self.photos,), overwrite=overwrite), recipe, start, self.events.append,
            self.stop, self.notes.append, suffix_finder(None), is_photo_name, is_foreign_name,
            Arrivals(SETTLE), interval=0.02, retry=0.05,
        )  # fmt: skip

    def during(self, acts: Callable[[], None]) -> RunFinished:
        """Watch until `acts` are over; what they raise is raised."""
        errors: list[BaseException] = []

        def act() -> None:
            try:
                acts()
            except BaseException as error:
                errors.append(error)
            finally:
                self.stop.set()

        thread = threading.Thread(target=act)
        thread.start()
        finished = self.watch.run()
        thread.join()
        if errors:
            raise errors[0]
        return finished

    def done(self) -> list[str]:
        """The names of photos that were restored, in order."""
        return [Path(event.source).name for event in self.of(PhotoDone)]

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def watched(tmp_path: Path, tiny_models: Path) -> Watched:
    return Watched(tmp_path)


def test_photos_are_restored_as_they_arrive(watched: Watched) -> None:
    (watched.photos / "before.png").write_bytes(encoded(0))

    def acts() -> None:
        until(lambda: watched.done() == ["before.png"])
        (watched.photos / "trip").mkdir()
        (watched.photos / "trip" / "later.jpg").write_bytes(encoded(1, ".jpg"))
        (watched.photos / "notes.txt").write_text("no photo")
        until(lambda: len(watched.done()) == 2)

    finished = watched.during(acts)
    assert (finished.done, finished.skipped, finished.failed) == (2, 0, 0)
    assert finished.interrupted and watched.events[-1] == finished
    assert watched.events[0] == RunStarted("derain", "tiny-derain", 0, 0)
    assert [event.index for event in watched.of(PhotoStarted)] == [0, 1]
    assert [event.index for event in watched.of(PhotoDone)] == [0, 1]
    assert sorted(path.name for path in watched.out.rglob("*") if path.is_file()) == [
        JOURNAL_NAME, "before.png", "later.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize("keep_open", [True, False])
def test_a_file_written_in_pieces_is_taken_once_it_is_whole(
    watched: Watched, keep_open: bool, tmp_path: Path
) -> None:
    if keep_open and sys.platform != "linux":
        pytest.skip("only Linux tells who writes")
    watched.watch.arrivals.settle = 0.3 if keep_open else 3
    whole = encoded(2)
    target = watched.photos / "slow.png"
    taken_early: list[Event] = []

    def acts() -> None:
        pieces = [whole[start : start + 700] for start in range(0, len(whole), 700)]
        with target.open("wb") as stream:
            for piece in pieces:
                if keep_open:
                    stream.write(piece)
                    stream.flush()
                    time.sleep(0.5)
                else:
                    with target.open("ab") as another:
                        another.write(piece)
                    stream.close()
                    time.sleep(0.2)
            taken_early.extend(watched.events[1:])
        until(lambda: watched.done() == ["slow.png"])

    finished = watched.during(acts)
    assert (finished.done, finished.failed, taken_early) == (1, 0, [])


def test_a_file_deleted_while_it_is_written_is_never_heard_of(watched: Watched) -> None:
    watched.watch.arrivals.settle = 3

    def acts() -> None:
        for turn in range(3):
            with (watched.photos / "gone.png").open("wb") as stream:
                stream.write(encoded(3)[: 500 + turn])
            time.sleep(0.2)
            (watched.photos / "gone.png").unlink()
            time.sleep(0.2)
        (watched.photos / "stays.png").write_bytes(encoded(4))
        until(lambda: watched.done() == ["stays.png"])

    finished = watched.during(acts)
    assert (finished.done, finished.failed) == (1, 0)
    assert all("gone" not in str(event) for event in watched.events)


def test_temporary_names_are_passed_over_until_they_are_renamed(watched: Watched) -> None:
    names = ["a.png.part", "b.png~", "c.tmp.png", ".d.png", "~e.png"]

    def acts() -> None:
        for seed, name in enumerate(names):
            (watched.photos / name).write_bytes(encoded(seed))
        time.sleep(SETTLE * 3)
        assert watched.done() == []
        for name in names:
            (watched.photos / name).rename(watched.photos / f"{name[:2].strip('.~')}_.png")
        until(lambda: len(watched.done()) == len(names))

    assert watched.during(acts).failed == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a rename waits like a copy")
def test_a_rename_into_place_is_taken_without_waiting(watched: Watched) -> None:
    watched.watch.arrivals.settle = 3600

    def acts() -> None:
        (watched.photos / "copied.png").write_bytes(encoded(0))
        (watched.photos / "a.part").write_bytes(encoded(1))
        time.sleep(0.1)
        (watched.photos / "a.part").rename(watched.photos / "renamed.png")
        until(lambda: watched.done() == ["renamed.png"])

    assert watched.during(acts).done == 1


def test_a_damaged_photo_is_told_once_and_tried_again_when_it_changes(watched: Watched) -> None:
    target = watched.photos / "a.png"

    def acts() -> None:
        target.write_bytes(encoded(5)[:300])
        until(lambda: len(watched.of(PhotoFailed)) == 1)
        time.sleep(SETTLE * 3)
        target.write_bytes(encoded(5))
        until(lambda: watched.done() == ["a.png"])

    finished = watched.during(acts)
    assert (finished.done, finished.failed) == (1, 1)


def test_a_photo_written_again_is_told_and_replaces_nothing(watched: Watched) -> None:
    target, result = watched.photos / "a.png", watched.out / "a.png"
    before: list[bytes] = []

    def acts() -> None:
        target.write_bytes(encoded(6))
        until(lambda: watched.done() == ["a.png"])
        before.append(result.read_bytes())
        target.write_bytes(encoded(7))
        until(lambda: bool(watched.of(PhotoSkipped)))

    assert watched.during(acts).skipped == 1
    assert "changed since" in watched.of(PhotoSkipped)[0].reason
    assert result.read_bytes() == before[0]


def test_with_overwrite_it_is_restored_again_and_only_it(tmp_path: Path, tiny_models: Path) -> None:
    watched = Watched(tmp_path, overwrite=True)

    def acts() -> None:
        for name in ("a.png", "b.png"):
            (watched.photos / name).write_bytes(encoded(6))
        until(lambda: len(watched.done()) == 2)
        (watched.photos / "a.png").write_bytes(encoded(7))
        until(lambda: len(watched.done()) == 3)

    assert watched.during(acts).done == 3
    assert sorted(watched.done()) == ["a.png", "a.png", "b.png"]


def test_the_folder_may_vanish_and_come_back(watched: Watched, tmp_path: Path) -> None:
    away = tmp_path / "away"

    def acts() -> None:
        (watched.photos / "a.png").write_bytes(encoded(8))
        until(lambda: watched.done() == ["a.png"])
        watched.photos.rename(away)
        until(lambda: bool(watched.notes))
        (away / "b.png").write_bytes(encoded(9))
        away.rename(watched.photos)
        until(lambda: len(watched.done()) == 2)

    finished = watched.during(acts)
    assert watched.done() == ["a.png", "b.png"] and finished.failed == 0
    assert watched.notes == [
        f"{watched.photos} is gone; waiting for it", f"{watched.photos} is back",
    ]  # fmt: skip


def test_it_waits_while_another_run_writes_there(watched: Watched) -> None:
    watched.out.mkdir()
    lock = FolderLock.take(watched.out)

    def acts() -> None:
        (watched.photos / "a.png").write_bytes(encoded(10))
        until(lambda: bool(watched.notes))
        time.sleep(0.3)
        lock.release()
        until(lambda: watched.done() == ["a.png"])

    finished = watched.during(acts)
    assert (finished.done, finished.failed) == (1, 0)
    (note,) = watched.notes
    assert "another run of dinplug" in note and note.endswith("; trying again")


def test_results_that_cannot_be_written_are_tried_again(watched: Watched) -> None:
    watched.out.write_text("in the way")

    def acts() -> None:
        (watched.photos / "a.png").write_bytes(encoded(11))
        until(lambda: bool(watched.notes))
        watched.out.unlink()
        until(lambda: watched.done() == ["a.png"])

    assert watched.during(acts).failed == 0
    assert "results cannot be written there" in watched.notes[0]


def test_results_may_not_go_to_the_watched_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for out in (tmp_path, tmp_path / "x" / "..", tmp_path / "link"):
        with pytest.raises(UsageError, match="is the folder that is watched"):
            check_places(tmp_path, out)
    check_places(tmp_path, tmp_path / "out")
    check_places(tmp_path, None)


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["idle", "restoring"])
def test_signals_end_it_cleanly_and_batch_goes_on(
    runs: ForkedRuns, tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "photos-derain"
    photos.mkdir()
    (photos / "a.png").write_bytes(encoded(12))
    command = ("--model", "tiny-derain", "--device", "cpu", "--tile", "32", photos)
    pid = runs.start("watch", *command, "--json", "--settle", "0.2")
    runs.wait_for(pid, '"photo-done"')
    if moment == "restoring":
        (photos / "b.png").write_bytes(encoded(13, size=(500, 400)))
        runs.wait_for(pid, '"photo-started", "index": 1')
    os.kill(pid, number)
    code, said = runs.wait(pid)
    assert code == 130, said
    assert "Traceback" not in said
    events = [from_json(line) for line in said.splitlines() if line.startswith("{")]
    assert isinstance(events[-1], RunFinished) and events[-1].interrupted
    assert events[-1].done == 1
    assert sorted(os.listdir(out)) == [JOURNAL_NAME, "a.png"]
    first = (out / "a.png").read_bytes()
    code, said = runs.run("batch", *command)
    assert code == 0 and "skipped 1: already done" in said
    assert (out / "a.png").read_bytes() == first


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
def test_a_line_for_each_photo_and_none_for_those_done_already(
    runs: ForkedRuns, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(encoded(14))
    command = ("--model", "tiny-derain", "--device", "cpu", photos)
    assert runs.run("batch", *command)[0] == 0
    pid = runs.start("watch", *command, "--settle", "0.2")
    runs.wait_for(pid, "Ctrl-C ends it")
    (photos / "b.png").write_bytes(encoded(15))
    runs.wait_for(pid, "b.png ->")
    os.kill(pid, signal.SIGINT)
    code, said = runs.wait(pid)
    assert code == 130
    lines = [line for line in said.splitlines() if "->" in line]
    assert len(lines) == 1 and lines[0].startswith("[1] ")
    assert "1 restored, 0 skipped, 0 failed" in said
