"""What dialogs say of progress, time and memory."""

from typing import Any

import pytest

from dinplug.hosts.wording import (
    description_words,
    no_room_words,
    progress_words,
    size_words,
    time_words,
)


@pytest.mark.parametrize(
    ("share", "left", "words"),
    [
        (0, None, "Dehaze: loading the model"),
        (0, 30.2, "Dehaze: 30 s left"),
        (0.346, 12.4, "Dehaze: 35 %, 12 s left"),
        (0.5, None, "Dehaze: 50 %"),
        (1, 0.0, "Dehaze: 100 %"),
    ],
)
def test_progress(share: float, left: float | None, words: str) -> None:
    progress = {"stage": "loading the model", "share": share, "seconds_left": left}
    assert progress_words("Dehaze", progress) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s left"), (99, "99 s left"), (200, "3 min left")]
)
def test_time(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


@pytest.mark.parametrize(("size", "words"), [(10, "1 MB"), (4.2e8, "420 MB"), (1.25e9, "1.2 GB")])
def test_size(size: float, words: str) -> None:
    assert size_words(int(size)) == words


def test_description() -> None:
    told: dict[str, Any] = {"model": "m", "device": "d", "memory": None, "seconds": None}
    assert description_words(told) == "Model m on d"
    told.update(memory=420_000_000, seconds=12.0)
    assert description_words(told) == "Model m on d; 420 MB of memory, about 12 s"


def test_no_room() -> None:
    words = no_room_words(OSError(28, "No space left on device"))
    assert words == "there is no room to hand over the picture (No space left on device)"
