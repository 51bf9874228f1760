"""What is shown of a run: lines in a file, a bar on a terminal."""

import io
import time
from pathlib import Path

import pytest

from dinplug.training.progress import Clock, LineView, TerminalView, View, view_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tell_all(view: View) -> None:
    with view:
        view.began(40, 100, time.monotonic() + 3600)
        view.stepped(50, 0.25)
        view.logged({"step": 50, "seconds": 1.0, "rate": 1e-3, "loss": 0.25})
        view.logged({"step": 50, "seconds": 1.0, "rate": 1e-3, "input_psnr": 20.0, "psnr": 24.5,
                     "ssim": 0.75})  # fmt: skip
        view.unfinished(50, Path("run"))


def test_a_file_gets_plain_lines() -> None:
    stream = io.StringIO()
    tell_all(LineView(stream))
    going_on, loss, scores, stopped = stream.getvalue().splitlines()
    assert going_on == "going on after step 40 of 100"
    assert loss.startswith("step 50/100: loss 0.25000, rate 0.001, 0:00:")
    assert scores == "step 50/100: PSNR 24.50 dB (input 20.00 dB), SSIM 0.7500"
    assert stopped == "stopped after step 50; the same command goes on from run"


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    tell_all(TerminalView(stream))
    shown = stream.getvalue()
    assert "step 50/100" in shown and "loss 0.25000" in shown and " left" in shown
    assert "PSNR 24.50 dB" in shown
    assert "rate" not in shown


def test_the_stream_decides() -> None:
    assert type(view_for(Terminal())) is TerminalView
    assert type(view_for(io.StringIO())) is LineView


def test_the_time_left_is_that_of_the_pace_or_of_the_budget(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = Clock(10, 100, float("inf"))
    assert clock.left() == "?"
    now, clock.step = 1060.0, 20
    # Ten steps took a minute; eighty are left.
    assert clock.left() == "0:08:00"
    clock.end = 1100.0
    assert clock.left() == "0:00:40"
