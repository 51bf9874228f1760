"""Running a plan: results, failures, and ends before the end."""

import errno
import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinplug.batch.events import (
    NOT_TRIED,
    Event,
    PhotoDone,
    PhotoFailed,
    PhotoProgress,
    PhotoSkipped,
    RunFinished,
    RunStarted,
)
from dinplug.batch.journal import JOURNAL_NAME, Journal, Recipe
from dinplug.batch.lock import LOCK_NAME
from dinplug.batch.plan import BatchPlan, Request, make_plan
from dinplug.batch.rehearse import suffix_finder
from dinplug.batch.run import BatchRun
from dinplug.batch.single import SingleRun
from dinplug.errors import Interrupted, ReadError, SetupError, WriteError
from dinplug.imaging import Photo, WriteOptions, is_photo_name, read_photo
from dinplug.inference.executor import Progress
from dinplug.inference.run import OnProgress, ShouldStop

RECIPE = Recipe("dehaze", "inverter", "ab" * 32, {"strength": 1.0}, "0.1.0")


class Inverter:
    """Stands in for a Restorer: inverts colours, and does what a test asks for on the way."""

    def __init__(self, before: Callable[[Photo], None] = lambda photo: None) -> None:
        self.before = before

    def restore_photo(
        self,
        photo: Photo,
        *,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Photo:
        self.before(photo)
        for tile in range(3):
            if should_stop is not None and should_stop():
                raise Interrupted("interrupted")
            if on_progress is not None:
                on_progress(Progress("invert", tile + 1, 3))
        return photo.restored(1 - photo.rgb)


def photos(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (4, 3), (number, 2 * number, 200)).save(folder / name)
    return folder


def samples(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def plan(folder: Path, *, overwrite: bool = False) -> BatchPlan:
    request = Request((folder,), overwrite=overwrite)
    return make_plan(request, RECIPE, is_photo_name=is_photo_name, suffix_of=suffix_finder(None))


def run(
    made: BatchPlan,
    restorer: Inverter,
    stop: Callable[[], bool] = lambda: False,
    *,
    overwrite: bool = False,
    overlap: bool = True,
) -> list[Event]:
    events: list[Event] = []
    batch = BatchRun(
        made,
        RECIPE,
        restorer,
        WriteOptions(),
        events.append,
        stop,
        overwrite=overwrite,
        overlap=overlap,
    )
    assert batch.run() is events[-1]
    return events


def failures(events: list[Event]) -> list[str]:
    return [event.reason for event in events if isinstance(event, PhotoFailed)]


def finished(events: list[Event]) -> RunFinished:
    last = events[-1]
    assert isinstance(last, RunFinished)
    return last


@pytest.mark.parametrize("overlap", [True, False])
def test_every_photo_is_written_recorded_and_told(tmp_path: Path, overlap: bool) -> None:
    folder = photos(tmp_path / "photos", "a.png", "b.png", "c.png")
    events = run(plan(folder), Inverter(), overlap=overlap)
    assert events[0] == RunStarted("dehaze", "inverter", 3, 0)
    done = [event for event in events if isinstance(event, PhotoDone)]
    assert [event.index for event in done] == [0, 1, 2]
    assert (finished(events).done, finished(events).failed) == (3, 0)
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        result = samples(tmp_path / "photos-dehaze" / name)
        assert (result == [255 - number, 255 - 2 * number, 55]).all()
    journal = Journal.read(tmp_path / "photos-dehaze")
    assert {path.name for path in journal.outputs()} == {"a.png", "b.png", "c.png"}
    record = journal.find(tmp_path / "photos-dehaze" / "a.png")
    assert record is not None and record.recipe == RECIPE and record.fingerprint is not None
    assert record.fingerprint.size == (folder / "a.png").stat().st_size


def test_a_second_run_skips_everything(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", "a.png")
    run(plan(folder), Inverter())
    result = tmp_path / "photos-dehaze" / "a.png"
    before = result.stat()
    events = run(plan(folder), Inverter())
    assert [type(event) for event in events] == [RunStarted, PhotoSkipped, RunFinished]
    assert (result.stat().st_mtime_ns, result.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_overwrite_replaces_results(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", "a.png")
    run(plan(folder), Inverter())
    result = tmp_path / "photos-dehaze" / "a.png"
    result.write_bytes(b"spoilt")
    events = run(plan(folder, overwrite=True), Inverter(), overwrite=True)
    assert finished(events).done == 1
    assert samples(result).shape == (3, 4, 3)


def test_a_broken_photo_costs_itself(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", "a.png", "b.png", "c.png")
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:40])
    events = run(plan(folder), Inverter())
    (reason,) = failures(events)
    assert reason.startswith(str(folder / "b.png")) and "\n" not in reason
    assert (finished(events).done, finished(events).failed) == (2, 1)
    assert not (tmp_path / "photos-dehaze" / "b.png").exists()


def test_an_unexpected_error_is_one_line_here_and_a_traceback_in_the_journal(
    tmp_path: Path,
) -> None:
    def stumble(photo: Photo) -> None:
        if photo.source.path.name == "a.png":
            raise RuntimeError("first line\nsecond line")

    folder = photos(tmp_path / "photos", "a.png", "b.png")
    events = run(plan(folder), Inverter(stumble))
    (reason,) = failures(events)
    assert reason == f"{folder / 'a.png'}: unexpected RuntimeError: first line second line"
    assert finished(events).done == 1
    lines = (tmp_path / "photos-dehaze" / JOURNAL_NAME).read_text().splitlines()
    (failed,) = [record for record in map(json.loads, lines) if record["status"] == "failed"]
    assert "in stumble" in failed["traceback"] and failed["reason"] == reason


def test_a_refused_photo_counts_as_failed(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", "a.png")
    (tmp_path / "photos-dehaze" / "a.png").mkdir(parents=True)
    events = run(plan(folder), Inverter())
    assert "is a folder" in failures(events)[0]
    assert finished(events).failed == 1


@pytest.mark.parametrize("overlap", [True, False])
def test_stopping_leaves_whole_files_and_the_rest_for_later(tmp_path: Path, overlap: bool) -> None:
    stop = threading.Event()

    def stop_at_c(photo: Photo) -> None:
        if photo.source.path.name == "c.png":
            stop.set()

    folder = photos(tmp_path / "photos", "a.png", "b.png", "c.png", "d.png")
    events = run(plan(folder), Inverter(stop_at_c), stop.is_set, overlap=overlap)
    end = finished(events)
    assert (end.done, end.failed, end.interrupted) == (2, 0, True)
    out = tmp_path / "photos-dehaze"
    assert sorted(path.name for path in out.iterdir()) == [JOURNAL_NAME, "a.png", "b.png"]
    resumed = run(plan(folder), Inverter())
    assert (finished(resumed).done, finished(resumed).skipped) == (2, 2)


def test_stopping_while_a_photo_is_read_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk gives nothing; the run ends all the same once the disk lets go."""
    folder = photos(tmp_path / "photos", "slow.png")
    stop, disk = threading.Event(), threading.Event()

    def read_slowly(path: Path) -> Photo:
        disk.wait()
        return read_photo(path)

    monkeypatch.setattr("dinplug.batch.loading.read_photo", read_slowly)

    def stop_when_reading(event: Event) -> None:
        if isinstance(event, PhotoProgress):
            stop.set()
            threading.Timer(0.2, disk.set).start()

    made = make_plan(
        Request((folder / "slow.png",)),
        RECIPE,
        is_photo_name=is_photo_name,
        suffix_of=lambda source: ".png",
    )
    batch = BatchRun(made, RECIPE, Inverter(), WriteOptions(), stop_when_reading, stop.is_set)
    assert batch.run().interrupted


def test_a_full_disk_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(photo: Photo, path: Path, options: WriteOptions, **more: bool) -> tuple[str, ...]:
        error = OSError(errno.ENOSPC, "No space left on device")
        raise WriteError(f"{path}: the disk is full") from error

    monkeypatch.setattr("dinplug.batch.run.write_photo", full)
    folder = photos(tmp_path / "photos", *(f"{number}.png" for number in range(9)))
    events = run(plan(folder), Inverter())
    reasons = failures(events)
    assert len(reasons) == finished(events).failed == 9
    assert "the disk is full" in reasons[0]
    assert reasons[-1] == NOT_TRIED


def test_a_missing_device_ends_the_run_with_its_own_error(tmp_path: Path) -> None:
    def lose_device(photo: Photo) -> None:
        raise SetupError("the device is gone; use --device cpu")

    folder = photos(tmp_path / "photos", "a.png", "b.png")
    events: list[Event] = []
    batch = BatchRun(
        plan(folder), RECIPE, Inverter(lose_device), WriteOptions(), events.append, lambda: False
    )
    with pytest.raises(SetupError, match="the device is gone"):
        batch.run()
    assert failures(events) == ["the device is gone; use --device cpu", NOT_TRIED]
    assert finished(events).failed == 2
    assert finished(run(plan(folder), Inverter())).done == 2


def test_a_folder_that_takes_nothing_is_told_before_the_first_photo(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", "a.png")
    (tmp_path / "photos-dehaze").write_text("a file in the way")

    def unwanted(photo: Photo) -> None:
        raise ReadError("no photo should have been read")

    batch = BatchRun(plan(folder), RECIPE, Inverter(unwanted), WriteOptions(), print, lambda: False)
    with pytest.raises(SetupError, match="photos-dehaze: results cannot be written there"):
        batch.run()


def test_a_reserved_name_is_given_to_the_result(tmp_path: Path) -> None:
    """An empty file that a killed run left in place of its result."""
    folder = photos(tmp_path / "photos", "a.png")
    run(plan(folder), Inverter())
    out = tmp_path / "photos-dehaze"
    whole = (out / "a.png").read_bytes()
    begun, _done = (out / JOURNAL_NAME).read_text().splitlines()
    assert json.loads(begun)["status"] == "begun"
    (out / JOURNAL_NAME).write_text(begun + "\n")
    (out / "a.png").write_bytes(b"")
    assert finished(run(plan(folder), Inverter())).done == 1
    assert (out / "a.png").read_bytes() == whole


def test_a_folder_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    made, warnings = plan(photos(tmp_path / "photos", "a.png")), list[str]()
    batch = BatchRun(
        made,
        RECIPE,
        Inverter(),
        WriteOptions(),
        lambda event: None,
        lambda: False,
        warn=warnings.append,
    )
    assert batch.run().done == 1
    (warning,) = warnings
    assert warning.startswith(f"{tmp_path / 'photos-dehaze'}: this file system has no locks")


def test_leaving_at_once_gives_the_folder_back(tmp_path: Path) -> None:
    out = tmp_path / "photos-dehaze"
    locked: list[bool] = []

    def leave(photo: Photo) -> None:
        locked.append((out / LOCK_NAME).exists())
        batch.leave()
        locked.append((out / LOCK_NAME).exists())

    made = plan(photos(tmp_path / "photos", "a.png"))
    batch = BatchRun(
        made, RECIPE, Inverter(leave), WriteOptions(), lambda event: None, lambda: False
    )
    batch.run()
    assert locked == [True, False]


def test_notes_about_a_photo_are_passed_on(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    frames = [Image.new("RGB", (4, 3), (40 * number, 0, 0)) for number in range(2)]
    frames[0].save(folder / "two_pages.tif", save_all=True, append_images=frames[1:])
    events = run(plan(folder), Inverter())
    (done,) = [event for event in events if isinstance(event, PhotoDone)]
    assert "page" in done.note or "picture" in done.note


@pytest.mark.parametrize("single", [False, True])
def test_leaving_in_the_midst_of_a_write_removes_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, single: bool
) -> None:
    source = photos(tmp_path / "photos", "a.png") / "a.png"
    out = tmp_path / "photos-dehaze"
    made = plan(source.parent)
    batch: BatchRun | SingleRun
    if single:
        out.mkdir()
        batch = SingleRun(
            source, out / "a.png", RECIPE, Inverter(), WriteOptions("png"), print, lambda: False
        )
    else:
        batch = BatchRun(made, RECIPE, Inverter(), WriteOptions(), print, lambda: False)
    seen: list[list[str]] = []

    def leave(part: Path) -> None:
        seen.append([path.suffix for path in out.glob("*.part")])
        batch.unfinished.remove()
        seen.append([path.suffix for path in out.glob("*.part")])

    monkeypatch.setattr("dinplug.imaging.write._sync", leave)
    if single:
        with pytest.raises(WriteError):
            batch.run()
    else:
        batch.run()
    assert seen == [[".part"], []]
