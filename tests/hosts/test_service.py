"""What the worker keeps between requests, and gives up when memory is short."""

import threading
from pathlib import Path
from typing import Any

import pytest

from dinplug.errors import Interrupted, PhotoError
from dinplug.hosts import jobs
from dinplug.hosts.jobs import Job, Stopwatch
from dinplug.hosts.pictures import opening_bytes
from dinplug.hosts.pixels import PixelFolder, PixelShape
from dinplug.hosts.service import Service
from dinplug.hosts.warm import WarmModels, Wish
from dinplug.inference.plan import ExecutionPlan
from tests.imaging.test_samples import random_samples

pytestmark = pytest.mark.usefixtures("tiny_models")
ORDER = {"task": "dehaze", "parameters": {"model": "tiny-dehaze"}}
SIZE = 64


def ask(service: Service, request: str, **fields: Any) -> dict[str, Any]:
    """One request and its result."""
    message = {"id": 1, "request": request, **fields}
    return service.answer(Job(1, request, message, lambda _answer: None))


def open_picture(service: Service) -> int:
    """Open a picture of SIZE x SIZE and return its number."""
    samples = random_samples("uint8", 4, (SIZE, SIZE))
    told = PixelShape(SIZE, SIZE, 4, "uint8")._asdict()
    number = ask(service, "open", pixels=service.folder.write(samples.tobytes()), **told)["picture"]
    assert isinstance(number, int)
    return number


def result_of(service: Service, picture: int) -> bytes:
    """The bytes of a picture's result."""
    result = ask(service, "restore", picture=picture, **ORDER)
    return bytes(service.folder.read(result["pixels"], PixelShape.of(result).file_bytes))


@pytest.fixture
def folder(tmp_path: Path) -> PixelFolder:
    """A folder for pixels."""
    return PixelFolder.make(str(tmp_path))


def test_results_give_way_to_new_pictures(folder: PixelFolder) -> None:
    service = Service(folder, 1 << 30)
    first, second = open_picture(service), open_picture(service)
    expected = result_of(service, first)
    kept = service.pictures[first]
    assert kept.full is not None and kept.samples is not None
    held = service.models.held_bytes + sum(p.held_bytes for p in service.pictures.values())
    # Room for one more picture only if the results go.
    service.budget = held + opening_bytes(kept.shape) - 1
    third = open_picture(service)
    assert kept.full is None and kept.samples is None
    assert set(service.pictures) == {first, second, third}
    service.budget = 1 << 30
    assert result_of(service, first) == expected


def test_less_memory_gives_the_same_pixels_or_a_sentence(folder: PixelFolder) -> None:
    service = Service(folder, 1 << 30)
    picture = open_picture(service)
    expected = result_of(service, picture)
    restorer = service.models.get(Wish("tiny-dehaze", "dehaze", None, "auto")).restorer
    plan = restorer.plan(SIZE, SIZE)
    assert isinstance(plan, ExecutionPlan)  # on a CPU
    peak, maps = plan.peak_bytes, plan.map_bytes
    held = service.models.held_bytes + service.pictures[picture].held_bytes
    service.pictures[picture].forget_results()
    service.budget = held + peak - maps // 2  # maps go to a scratch file
    assert result_of(service, picture) == expected
    service.pictures[picture].forget_results()
    service.budget = held + 100
    with pytest.raises(PhotoError, match="more memory than the"):
        result_of(service, picture)


def test_closed_pictures_are_forgotten(folder: PixelFolder) -> None:
    service = Service(folder, 1 << 30)
    ask(service, "close", picture=open_picture(service))
    assert not service.pictures


def test_models_stay_warm_until_others_need_the_room() -> None:
    models = WarmModels(1 << 30)
    haze, rain = Wish("tiny-dehaze", "dehaze", None, "cpu"), Wish(None, "derain", None, "cpu")
    first = models.get(haze)
    assert models.get(haze) is first
    models.get(rain)
    assert models.get(haze) is first
    models.limit = 1
    second = models.get(rain)
    assert models.held_bytes == second.size > 0
    assert models.get(haze) is not first


def test_a_model_that_was_imported_anew_is_loaded_anew(tiny_models: Path) -> None:
    models = WarmModels(1 << 30)
    wish = Wish("tiny-dehaze", "dehaze", None, "cpu")
    first = models.get(wish)
    card = tiny_models / "models" / "tiny-dehaze.json"
    part = card.with_suffix(".part")
    part.write_bytes(card.read_bytes())
    part.replace(card)
    assert models.get(wish) is not first


def test_a_job_is_answered_once() -> None:
    answers: list[dict[str, Any]] = []
    job = Job(7, "restore", {}, answers.append)
    racing = [
        threading.Thread(target=action)
        for action in [lambda: job.succeed({}), lambda: job.fail("cancelled", "cancelled")] * 8
    ]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert len(answers) == 1 and answers[0]["id"] == 7
    with pytest.raises(Interrupted):
        job.check()
    job.tell("late", 0.5, None)
    assert len(answers) == 1


def test_progress_is_told_as_often_as_a_person_can_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_PROGRESS_SECONDS", 3600)
    told: list[dict[str, Any]] = []
    job = Job(7, "restore", {}, told.append)
    job.tell("head", 0.123456, 12.34)
    for share in (0.2, 0.3, 0.4):
        job.tell("body", share, 10.0)
    job.tell("finishing", 1, None)
    assert told == [
        {"id": 7, "answer": "progress", "stage": "head", "share": 0.1235, "seconds_left": 12.3},
        {"id": 7, "answer": "progress", "stage": "finishing", "share": 1, "seconds_left": None},
    ]


def test_the_time_left_comes_from_the_share_done_or_from_before() -> None:
    watch = Stopwatch(None)
    assert watch.left(0.01) is None
    watch.started -= 30
    assert watch.left(0.75) == pytest.approx(10, rel=0.1)
    watch.expected = 100
    assert watch.left(0.01) == pytest.approx(70, rel=0.1)
