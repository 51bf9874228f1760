"""Rain streaks: many short lines of light, drawn one by one or made from blurred noise.

Falling drops smear into lines during the exposure. A picture of rain holds several layers of
them: near ones long, wide and out of focus, far ones short, thin and dense. Image editors make
rain from noise that is blurred along a line and cut off below a level; many rainy pictures are
made so, which is why both are here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dinplug.training.degradations.filters import smooth_field

F32 = NDArray[np.float32]

STEEPEST = 75.0
"""Largest angle from the vertical, in degrees, that a layer may have."""


@dataclass(frozen=True)
class StreakLayer:
    """One depth layer of streaks that are alike.

    Attributes:
        length: mean length in pixels, > 0.
        width: mean width in pixels, > 0; below 1 the streaks are also fainter.
        angle: mean direction in degrees from the vertical, at most `STEEPEST` either way;
            positive streaks run from upper left to lower right.
        density: mean number of streaks over a pixel, >= 0; a share 1 - exp(-density) of the
            picture is covered.
        brightness: mean value of one streak, 0..1. Where streaks cross, values add up.
        blur: width in pixels of the ramp at a streak's edge, >= 1; 1 is sharp (antialiased),
            more is out of focus.
        spread: relative variation of length, width and brightness among the streaks, 0..1.
        tail: how unequal the streaks' brightness is, >= 0: 0 for equal (but for `spread`), 1 for
            few bright and many dim ones, more for fewer still; the mean stays.
        wander: variation of the angle among the streaks, standard deviation in degrees.
        fade: how much a streak loses towards its ends, 0 (nothing) to 1 (everything).
        beading: depth of the brightness waves along a streak, 0..1; drops shimmer as they swing.
        perspective: relative growth of length and width from the top to the bottom of the
            picture, -1..1.
        fan: change of the angle from the left to the right border, in degrees.
        unevenness: how much brightness varies over the picture, 0 (not) to 1 (down to nothing).
        grain: make the layer from noise blurred along the streak instead of single lines;
            `spread`, `wander`, `perspective` and `fan` then have no meaning.
    """

    length: float
    width: float
    angle: float
    density: float
    brightness: float
    blur: float = 1.0
    spread: float = 0.0
    tail: float = 0.0
    wander: float = 0.0
    fade: float = 0.0
    beading: float = 0.0
    perspective: float = 0.0
    fan: float = 0.0
    unevenness: float = 0.0
    grain: bool = False


@dataclass(frozen=True)
class _Streaks:
    """Single streaks: centres, sizes (pixels), angles (radians), values, phases; each (n,)."""

    x: F32
    y: F32
    length: F32
    width: F32
    angle: F32
    brightness: F32
    phase: F32


def render_streaks(rng: np.random.Generator, height: int, width: int, layer: StreakLayer) -> F32:
    """Draw one layer of streaks.

    Args:
        rng: the source of all positions and variations.
        height: pixels, >= 1.
        width: pixels, >= 1.
        layer: what the streaks look like.

    Returns:
        The light of the streaks (height, width) in 0..1, 0 where there are none.
    """
    if layer.density <= 0 or layer.brightness <= 0:
        return np.zeros((height, width), np.float32)
    if layer.grain:
        streaks = _blurred_noise(rng, height, width, layer)
    else:
        streaks = _draw(_scatter(rng, height, width, layer), height, width, layer)
    if layer.unevenness > 0:
        field = smooth_field(rng, height, width, 3)
        streaks = streaks * (1 - np.float32(layer.unevenness) * field)
    return np.minimum(streaks, np.float32(1))


def _scatter(rng: np.random.Generator, height: int, width: int, layer: StreakLayer) -> _Streaks:
    """Place streaks over the picture and a border as wide as they reach."""
    largest = (1 + layer.spread) * (1 + abs(layer.perspective) / 2)
    leaning = np.deg2rad(min(STEEPEST, abs(layer.angle) + abs(layer.fan) / 2 + 2 * layer.wander))
    reach = layer.length * largest / 2
    thick = layer.width * largest / 2 + layer.blur
    border_y = reach + thick
    border_x = reach * float(np.sin(leaning)) + thick
    area = (height + 2 * border_y) * (width + 2 * border_x)
    count = int(rng.poisson(layer.density * area / (layer.length * layer.width)))
    place = rng.random((7, count), np.float32)
    # The mean of u^k over u in 0..1 is 1 / (1 + k).
    unequal = (1 + layer.tail) * place[6] ** np.float32(layer.tail)
    x = place[0] * np.float32(width + 2 * border_x) - np.float32(border_x)
    y = place[1] * np.float32(height + 2 * border_y) - np.float32(border_y)
    vary = 1 + np.float32(layer.spread) * (2 * place[2:5] - 1)
    nearness = 1 + np.float32(layer.perspective) * np.clip(y / height - 0.5, -0.5, 0.5)
    angle = layer.angle + np.float32(layer.fan) * np.clip(x / width - 0.5, -0.5, 0.5)
    if layer.wander > 0:
        angle = angle + np.float32(layer.wander) * rng.standard_normal(count, np.float32)
    return _Streaks(
        x=x,
        y=y,
        length=(layer.length * nearness * vary[0]).astype(np.float32),
        width=(layer.width * nearness * vary[1]).astype(np.float32),
        angle=np.deg2rad(np.clip(angle, -STEEPEST, STEEPEST)).astype(np.float32),
        brightness=(layer.brightness * vary[2] * unequal).astype(np.float32),
        phase=place[5] * np.float32(2 * np.pi),
    )


def _draw(streaks: _Streaks, height: int, width: int, layer: StreakLayer) -> F32:
    """Add up antialiased lines on a canvas (height, width).

    Every streak is cut into the pixel rows it crosses, every row into as many columns as the
    widest streak needs; all these pixels go through the same arithmetic at once.
    """
    sine, cosine = np.sin(streaks.angle), np.cos(streaks.angle)
    ramp = np.float32(layer.blur)
    half_width = (streaks.width + ramp) / 2
    half_height = (streaks.length + ramp) / 2 * cosine + half_width * np.abs(sine)
    first = np.maximum(np.ceil(streaks.y - half_height), 0).astype(np.int32)
    last = np.minimum(np.floor(streaks.y + half_height), height - 1).astype(np.int32)
    rows = np.maximum(last - first + 1, 0)
    half_row = half_width / cosine
    if not rows.any():
        return np.zeros((height, width), np.float32)

    owner = np.repeat(np.arange(rows.size), rows)
    y = np.arange(owner.size) + np.repeat(first - (np.cumsum(rows) - rows), rows)
    down = y.astype(np.float32) - streaks.y[owner]
    start = np.ceil(streaks.x[owner] + down * (sine / cosine)[owner] - half_row[owner])
    columns = int(np.ceil(2 * half_row.max())) + 1
    inside = (start + columns > 0) & (start < width)
    owner, y, down, start = owner[inside], y[inside], down[inside], start[inside]
    right = start - streaks.x[owner]

    # Arrays of pixels are (columns, rows): numpy is several times quicker along the longer axis.
    step = np.arange(columns)[:, None]
    ahead = step.astype(np.float32)
    sine, cosine = sine[owner], cosine[owner]
    along = ahead * sine + (right * sine + down * cosine)
    across = ahead * cosine + (right * cosine - down * sine)
    value = _inside(across, streaks.width[owner], ramp)
    value *= _inside(along, streaks.length[owner], ramp)
    value *= streaks.brightness[owner]
    if layer.fade > 0 or layer.beading > 0:
        value *= _profile(along / streaks.length[owner], streaks.phase[owner], layer)

    # A border of spare columns on each side takes what falls outside.
    stride = width + 2 * columns
    spot = (y * stride + start.astype(np.intp) + columns) + step
    canvas = np.bincount(spot.ravel(), value.ravel(), height * stride).reshape(height, stride)
    return canvas[:, columns:-columns].astype(np.float32)


def _inside(offset: F32, extent: F32, ramp: np.float32) -> F32:
    """1 inside a band (n,) pixels wide around `offset` (k, n) = 0, 0 outside, a ramp between."""
    inward = np.abs(offset)
    inward *= -1 / ramp
    inward += extent / (2 * ramp) + np.float32(0.5)
    return np.clip(inward, 0, 1, out=inward)


def _profile(position: F32, phase: F32, layer: StreakLayer) -> F32:
    """Brightness along a streak, 0..1, at `position` -0.5..0.5 of its length."""
    faded = 1 - np.float32(layer.fade) * np.minimum(np.abs(2 * position), 1)
    if layer.beading <= 0:
        return faded
    waves = np.sin(position * np.float32(6 * np.pi) + phase)
    return np.asarray(faded * (1 - np.float32(layer.beading / 2) * (1 + waves)), np.float32)


def _blurred_noise(rng: np.random.Generator, height: int, width: int, layer: StreakLayer) -> F32:
    """Blur white noise with one streak, cut off below a level, scale to the brightness.

    The level is set so that the covered share is the same as with single lines. The convolution
    is cyclic; the canvas is as much larger as the streak reaches, and cut to size.
    """
    reach = int(np.ceil(layer.length + layer.width + layer.blur)) + 1
    rows, columns = (_fast_size(size + reach) for size in (height, width))
    centre = np.array([reach / 2], np.float32)
    one = _Streaks(
        x=centre,
        y=centre,
        length=np.array([layer.length], np.float32),
        width=np.array([layer.width], np.float32),
        angle=np.deg2rad(np.array([layer.angle], np.float32)),
        brightness=np.ones(1, np.float32),
        phase=np.zeros(1, np.float32),
    )
    kernel = _draw(one, reach, reach, layer)
    noise = rng.standard_normal((rows, columns), np.float32)
    spectrum = np.fft.rfft2(noise) * np.fft.rfft2(kernel, (rows, columns))
    blurred = np.fft.irfft2(spectrum, (rows, columns))[reach:, reach:][:height, :width]
    level = np.quantile(blurred, np.exp(-layer.density))
    above = np.maximum(blurred - level, 0) ** (1 + layer.tail)
    covered = float(above.sum()) / max(1, int(np.count_nonzero(above)))
    return (above * (layer.brightness / max(covered, 1e-12))).astype(np.float32)


def _fast_size(size: int) -> int:
    """The next multiple of 16, a size that the Fourier transform is quick for."""
    return -(-size // 16) * 16
