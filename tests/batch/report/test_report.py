"""`dinplug batch --report`, from the outside: what is there after which kind of run."""

import json
import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinplug.batch.events import RunStarted
from dinplug.batch.interrupt import Stop
from dinplug.batch.journal import Recipe
from dinplug.batch.lock import FolderLock
from dinplug.batch.plan import BatchPlan, Job
from dinplug.batch.report import page, report
from dinplug.batch.report.index import INDEX_NAME
from dinplug.batch.report.report import reported
from dinplug.cli import main
from tests.batch.forked_runs import ForkedRuns, forked_runs
from tests.tiny_models import write_tiny_models


def photos(folder: Path, *names: str, size: tuple[int, int] = (24, 17)) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(noise).save(path)
    return folder


def batch(*arguments: str | Path) -> Result:
    words = ["batch", "--model", "tiny-derain", "--device", "cpu", *map(str, arguments)]
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def data_of(file: Path) -> Any:
    page = file.read_text("utf-8")
    (content,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(content)


def told(file: Path) -> dict[str, str]:
    """Each photo's status by its name; the pictures of those that have any are there."""
    data = data_of(file)
    for photo in data["photos"]:
        if photo["pictures"] is not None:
            for view in ("thumb", "before", "after"):
                picture = file.parent / data["pictures"] / f"{photo['pictures']['key']}-{view}.jpg"
                assert picture.is_file()
        assert (photo["pictures"] is not None) == (photo["status"] == "done")
    return {photo["name"]: photo["status"] for photo in data["photos"]}


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("more", [(), ("--max-memory", "2G"), ("--json",)], ids=str)
def test_every_photo_is_in_the_report(tmp_path: Path, more: tuple[str, ...]) -> None:
    source = photos(tmp_path / "in", "a.png", "trip/b.jpg", "c.png")
    (source / "c.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
    file = tmp_path / "new" / "report.html"
    result = batch(source, "--report", file, *more)
    assert result.exit_code == 1 and "report.html" in result.stderr
    assert told(file) == {"a.png": "done", "trip/b.jpg": "done", "c.png": "failed"}
    data = data_of(file)
    assert data["state"] == "finished" and data["recipes"][0]["model"] == "tiny-derain"
    assert all(json.loads(line) for line in result.stdout.splitlines() if "--json" in more)


@pytest.mark.usefixtures("tiny_models")
def test_the_report_of_a_later_run_has_everything(tmp_path: Path) -> None:
    """Done without a report, with one, and in this run: all are there, notes and times too."""
    source = photos(tmp_path / "in", "a.png")
    frames = [Image.new("RGB", (9, 8), (40 * number, 0, 0)) for number in range(2)]
    frames[0].save(source / "pages.tif", save_all=True, append_images=frames[1:])
    batch(source)
    file = tmp_path / "report.html"
    batch(photos(source, "b.png"), "--report", file)
    first = {photo["name"]: photo for photo in data_of(file)["photos"]}
    assert told(file) == dict.fromkeys(["a.png", "b.png", "pages.tif"], "done")
    assert "pictures" in first["pages.tif"]["about"] or "pages" in first["pages.tif"]["about"]
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "report_files").iterdir()}
    result = batch(photos(source, "c.png"), "--report", file, "--exclude", "b.png")
    assert result.exit_code == 0
    assert told(file) == dict.fromkeys(["a.png", "c.png", "pages.tif"], "done")
    again = {photo["name"]: photo for photo in data_of(file)["photos"]}
    assert {again[n]["seconds"] for n in ("a.png", "pages.tif")} == {
        first[n]["seconds"] for n in ("a.png", "pages.tif")
    }
    kept = [p for p, at in files.items() if p.exists() and p.stat().st_mtime_ns == at]
    assert len(kept) == 6, "pictures are made once; those of b.png are gone with it"


@pytest.mark.usefixtures("tiny_models")
def test_pictures_of_a_replaced_result_are_replaced(tmp_path: Path) -> None:
    source, file = photos(tmp_path / "in", "a.png"), tmp_path / "report.html"
    batch(source, "--report", file)
    before = {path.name for path in (tmp_path / "report_files").glob("*.jpg")}
    batch(source, "--report", file, "--strength", "0.5", "--overwrite")
    assert told(file) == {"a.png": "done"}
    after = {path.name for path in (tmp_path / "report_files").glob("*.jpg")}
    assert len(after) == 3 and not after & before
    (photo,) = data_of(file)["photos"]
    assert data_of(file)["recipes"][photo["recipe"]]["strength"] == "0.5"


@pytest.mark.usefixtures("tiny_models")
def test_results_made_otherwise_are_shown_with_their_own_settings(tmp_path: Path) -> None:
    source, file = photos(tmp_path / "in", "a.png"), tmp_path / "report.html"
    batch(source, "--strength", "0.5")
    batch(source, "--report", file)
    data = data_of(file)
    (photo,) = data["photos"]
    assert photo["status"] == "skipped" and "other options" in photo["about"]
    assert data["recipes"][photo["recipe"]]["strength"] == "0.5"
    assert data["recipes"][0]["strength"] == "1" and photo["pictures"]


@pytest.mark.usefixtures("tiny_models")
def test_a_reports_pictures_are_no_photos(tmp_path: Path) -> None:
    """The report may lie among the photos, and among the results that a next batch restores."""
    source = photos(tmp_path / "in", "a.png")
    batch(source, "--report", source / "report.html")
    batch(source, "--report", tmp_path / "in-derain" / "report.html")
    assert told(tmp_path / "in-derain" / "report.html") == {"a.png": "done"}
    result = batch(tmp_path / "in-derain", "--out", tmp_path / "twice", "--json")
    assert json.loads(result.stdout.splitlines()[0])["photos"] == 1


@pytest.mark.usefixtures("tiny_models")
def test_a_place_that_cannot_be_written_is_refused_before_work_begins(tmp_path: Path) -> None:
    source = photos(tmp_path / "in", "a.png")
    (tmp_path / "mine.html").write_text("<!doctype html><title>mine</title>")
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "saved_files").mkdir()
    (tmp_path / "saved_files" / "logo.png").write_bytes(b"")
    (tmp_path / "folder.html").mkdir()
    for name, code, words in [
        ("mine.html", 2, "is no report of dinplug"),
        ("report.jpg", 2, "not a name for a report"),
        ("in/a.png", 2, "not a name for a report"),
        ("saved.html", 2, "has other files in it"),
        ("folder.html", 2, "is a directory"),
        ("file/report.html", 3, "the report cannot be written there"),
    ]:
        result = batch(source, "--report", tmp_path / name)
        assert result.exit_code == code, (name, result.stderr)
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ") and words in line
    assert not (tmp_path / "in-derain").exists()
    assert (tmp_path / "mine.html").read_text() == "<!doctype html><title>mine</title>"
    assert batch(source, "--report", tmp_path / "r.html", "--dry-run").exit_code == 2


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
@pytest.mark.usefixtures("tiny_models")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    source, closed = photos(tmp_path / "in", "a.png"), tmp_path / "closed"
    closed.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    assert batch(source, "--report", closed / "report.html").exit_code == 3
    assert not (tmp_path / "in-derain").exists()


@pytest.mark.usefixtures("tiny_models")
def test_the_report_of_a_run_that_is_kept_out_stays(tmp_path: Path) -> None:
    source, file = photos(tmp_path / "in", "a.png"), tmp_path / "report.html"
    batch(source, "--report", file)
    content = file.read_bytes()
    lock = FolderLock.take(tmp_path / "in-derain")
    assert batch(photos(source, "b.png"), "--report", file).exit_code == 4
    lock.release()
    assert file.read_bytes() == content


@pytest.mark.usefixtures("tiny_models")
def test_what_has_no_pictures_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path, folder: Path) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(report, "make_pictures", refuse)
    file = tmp_path / "report.html"
    assert batch(photos(tmp_path / "in", "a.png"), "--report", file).exit_code == 0
    (photo,) = data_of(file)["photos"]
    assert photo["status"] == "done" and photo["about"] == "no pictures: no room"


@pytest.mark.usefixtures("tiny_models")
def test_a_report_that_cannot_be_written_in_the_end_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, file = photos(tmp_path / "in", "a.png"), tmp_path / "gone" / "report.html"

    def spoil(*arguments: Any) -> str:
        if not file.is_dir():
            file.unlink(missing_ok=True)
            file.mkdir()
        return page.render(*arguments)

    monkeypatch.setattr(report, "render", spoil)
    result = batch(source, "--report", file)
    assert result.exit_code == 3 and "cannot write" in result.stderr.splitlines()[-1]
    assert (tmp_path / "in-derain" / "a.png").exists()


def test_who_must_leave_at_once_leaves_a_report(tmp_path: Path) -> None:
    job = Job(tmp_path / "a.png", tmp_path / "out" / "a.png", tmp_path / "out")
    recipe, stop, file = Recipe("derain", "m", "", {}, "1"), Stop(), tmp_path / "report.html"
    with reported(file, BatchPlan((job,)), recipe, stop, alongside=True, tell=print) as note_down:
        note_down(RunStarted("derain", "m", 1, 0))
        for clean_up in stop.before_leaving:
            clean_up()
        assert data_of(file)["state"] == "interrupted" and told(file) == {"a.png": "waiting"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedRuns]:
    data_home = tmp_path_factory.mktemp("data-home")
    write_tiny_models(data_home)
    with forked_runs(tmp_path_factory.mktemp("said"), data_home) as server:
        yield server


@pytest.mark.skipif(os.name != "posix", reason="kills of Unix")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_a_report_and_the_next_one_completes_it(
    runs: ForkedRuns, tmp_path: Path, number: signal.Signals
) -> None:
    """After a kill, which nobody can answer, it is the page that was written last, and whole."""
    names = [f"{n:02}.png" for n in range(12)]
    source, file = photos(tmp_path / "in", *names, size=(220, 160)), tmp_path / "report.html"
    command = ("batch", "--model", "tiny-derain", "--device", "cpu", source, "--report", file)
    pid = runs.start(*command)
    runs.wait_for(pid, "[3/12]")
    os.kill(pid, number)
    code, said = runs.wait(pid)
    assert code == (130 if number == signal.SIGTERM else -number), said
    states = {photo["status"] for photo in data_of(file)["photos"]}
    assert states <= {"done", "waiting"} and "waiting" in states
    assert data_of(file)["state"] == ("interrupted" if number == signal.SIGTERM else "running")
    code, said = runs.run(*command)
    assert code == 0, said
    assert told(file) == dict.fromkeys(names, "done")
    assert data_of(file)["state"] == "finished"
    pictures = [path.name for path in (tmp_path / "report_files").iterdir()]
    assert len(pictures) == 3 * len(names) + 1 and INDEX_NAME in pictures
