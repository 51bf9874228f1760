"""A run with a crew: the same files and events, whatever becomes of its workers."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from dinplug.batch.crew import Worker, WorkerLostError
from dinplug.batch.crew_run import CrewRun
from dinplug.batch.events import (
    NOT_TRIED,
    Event,
    PhotoDone,
    PhotoFailed,
    PhotoStarted,
    RunFinished,
    RunStarted,
)
from dinplug.batch.journal import JOURNAL_NAME, Journal
from dinplug.batch.plan import BatchPlan
from dinplug.batch.remote import Failure, Order, Result
from dinplug.errors import Interrupted, ReadError, SetupError
from dinplug.imaging import WriteOptions
from dinplug.inference.run import ShouldStop
from tests.batch.test_run import RECIPE, Inverter, photos, plan

Act = Callable[[Order, ShouldStop], Result | Failure]


def echo(order: Order, should_stop: ShouldStop) -> Result | Failure:
    """A result that is the photo itself."""
    return Result(order.content, order.sidecars, ())


class Hand:
    """A worker in this process, which does what a test says."""

    def __init__(
        self,
        place: str,
        act: Act = echo,
        ready: Callable[[ShouldStop], Failure | None] = lambda _: None,
    ):
        self.place, self.act, self.ready = place, act, ready
        self.had: list[str] = []

    def prepare(self, should_stop: ShouldStop) -> Failure | None:
        return self.ready(should_stop)

    def restore(self, order: Order, should_stop: ShouldStop) -> Result | Failure:
        self.had.append(order.source.name)
        return self.act(order, should_stop)


class Hands:
    """A crew of which each list comes at one look, the next one at the next."""

    second_tries = True
    nobody = "nobody is there"

    def __init__(self, *shifts: list[Hand], patience: float = 60.0) -> None:
        self.shifts = list(shifts)
        self.patience = patience

    def newcomers(self) -> Iterator[Worker]:
        if self.shifts:
            yield from self.shifts.pop(0)

    def close(self) -> None:
        pass

    leave = close


def run(
    made: BatchPlan, crew: Hands, stop: Callable[[], bool] = lambda: False
) -> tuple[list[Event], list[str]]:
    events, warnings = list[Event](), list[str]()
    batch = CrewRun(
        made,
        RECIPE,
        Inverter(),
        WriteOptions(),
        events.append,
        stop,
        warn=warnings.append,
        crew=crew,
    )
    try:
        batch.run()
    finally:
        assert isinstance(events[-1], RunFinished)
    return events, warnings


def reasons(events: list[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, PhotoFailed)]


def lose(order: Order, should_stop: ShouldStop) -> Result | Failure:
    raise WorkerLostError


def counts(events: list[Event]) -> tuple[int, int, bool]:
    last = events[-1]
    assert isinstance(last, RunFinished)
    return last.done, last.failed, last.interrupted


def test_files_journal_and_events_are_those_of_any_run(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", *(f"{number}.png" for number in range(7)))
    (folder / "3.xmp").write_bytes(b"kept")
    events, _ = run(plan(folder), Hands([Hand("a"), Hand("b")]))
    assert events[0] == RunStarted("dehaze", "inverter", 7, 0)
    assert counts(events) == (7, 0, False)
    started = [event.index for event in events if isinstance(event, PhotoStarted)]
    done = [event.index for event in events if isinstance(event, PhotoDone)]
    assert sorted(started) == sorted(done) == list(range(7))
    out = tmp_path / "photos-dehaze"
    originals = {path.name: path.read_bytes() for path in folder.iterdir()}
    results = {path.name: path.read_bytes() for path in out.iterdir()}
    del results[JOURNAL_NAME]
    assert results == originals
    journal = Journal.read(out)
    record = journal.find(out / "3.png")
    assert record is not None and record.fingerprint is not None and record.recipe == RECIPE
    assert len(plan(folder).skips) == 7


def test_a_lost_workers_photos_go_to_others(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", "a.png", "b.png", "c.png", "d.png")
    lost, late = Hand("lost", lose), Hand("late")
    events, warnings = run(plan(folder), Hands([lost], [], [late]))
    assert (counts(events), warnings) == ((4, 0, False), [])
    assert len(lost.had) == 1 and len(late.had) == 4
    started = [event for event in events if isinstance(event, PhotoStarted)]
    assert len(started) == 4  # once each, however often it is tried


def test_a_photo_that_ends_every_worker_costs_itself(tmp_path: Path) -> None:
    def avoid_b(order: Order, should_stop: ShouldStop) -> Result | Failure:
        return (lose if order.source.name == "b.png" else echo)(order, should_stop)

    folder = photos(tmp_path / "photos", "a.png", "b.png", "c.png", "d.png")
    events, _ = run(plan(folder), Hands(*([Hand(str(n), avoid_b)] for n in range(9))))
    assert counts(events) == (3, 1, False)
    (reason,) = reasons(events)
    assert reason.startswith(f"{folder / 'b.png'}: 3 workers ended while they restored it")


def test_an_unfit_worker_is_told_of_and_gets_nothing(tmp_path: Path) -> None:
    def refuse(should_stop: ShouldStop) -> Failure:
        return Failure(SetupError("it has dinplug 0.0, and the batch runs with 0.1.0"))

    folder = photos(tmp_path / "photos", "a.png", "b.png")
    old = Hand("the old one", ready=refuse)
    events, warnings = run(plan(folder), Hands([old, Hand("good")]))
    assert counts(events) == (2, 0, False) and old.had == []
    (warning,) = warnings
    assert warning.startswith("the old one cannot restore these photos: it has dinplug 0.0")


def test_a_worker_that_loses_its_device_is_dismissed_and_its_photo_kept(tmp_path: Path) -> None:
    def broken(order: Order, should_stop: ShouldStop) -> Result | Failure:
        return Failure(SetupError("the device is gone"))

    folder = photos(tmp_path / "photos", "a.png", "b.png")
    events, warnings = run(plan(folder), Hands([Hand("broken", broken)], [], [Hand("good")]))
    assert counts(events) == (2, 0, False)
    assert warnings == ["broken cannot restore these photos: the device is gone"]


def ends_with(made: BatchPlan, crew: Hands, message: str) -> None:
    """Run, which must end with a SetupError that leaves every photo to the next run."""
    events: list[Event] = []
    batch = CrewRun(
        made, RECIPE, Inverter(), WriteOptions(), events.append, lambda: False, crew=crew
    )
    with pytest.raises(SetupError, match=message):
        batch.run()
    assert set(reasons(events)) == {NOT_TRIED}
    assert counts(events) == (0, len(made.jobs), False)


def test_a_run_without_workers_ends(tmp_path: Path) -> None:
    made = plan(photos(tmp_path / "photos", "a.png", "b.png"))
    ends_with(made, Hands(patience=0.1), "nobody is there")


def test_a_run_whose_workers_are_all_unfit_ends_at_once(tmp_path: Path) -> None:
    made = plan(photos(tmp_path / "photos", "a.png"))
    hand = Hand("a", ready=lambda _: Failure(SetupError("no weights")))
    ends_with(made, Hands([hand]), "a cannot restore these photos: no weights")


def test_workers_that_end_while_they_load_are_not_started_for_ever(tmp_path: Path) -> None:
    def die(should_stop: ShouldStop) -> Failure | None:
        raise WorkerLostError

    made = plan(photos(tmp_path / "photos", "a.png"))
    ends_with(made, Hands(*([Hand("a", ready=die)] for _ in range(9))), "is there enough memory")


def test_a_worker_that_comes_too_late_is_not_waited_for(tmp_path: Path) -> None:
    def load_for_ever(should_stop: ShouldStop) -> Failure | None:
        while not should_stop():
            time.sleep(0.01)
        raise Interrupted("interrupted")

    made = plan(photos(tmp_path / "photos", "a.png"))
    events, _ = run(made, Hands([Hand("late", ready=load_for_ever), Hand("good")]))
    assert counts(events) == (1, 0, False)


def test_a_lost_scheduler_ends_the_run(tmp_path: Path) -> None:
    class Lost(Hands):
        def newcomers(self) -> Iterator[Worker]:
            raise SetupError("the scheduler is lost")

    ends_with(plan(photos(tmp_path / "photos", "a.png")), Lost(), "the scheduler is lost")


def test_a_photo_that_fails_costs_itself_and_keeps_its_traceback(tmp_path: Path) -> None:
    def fail(order: Order, should_stop: ShouldStop) -> Result | Failure:
        if order.source.name == "b.png":
            return Failure(ReadError(f"{order.source}: damaged"), "Traceback: far away")
        return echo(order, should_stop)

    folder = photos(tmp_path / "photos", "a.png", "b.png", "c.png")
    (folder / "c.png").unlink()
    (folder / "c.png").write_bytes(b"")
    events, _ = run(plan(folder), Hands([Hand("a", fail)]))
    assert counts(events) == (1, 2, False)
    assert sorted(reasons(events)) == [
        f"{folder / 'b.png'}: damaged",
        f"{folder / 'c.png'}: the file is empty",
    ]
    assert "far away" in (tmp_path / "photos-dehaze" / JOURNAL_NAME).read_text()


def test_a_slow_workers_last_photo_is_done_by_another(tmp_path: Path) -> None:
    """The slow one never comes back: it is told to stop when the other has the result."""
    told: list[str] = []

    def hang(order: Order, should_stop: ShouldStop) -> Result | Failure:
        while not should_stop():
            time.sleep(0.01)
        told.append(order.source.name)
        raise Interrupted("interrupted")

    folder = photos(tmp_path / "photos", "a.png", "b.png", "c.png")
    events, _ = run(plan(folder), Hands([Hand("slow", hang)], [Hand("quick")]))
    assert counts(events) == (3, 0, False)
    assert len(told) == 1


@pytest.mark.parametrize("interrupted_in", ["a.png", "c.png"])
def test_stopping_leaves_whole_files_and_the_rest_for_later(
    tmp_path: Path, interrupted_in: str
) -> None:
    stop = threading.Event()

    def work(order: Order, should_stop: ShouldStop) -> Result | Failure:
        if order.source.name != interrupted_in:
            return echo(order, should_stop)
        stop.set()
        assert should_stop()
        raise Interrupted("interrupted")

    folder = photos(tmp_path / "photos", "a.png", "b.png", "c.png", "d.png")
    hand = Hand("a", work)
    events, _ = run(plan(folder), Hands([hand], patience=0.0), stop.is_set)
    done, failed, interrupted = counts(events)
    assert (failed, interrupted) == (0, True)
    assert len(hand.had) == done + 1 and hand.had[-1] == interrupted_in  # it may be busy with it
    out = tmp_path / "photos-dehaze"
    assert len(list(out.glob("*.png"))) == done < 4
    events, _ = run(plan(folder), Hands([Hand("a"), Hand("b")]))
    assert counts(events) == (4 - done, 0, False)


def test_many_workers_write_into_one_folder_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for part in range(4):
        photos(folder / str(part), *(f"{number}.png" for number in range(15)))
    events, _ = run(plan(folder), Hands([Hand(str(number)) for number in range(8)]))
    assert counts(events) == (60, 0, False)
    out = tmp_path / "photos-dehaze"
    assert len(list(out.rglob("*.png"))) == 60 and not list(out.rglob("*.part"))
    with Image.open(out / "3" / "14.png") as picture:
        assert picture.getpixel((0, 0)) == (14, 28, 200)
