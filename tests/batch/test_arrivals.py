"""Files are complete when nobody writes to them any more."""

import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from dinplug.batch.arrivals import PATIENCE, Arrivals, is_open_for_writing, is_temporary

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who writes")


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def arrivals(clock: Clock) -> Arrivals:
    return Arrivals(2.0, clock)


def look(arrivals: Arrivals, clock: Clock, path: Path, seconds: float = 1.0) -> bool:
    """Look after so many seconds; tell whether the file is complete."""
    clock.now += seconds
    return path in arrivals.complete([path])


def write(path: Path, content: bytes = b"photo") -> Path:
    """Write a file whose name is as old as its content, as on file systems that know no leases."""
    path.write_bytes(content)
    return path


def test_a_file_is_complete_once_it_has_not_changed_for_a_while(
    arrivals: Arrivals, clock: Clock, tmp_path: Path
) -> None:
    photo = write(tmp_path / "a.jpg")
    assert [look(arrivals, clock, photo) for _ in range(4)] == [False, False, True, True]


def test_each_piece_begins_the_wait_anew(arrivals: Arrivals, clock: Clock, tmp_path: Path) -> None:
    photo = write(tmp_path / "a.jpg")
    for _ in range(5):
        assert not look(arrivals, clock, photo)
        with photo.open("ab") as stream:
            stream.write(b"more")
    assert not look(arrivals, clock, photo, 1.9)
    assert not look(arrivals, clock, photo, 1.9)
    assert look(arrivals, clock, photo, 0.2)


def test_a_complete_file_that_is_written_again_is_not_complete(
    arrivals: Arrivals, clock: Clock, tmp_path: Path
) -> None:
    photo = write(tmp_path / "a.jpg")
    look(arrivals, clock, photo)
    assert look(arrivals, clock, photo, 2)
    write(photo, b"again")
    os.utime(photo, ns=(1, 1))
    write(photo, b"again!")
    assert not look(arrivals, clock, photo)


def test_a_file_that_went_away_begins_anew(
    arrivals: Arrivals, clock: Clock, tmp_path: Path
) -> None:
    photo = write(tmp_path / "a.jpg")
    look(arrivals, clock, photo)
    photo.unlink()
    assert not look(arrivals, clock, photo, 5)
    write(photo)
    assert not look(arrivals, clock, photo, 5)


@LINUX
def test_a_file_that_is_open_for_writing_is_not_complete(
    arrivals: Arrivals, clock: Clock, tmp_path: Path
) -> None:
    photo = tmp_path / "a.jpg"
    with photo.open("wb") as stream:
        stream.write(b"half")
        stream.flush()
        assert is_open_for_writing(photo) == "yes"
        assert not any(look(arrivals, clock, photo) for _ in range(8))
    assert is_open_for_writing(photo) == "no"
    assert look(arrivals, clock, photo)


@LINUX
def test_a_reader_is_no_writer(tmp_path: Path) -> None:
    with write(tmp_path / "a.jpg").open("rb"):
        assert is_open_for_writing(tmp_path / "a.jpg") == "no"


@LINUX
@pytest.mark.parametrize("temporary", ["a.jpg.part", "outside/x"])
def test_a_file_that_is_renamed_into_place_is_complete_at_once(
    arrivals: Arrivals, clock: Clock, tmp_path: Path, temporary: str
) -> None:
    before = tmp_path / temporary
    before.parent.mkdir(exist_ok=True)
    write(before)
    time.sleep(0.05)  # the clock of a file system has steps of some milliseconds
    before.rename(tmp_path / "a.jpg")
    assert look(arrivals, clock, tmp_path / "a.jpg")


@pytest.mark.parametrize("case", ["empty", pytest.param("left open", marks=LINUX)])
def test_what_never_changes_is_taken_in_the_end_and_so_reported(
    case: str, arrivals: Arrivals, clock: Clock, tmp_path: Path
) -> None:
    with (tmp_path / "a.jpg").open("wb") as stream:
        if case == "left open":
            stream.write(b"half")
            stream.flush()
        assert not look(arrivals, clock, tmp_path / "a.jpg")
        assert not look(arrivals, clock, tmp_path / "a.jpg", 2.0 * PATIENCE - 1)
        assert look(arrivals, clock, tmp_path / "a.jpg", 2.0)


def test_asking_beside_the_main_thread_is_safe(tmp_path: Path) -> None:
    answers: list[str] = []
    photo = write(tmp_path / "a.jpg")
    thread = threading.Thread(target=lambda: answers.append(is_open_for_writing(photo)))
    thread.start()
    thread.join()
    assert answers == ["unknown"]


def test_of_a_file_that_is_not_there_nothing_is_known(tmp_path: Path) -> None:
    assert is_open_for_writing(tmp_path / "a.jpg") == "unknown"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", False), ("IMG 1.2.CR2", False), ("part.jpg", False), ("a.b.c.tif", False),
        (".a.jpg", True), ("~a.jpg", True), ("a.jpg~", True), ("a.part.jpg", True),
        ("a.tmp.TIF", True), ("a.jpg.crdownload", True), ("a.PARTIAL.jpg", True),
    ],
)  # fmt: skip
def test_temporary_names(name: str, expected: bool) -> None:
    assert is_temporary(name) is expected
