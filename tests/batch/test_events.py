"""Events and their JSON lines."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from dinplug.batch.events import (
    SCHEMA,
    Event,
    PhotoDone,
    PhotoFailed,
    PhotoPlanned,
    PhotoProgress,
    PhotoSkipped,
    PhotoStarted,
    RunFinished,
    RunStarted,
    from_json,
    to_json,
)
from dinplug.errors import UsageError

EVENTS: list[Event] = [
    RunStarted("dehaze", "din", 3, 1),
    PhotoPlanned("a", "b", "4 tiles"),
    PhotoStarted(0, "a", "b"),
    PhotoProgress(0, "wrdb 1.2", 3, 40),
    PhotoDone(0, "写真.tif", "b\n.tif", 1.5, ""),
    PhotoSkipped("a", "b", "already done"),
    PhotoFailed("broken \udcff.jpg", 'a "reason"'),
    RunFinished(1, 1, 1, 2.0, False),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_round_trip_over_one_line_of_ascii(event: Event) -> None:
    line = to_json(event)
    assert line.isascii() and "\n" not in line
    assert json.loads(line)["schema"] == SCHEMA
    assert from_json(line) == event


def test_whole_seconds_are_still_seconds() -> None:
    line = to_json(PhotoDone(0, "a", "b", 2.0, "")).replace("2.0", "2")
    assert from_json(line) == PhotoDone(0, "a", "b", 2.0, "")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("no json", "not an event"),
        ("[1]", "not an event"),
        ('{"event": "photo-failed", "source": "a", "reason": "b"}', "not an event of schema"),
        ('{"schema": 99, "event": "photo-failed"}', "not an event of schema"),
        ('{"schema": 1, "event": "photo-eaten"}', "unknown event 'photo-eaten'"),
        ('{"schema": 1, "event": ["x"]}', "unknown event"),
        ('{"schema": 1, "event": "photo-failed", "source": "a"}', "with the fields source"),
        (
            '{"schema": 1, "event": "photo-failed", "source": "a", "reason": "b", "more": 1}',
            "with the fields",
        ),
        ('{"schema": 1, "event": "photo-failed", "source": "a", "reason": 7}', "reason is no str"),
        (
            '{"schema": 1, "event": "photo-progress", "index": true, "stage": "s", "done": 1,'
            ' "total": 2}',
            "index is no int",
        ),
    ],
)
def test_anything_else_is_refused(line: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        from_json(line)


def test_the_document_names_every_event_and_field() -> None:
    text = (Path(__file__).parents[2] / "docs" / "events.md").read_text("utf-8")
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    told = {row.split("`")[1]: row.split("|")[2].replace("`", "").strip() for row in rows}
    meant = {json.loads(to_json(event))["event"]: event for event in EVENTS}
    assert told == {
        kind: ", ".join(field.name for field in fields(event)) for kind, event in meant.items()
    }
    assert f"(now {SCHEMA})" in text
