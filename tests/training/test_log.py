"""The log: lines that survive a kill, a table, a plot that shows them."""

import csv
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dinplug.training.log import LINES, PLOT, TABLE, LogLine, RunLog
from dinplug.training.plot import log_ticks, plot, ticks

FIRST: LogLine = {"step": 50, "seconds": 1.5, "rate": 1e-3, "loss": 0.25}
SCORES: LogLine = {
    "step": 50, "seconds": 1.5, "rate": 1e-3, "input_psnr": 20.0, "psnr": 24.5, "ssim": 0.75,
}  # fmt: skip
SECOND: LogLine = {"step": 100, "seconds": 3.0, "rate": 5e-4, "loss": 0.125}


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    log = RunLog(tmp_path)
    for line in (FIRST, SCORES, SECOND):
        log.append(line)
    return log


def test_lines_come_back(log: RunLog) -> None:
    assert log.lines() == [FIRST, SCORES, SECOND]


def test_a_torn_line_is_left_out(log: RunLog) -> None:
    with (log.folder / LINES).open("a", encoding="utf-8") as stream:
        stream.write('{"step": 150, "sec')
    assert log.lines() == [FIRST, SCORES, SECOND]
    log.forget_after(150)
    log.append(SECOND)
    assert log.lines() == [FIRST, SCORES, SECOND, SECOND]


def test_what_comes_after_a_checkpoint_is_forgotten(log: RunLog) -> None:
    log.forget_after(99)
    assert log.lines() == [FIRST, SCORES]


def test_a_run_without_a_log_has_no_lines(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.forget_after(0)
    assert log.lines() == []
    log.draw()
    ElementTree.parse(tmp_path / PLOT)


def test_the_table_has_all_columns(log: RunLog) -> None:
    log.draw()
    with (log.folder / TABLE).open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["loss"] for row in rows] == ["0.25", "", "0.125"]
    assert [row["psnr"] for row in rows] == ["", "24.5", ""]
    assert {float(row["rate"]) for row in rows} == {1e-3, 5e-4}


def test_the_plot_has_a_point_for_every_value() -> None:
    svg = plot([FIRST, SCORES, SECOND])
    root = ElementTree.fromstring(svg)
    curves = [
        line.attrib["points"].split() for line in root.iter("{http://www.w3.org/2000/svg}polyline")
    ]
    # loss, PSNR of the input, PSNR, SSIM, rate
    assert [len(points) for points in curves] == [2, 1, 1, 1, 3]
    (x1, y1), (x2, y2) = (tuple(map(float, point.split(","))) for point in curves[0])
    # From the axis at 70 to the margin at 700; a smaller loss is further down.
    assert (x1, x2) == (70 + 630 / 2, 700)
    assert y2 > y1


def test_a_long_run_is_thinned_to_means() -> None:
    lines: list[LogLine] = [{"step": step, "loss": 1 + step % 2} for step in range(6000)]
    points = re.findall(r'points="([^"]*)"', plot(lines))[0].split()
    assert len(points) == 600
    assert len({point.split(",")[1] for point in points}) == 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100][:6]),
        (23.1, 24.9, [23.5, 24, 24.5]),
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high, 6) == pytest.approx(expected)


def test_logarithmic_ticks() -> None:
    assert log_ticks(0.015, 0.3) == pytest.approx([0.02, 0.05, 0.1, 0.2])
    assert log_ticks(1e-7, 1e-3) == pytest.approx([1e-7, 1e-6, 1e-5, 1e-4, 1e-3])
    assert log_ticks(0.031, 0.045) == pytest.approx(ticks(0.031, 0.045))
