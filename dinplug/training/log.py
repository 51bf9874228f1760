"""The log of a run: JSON lines that grow, and from them a table and a plot."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from dinplug.training.plot import plot

LogLine = dict[str, float | int]

LINES, TABLE, PLOT = "log.jsonl", "log.csv", "log.svg"
_COLUMNS = ("step", "seconds", "rate", "loss", "input_psnr", "psnr", "ssim")


class RunLog:
    """The log in a run's folder.

    `log.jsonl` has one object a line: a loss, averaged since the line before, or the scores of a
    validation, each with step, seconds of training and learning rate. `log.csv` and `log.svg`
    are made of it by `draw`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, line: LogLine) -> None:
        """Add a line."""
        with (self.folder / LINES).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def lines(self) -> list[LogLine]:
        """All lines; one that a kill tore off is left out."""
        file = self.folder / LINES
        if not file.is_file():
            return []
        text = file.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines()]

    def forget_after(self, step: int) -> None:
        """Drop what was logged after `step`: a run taken up there will log it again."""
        kept = [line for line in self.lines() if line["step"] <= step]
        self._write(LINES, "".join(json.dumps(line) + "\n" for line in kept))

    def draw(self) -> None:
        """Write the table and the plot anew."""
        lines = self.lines()
        table = io.StringIO()
        writer = csv.DictWriter(table, _COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        self._write(TABLE, table.getvalue())
        self._write(PLOT, plot(lines))

    def _write(self, name: str, text: str) -> None:
        part = self.folder / f"{name}.part"
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(self.folder / name)
