"""Show how a run gets on: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from dinplug.training.log import LogLine


class View:
    """What a run tells while it is entered as a context; this one shows nothing of it."""

    def __enter__(self) -> View:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take down what was put up."""

    def began(self, step: int, steps: int, end: float) -> None:
        """The run stands at `step` of `steps`, and ends at `end` on the monotonic clock at last."""

    def stepped(self, step: int, loss: float) -> None:
        """A step was done, with this loss."""

    def logged(self, line: LogLine) -> None:
        """A line was logged."""

    def unfinished(self, step: int, folder: Path) -> None:
        """The run ends after `step`, before its last one, and is kept in `folder`."""


class LineView(View):
    """A line for each line of the log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._steps = 0
        self._clock = Clock(0, 0, 0.0)

    def began(self, step: int, steps: int, end: float) -> None:
        self._steps = steps
        self._clock = Clock(step, steps, end)
        if step:
            self._write(f"going on after step {step} of {steps}")

    def stepped(self, step: int, loss: float) -> None:
        self._clock.step = step

    def logged(self, line: LogLine) -> None:
        where = f"step {line['step']}/{self._steps}"
        if "loss" in line:
            left = self._clock.left()
            self._write(f"{where}: loss {line['loss']:.5f}, rate {line['rate']:.2g}, {left} left")
        else:
            self._write(f"{where}: {scores(line)}")

    def unfinished(self, step: int, folder: Path) -> None:
        self._write(f"stopped after step {step}; the same command goes on from {folder}")

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class TerminalView(LineView):
    """A bar over the steps with loss and time left; validations and what else is said above it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._bar = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[detail]}"),
            console=Console(file=stream),
            expand=True,
        )
        self._task = self._bar.add_task("", total=None, detail="")

    def __enter__(self) -> TerminalView:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def began(self, step: int, steps: int, end: float) -> None:
        super().began(step, steps, end)
        self._bar.update(self._task, total=steps, completed=step)

    def stepped(self, step: int, loss: float) -> None:
        super().stepped(step, loss)
        detail = f"loss {loss:.5f}  {self._clock.left()} left"
        self._bar.update(self._task, completed=step, detail=detail)

    def logged(self, line: LogLine) -> None:
        if "loss" not in line:
            super().logged(line)

    def _write(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)


class Clock:
    """How much longer a run takes: at the pace so far, and no longer than its end."""

    def __init__(self, first: int, steps: int, end: float) -> None:
        self.first = self.step = first
        self.steps = steps
        self.end = end
        self.began = time.monotonic()

    def left(self) -> str:
        """The time left as h:mm:ss."""
        now = time.monotonic()
        done = self.step - self.first
        at_this_pace = (self.steps - self.step) * (now - self.began) / done if done else math.inf
        left = min(at_this_pace, self.end - now)
        return str(timedelta(seconds=round(max(left, 0)))) if math.isfinite(left) else "?"


def scores(line: LogLine) -> str:
    """The scores of a validation as a person says them."""
    return (
        f"PSNR {line['psnr']:.2f} dB (input {line['input_psnr']:.2f} dB), SSIM {line['ssim']:.4f}"
    )


def view_for(stream: TextIO) -> View:
    """The view that suits a stream."""
    return TerminalView(stream) if stream.isatty() else LineView(stream)
