"""What a run looks like: lines, JSON, bars, summary."""

import io
import os
import re
from pathlib import Path

import pytest

from dinplug.batch.events import (
    NOT_TRIED,
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
)
from dinplug.batch.progress import JsonView, LineView, TerminalView, View, choose_view
from dinplug.batch.summary import Summary, duration, for_display

EVENTS: list[Event] = [
    RunStarted("dehaze", "din", 2, 1),
    PhotoSkipped("/p/old.tif", "/o/old.tif", "already done"),
    PhotoStarted(0, "/p/a [red].tif", "/o/a.tif"),
    PhotoProgress(0, "wrdb 1.1", 3, 12),
    PhotoDone(0, "/p/a [red].tif", "/o/a.tif", 12.34, "its profile is damaged"),
    PhotoFailed("/p/b.tif", "/p/b.tif: the file is cut short"),
    RunFinished(1, 1, 1, 75.0, False),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show_all(view: View) -> None:
    with view:
        for event in EVENTS:
            view.show(event)


def test_one_line_for_each_photo() -> None:
    stream = io.StringIO()
    show_all(LineView(stream))
    assert stream.getvalue().splitlines() == [
        "skipped: /p/old.tif (already done)",
        "[1/2] /p/a [red].tif -> /o/a.tif (12.3 s)",
        "[2/2] failed: /p/b.tif: the file is cut short",
    ]


def test_planned_photos_are_lines_too() -> None:
    stream = io.StringIO()
    LineView(stream).show(PhotoPlanned("a", "b", "4 tiles"))
    assert stream.getvalue() == "a -> b: 4 tiles\n"


def test_json_lines_are_the_events() -> None:
    stream = io.StringIO()
    show_all(JsonView(stream))
    assert [from_json(line) for line in stream.getvalue().splitlines()] == EVENTS


def test_bars_show_photo_stage_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    view = TerminalView(stream)
    with view:
        for event in EVENTS[:4]:
            view.show(event)
        view._bars.refresh()
        for event in EVENTS[4:]:
            view.show(event)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "photos" in text and "0/2" in text and "2/2" in text
    assert "a [red].tif" in text and "wrdb 1.1" in text
    assert "failed: /p/b.tif: the file is cut short" in text


def test_the_stream_decides_the_view() -> None:
    assert isinstance(choose_view(True, io.StringIO(), Terminal()), JsonView)
    assert isinstance(choose_view(False, io.StringIO(), Terminal()), TerminalView)
    assert isinstance(choose_view(False, io.StringIO(), io.StringIO()), LineView)


def test_the_summary_counts_and_gives_reasons() -> None:
    summary = Summary((Path("/o"),))
    for event in EVENTS:
        summary.take(event)
    assert summary.lines() == [
        "Finished after 1 min 15 s with din: 1 restored, 1 skipped, 1 failed; results in /o",
        "  skipped 1: already done",
        "  note: /p/a [red].tif: its profile is damaged",
        "  failed: /p/b.tif: the file is cut short",
    ]


def test_an_interrupted_run_says_how_to_go_on() -> None:
    summary = Summary()
    summary.take(RunFinished(1, 0, 0, 2.0, True))
    assert summary.lines()[0].startswith("Interrupted after 2.0 s")
    assert "the same command goes on" in summary.lines()[1]


def test_photos_that_were_not_tried_are_counted_and_not_listed() -> None:
    events: list[Event] = [
        RunStarted("dehaze", "din", 3, 0),
        PhotoFailed("/p/a.tif", "/o/a.tif: the disk is full"),
        PhotoFailed("/p/b.tif", NOT_TRIED),
        PhotoFailed("/p/c.tif", NOT_TRIED),
        RunFinished(0, 0, 3, 2.0, False),
    ]
    summary, lines, terminal = Summary(), io.StringIO(), Terminal()
    plain = LineView(lines)
    with TerminalView(terminal) as bars:
        for event in events:
            for take in (summary.take, plain.show, bars.show):
                take(event)
    assert summary.lines() == [
        "Finished after 2.0 s with din: 0 restored, 0 skipped, 1 failed, 2 not tried",
        "  failed: /p/a.tif: /o/a.tif: the disk is full",
        "  every file written is whole; the same command goes on from here",
    ]
    assert lines.getvalue().count("\n") == 1
    assert NOT_TRIED not in lines.getvalue() + terminal.getvalue()


def test_a_run_that_never_ended_has_no_summary() -> None:
    assert Summary().lines() == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (61, "1 min 1 s"),
        (3599.8, "1 h 0 min"),
        (7260, "2 h 1 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_names_that_no_terminal_should_see_are_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert for_display("a\x1b[31m\n\udcff写.tif") == r"a\x1b[31m\n\udcff写.tif"
    monkeypatch.chdir(tmp_path)
    assert for_display(f"{tmp_path}{os.sep}photos/a.tif: broken") == "photos/a.tif: broken"


def test_quiet_shows_failures_only() -> None:
    stream = io.StringIO()
    show_all(choose_view(False, io.StringIO(), stream, detail="quiet"))
    assert stream.getvalue() == "failed: /p/b.tif: the file is cut short\n"


def test_verbose_shows_beginnings_and_notes_in_lines_on_terminals_too() -> None:
    stream = Terminal()
    show_all(choose_view(False, io.StringIO(), stream, detail="verbose"))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert text.splitlines() == [
        "skipped: /p/old.tif (already done)",
        "begun: /p/a [red].tif",
        "[1/2] /p/a [red].tif -> /o/a.tif (12.3 s)",
        "  note: its profile is damaged",
        "[2/2] failed: /p/b.tif: the file is cut short",
    ]


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]")


@pytest.mark.parametrize(
    ("stream", "variables", "coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (io.StringIO, {}, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
    ],
    ids=["terminal", "NO_COLOR", "file", "FORCE_COLOR"],
)
@pytest.mark.parametrize("view", [LineView, TerminalView])
def test_colours_are_where_they_are_wanted(
    view: type[LineView | TerminalView],
    stream: type[io.StringIO],
    variables: dict[str, str],
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **variables}.items():
        monkeypatch.setenv(name, value)
    written = stream()
    show_all(view(written))
    assert bool(COLOUR.search(written.getvalue())) is coloured


def test_a_long_failure_stays_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = io.StringIO()
    LineView(stream).show(PhotoFailed("/p/b.tif", "reason " * 40))
    assert stream.getvalue().count("\n") == 1
