"""Events and their JSON lines."""

import json
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import jsonschema
import pytest
from click.testing import CliRunner
from PIL import Image

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
    json_schema,
    to_json,
)
from dinplug.cli import main
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


JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def checker() -> jsonschema.Draft202012Validator:
    """What checks a line against the published schema."""
    schema = json.loads(CliRunner().invoke(main, ["schema"]).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_published_schema_has_every_event_and_field() -> None:
    published = json.loads(json_schema())["$defs"]
    for event in EVENTS:
        kind = json.loads(to_json(event))["event"]
        properties = dict(published[kind]["properties"])
        assert properties.pop("schema") == {"const": SCHEMA}
        assert properties.pop("event") == {"const": kind}
        assert published[kind]["required"] == ["schema", "event", *properties]
        hints = get_type_hints(type(event))
        assert {name: stated["type"] for name, stated in properties.items()} == {
            name: JSON_TYPES[kind] for name, kind in hints.items()
        }
    assert len(published) == len(EVENTS)


def test_the_schema_takes_events_and_nothing_less() -> None:
    check = checker()
    for event in EVENTS:
        record = json.loads(to_json(event))
        check.validate(record)
        for name in record:
            assert not check.is_valid({key: record[key] for key in record if key != name})
            assert not check.is_valid(record | {name: None})


@pytest.mark.usefixtures("tiny_models")
def test_every_line_of_real_runs_is_in_the_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    for name in ("a.png", "b.png", "c.tif"):
        Image.new("RGB", (20, 16), (9, 90, 200)).save(f"photos/{name}")
    Path("photos/damaged.png").write_bytes(Path("photos/a.png").read_bytes()[:60])
    if sys.platform == "linux":
        os.mkfifo("photos/pipe.jpg")
        (Path("photos") / os.fsdecode(b"\xe9\xff.png")).write_bytes(
            Path("photos/a.png").read_bytes()
        )
    model = ["--model", "tiny-derain", "--json"]
    check = checker()
    kinds = set()
    for arguments in (
        ["batch", "photos", "--dry-run"],
        ["batch", "photos", "--include", "a.*"],
        ["batch", "photos"],
        ["restore", "photos/a.png", "b.jpg"],
        ["restore", "photos/damaged.png", "c.jpg"],
    ):
        lines = CliRunner().invoke(main, [*arguments, *model]).stdout.splitlines()
        assert lines
        for line in lines:
            record = json.loads(line)
            check.validate(record)
            kinds.add(record["event"])
    assert len(kinds) == len(EVENTS)
