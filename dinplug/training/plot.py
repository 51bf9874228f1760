"""A plot of a run as SVG: loss, PSNR, SSIM and learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

_WIDTH, _HEIGHT = 720, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 30, 24
_MOST_POINTS = 600
_MUTED, _INK, _GRID = "#8a8f98", "#1f6fb4", "#e3e5e8"


@dataclass(frozen=True)
class Panel:
    """One diagram: its title, its curves with their colours, and whether it is logarithmic."""

    title: str
    curves: Sequence[tuple[str, str]]
    is_log: bool = False


_PANELS = (
    Panel("loss", (("loss", _INK),), is_log=True),
    Panel("PSNR in dB (grey: of the input)", (("input_psnr", _MUTED), ("psnr", _INK))),
    Panel("SSIM", (("ssim", _INK),)),
    Panel("learning rate", (("rate", _INK),), is_log=True),
)


def plot(lines: Sequence[Mapping[str, float]]) -> str:
    """Draw the lines of a log, which have `step` and some of the curves' names; return SVG.

    A curve without points leaves its panel empty, so that plots of two runs line up.
    """
    last = max((line["step"] for line in lines), default=1)
    height = _HEIGHT * len(_PANELS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, panel in enumerate(_PANELS):
        parts.append(f'<g transform="translate(0 {number * _HEIGHT})">')
        parts += _draw(panel, lines, last)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`, at most `most`."""
    span = high - low
    unit = 10.0 ** math.floor(math.log10(span / most))
    step = next(
        step
        for step in (unit * k for k in (1, 2, 5, 10, 20))
        if math.floor(high / step) - math.ceil(low / step) < most
    )
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten from `low` to `high`; `ticks` where these are too few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1,) if len(decades) > 4 else (1, 2, 5)
    found = [v for d in decades for k in factors if low <= (v := k * 10.0**d) <= high]
    return found if len(found) > 1 else ticks(low, high)


def _draw(panel: Panel, lines: Sequence[Mapping[str, float]], last: float) -> list[str]:
    curves = [
        (colour, [(line["step"], line[name]) for line in lines if name in line])
        for name, colour in panel.curves
    ]
    values = [y for _, points in curves for _, y in points if y > 0 or not panel.is_log]
    low, high = _range(values, panel.is_log)
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def across(step: float) -> float:
        return _LEFT + (right - _LEFT) * step / last

    def down(value: float) -> float:
        share = (
            math.log(max(value, low) / low) / math.log(high / low)
            if panel.is_log
            else (value - low) / (high - low)
        )
        return bottom - (bottom - _TOP) * share

    parts = [f'<text x="{_LEFT}" y="18" font-weight="bold">{panel.title}</text>']
    for value in log_ticks(low, high) if panel.is_log else ticks(low, high):
        y = f"{down(value):.1f}"
        parts.append(f'<path d="M{_LEFT} {y}H{right}" stroke="{_GRID}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y}" dy="4" text-anchor="end">{value:.6g}</text>')
    for step in ticks(0, last, 8):
        x = f"{across(step):.1f}"
        parts.append(f'<path d="M{x} {bottom}v4" stroke="{_MUTED}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{step:.10g}</text>')
    parts.append(f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="{_MUTED}"/>')
    for colour, points in curves:
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in _thinned(points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}"/>')
        if len(points) == 1:
            parts.append(
                f'<circle cx="{across(points[0][0]):.1f}" cy="{down(points[0][1]):.1f}" '
                f'r="2.5" fill="{colour}"/>'
            )
    return parts


def _range(values: Sequence[float], is_log: bool) -> tuple[float, float]:
    """Where an axis begins and ends: around the values, never empty."""
    if not values:
        return (0.1, 1.0) if is_log else (0.0, 1.0)
    low, high = min(values), max(values)
    if is_log:
        return low / 1.1, high * 1.1
    margin = 0.05 * (high - low) or max(abs(high), 1.0) * 0.05
    return low - margin, high + margin


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most `_MOST_POINTS` points: means of neighbours where there are more."""
    size = math.ceil(len(points) / _MOST_POINTS)
    groups = [points[at : at + size] for at in range(0, len(points), size or 1)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group))
        for group in groups
    ]
