"""The journal survives crashes and tells what is done."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dinplug.batch.journal import JOURNAL_NAME, Fingerprint, Journal, Recipe, Record
from dinplug.errors import WriteError

RECIPE = Recipe("dehaze", "din", "ab" * 32, {"strength": 1.0, "format": None}, "0.1.0")
RECORD = Record(
    source="/photos/a.tif",
    output="trip/a.tif",
    status="done",
    recipe=RECIPE,
    seconds=1.25,
    fingerprint=Fingerprint(10, 123456789, "cd" * 32),
)


def test_an_absent_journal_is_empty(tmp_path: Path) -> None:
    journal = Journal.read(tmp_path)
    assert journal.outputs() == set()
    assert not (tmp_path / JOURNAL_NAME).exists()


def test_records_come_back_as_written(tmp_path: Path) -> None:
    Journal.read(tmp_path).append(RECORD)
    journal = Journal.read(tmp_path)
    assert journal.find(tmp_path / "trip" / "a.tif") == RECORD
    assert journal.outputs() == {tmp_path / "trip" / "a.tif"}
    assert journal.find(tmp_path / "a.tif") is None


def test_the_latest_record_counts_and_nothing_is_rewritten(tmp_path: Path) -> None:
    journal = Journal.read(tmp_path)
    journal.append(RECORD)
    first = (tmp_path / JOURNAL_NAME).read_bytes()
    later = replace(RECORD, seconds=9.0)
    journal.append(later)
    assert (tmp_path / JOURNAL_NAME).read_bytes().startswith(first)
    assert Journal.read(tmp_path).find(tmp_path / "trip/a.tif") == later


def test_what_was_begun_is_known_until_something_follows(tmp_path: Path) -> None:
    begun = replace(RECORD, status="begun", seconds=0.0)
    target = tmp_path / "trip" / "a.tif"
    Journal.read(tmp_path).append(begun)
    journal = Journal.read(tmp_path)
    assert journal.find(target) is None and journal.find_begun(target) == begun
    assert journal.outputs() == {target}
    journal.append(RECORD)
    assert Journal.read(tmp_path).find_begun(target) is None
    assert Journal.read(tmp_path).find(target) == RECORD


def test_what_was_begun_and_failed_is_begun_no_more(tmp_path: Path) -> None:
    journal = Journal.read(tmp_path)
    for status in ("begun", "failed"):
        journal.append(replace(RECORD, status=status))
    assert Journal.read(tmp_path).find_begun(tmp_path / "trip" / "a.tif") is None


def test_a_failure_does_not_count_as_done(tmp_path: Path) -> None:
    journal = Journal.read(tmp_path)
    journal.append(replace(RECORD, status="failed", fingerprint=None, reason="broken"))
    assert Journal.read(tmp_path).find(tmp_path / "trip/a.tif") is None


@pytest.mark.parametrize("kept", [0, 1, 17, -1])
def test_a_torn_last_line_costs_only_itself(tmp_path: Path, kept: int) -> None:
    path = tmp_path / JOURNAL_NAME
    journal = Journal.read(tmp_path)
    journal.append(RECORD)
    whole = path.read_bytes()
    journal.append(replace(RECORD, output="b.tif"))
    torn = path.read_bytes()[len(whole) :][:kept]
    path.write_bytes(whole + torn)

    resumed = Journal.read(tmp_path)
    assert resumed.outputs() >= {tmp_path / "trip/a.tif"}
    resumed.append(replace(RECORD, output="c.tif"))
    assert Journal.read(tmp_path).outputs() >= {tmp_path / "trip/a.tif", tmp_path / "c.tif"}


@pytest.mark.parametrize(
    "line",
    [b"", b"\xff\xfe", b"7", b"[]", b"{}", b'{"schema": 1}', b'{"schema": 1, "recipe": 3}'],
)
def test_lines_of_other_kinds_are_passed_over(tmp_path: Path, line: bytes) -> None:
    (tmp_path / JOURNAL_NAME).write_bytes(line + b"\n")
    Journal.read(tmp_path).append(RECORD)
    assert Journal.read(tmp_path).find(tmp_path / "trip/a.tif") == RECORD


def test_records_of_a_later_schema_are_passed_over(tmp_path: Path) -> None:
    Journal.read(tmp_path).append(RECORD)
    values = json.loads((tmp_path / JOURNAL_NAME).read_text())
    values["schema"] = 2
    (tmp_path / JOURNAL_NAME).write_text(json.dumps(values) + "\n")
    assert Journal.read(tmp_path).outputs() == set()


def test_an_unwritable_journal_is_one_line(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).mkdir()
    with pytest.raises(WriteError, match=r"dinplug-journal\.jsonl: cannot be written"):
        Journal.read(tmp_path).append(RECORD)


def test_a_fingerprint_tells_contents_apart(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    fingerprint = Fingerprint.of(path)
    assert fingerprint.size == 3
    assert fingerprint.sha256.startswith("ba7816bf")
