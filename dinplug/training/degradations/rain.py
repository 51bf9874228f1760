"""Rain: layers of streaks, mist and dulled light over a clean picture.

Streaks are light that the drops throw into the camera, so the plain model adds them, O = B + S
(Yang et al., "Deep Joint Rain Detection and Removal from a Single Image", arXiv:1609.07769).
Pictures made in an image editor screen or blend them instead, often over a picture that the
editor's blending has darkened, and real rain brings mist (scattering, as in haze). Weights should
serve all of it, so `sample_rain` draws from all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dinplug.training.degradations.streaks import StreakLayer, render_streaks

F32 = NDArray[np.float32]

Composition = Literal["add", "screen", "blend"]


@dataclass(frozen=True)
class Rain:
    """One rain: what falls, how its light mixes, and what it does to the picture behind.

    Everything is in display-encoded values. No layers, no veil and no tone means no rain.

    Attributes:
        layers: layers of streaks; their light adds up and is cut off at 1.
        composition: how the streaks' light S, in their colour C, joins the picture B behind:
            "add": O = B + S C, cut off at 1; "screen": O = 1 - (1 - B)(1 - S C);
            "blend": O = B (1 - S) + C S.
        colour: display-encoded RGB of the streaks C, each in 0..1.
        veil: share of the picture that mist replaces by airlight, 0 (none) to 1.
        airlight: display-encoded RGB of the mist, each in 0..1.
        gamma: power on the picture behind, > 0; above 1 it is darkened.
        contrast: share of an S-curve, 3 B^2 - 2 B^3, in the picture behind, -1..1.
    """

    layers: tuple[StreakLayer, ...] = ()
    composition: Composition = "add"
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    veil: float = 0.0
    airlight: tuple[float, float, float] = (0.8, 0.8, 0.8)
    gamma: float = 1.0
    contrast: float = 0.0


def add_rain(rng: np.random.Generator, clean: F32, rain: Rain) -> F32:
    """Put rain over a clean picture.

    Args:
        rng: places the streaks.
        clean: display-encoded RGB (H, W, 3) in 0..1.
        rain: what to put over it.

    Returns:
        The rainy picture, display-encoded RGB (H, W, 3) in 0..1; `clean` itself, unchanged, where
        there is no rain.
    """
    behind = clean
    if rain.contrast != 0:
        curve = behind * behind * (3 - 2 * behind)
        behind = behind + np.float32(rain.contrast) * (curve - behind)
    if rain.gamma != 1:
        behind = behind ** np.float32(rain.gamma)
    if rain.veil > 0:
        airlight = np.array(rain.airlight, np.float32)
        behind = behind + np.float32(rain.veil) * (airlight - behind)
    if not rain.layers:
        return behind
    height, width = clean.shape[:2]
    light = sum(render_streaks(rng, height, width, layer) for layer in rain.layers)
    return compose(behind, np.minimum(light, 1), rain.composition, rain.colour)


def compose(
    behind: F32, light: F32, composition: Composition, colour: tuple[float, float, float]
) -> F32:
    """Join streaks `light` (H, W) of an RGB `colour` with a picture (H, W, 3), all in 0..1."""
    tint = np.array(colour, np.float32)
    amount = light[..., None]
    if composition == "add":
        return np.minimum(behind + amount * tint, np.float32(1))
    if composition == "screen":
        return (1 - (1 - behind) * (1 - amount * tint)).astype(np.float32)
    return (behind + amount * (tint - behind)).astype(np.float32)


def sample_rain(rng: np.random.Generator) -> Rain:
    """Draw a rain: one in six is none at all, one in eight a trace, so clean photos stay clean.

    The others are heavy (29 %, aimed at 9.5 to 16 dB between rainy and clean picture), medium
    (28 %, 17.5 to 27 dB) or light. What is drawn is the shape of the streaks; their brightness
    follows from the strength aimed at, so that no shape stands for a strength.
    """
    kind = rng.uniform()
    if kind < 1 / 6:
        return Rain()
    if kind < 1 / 6 + 1 / 8:
        return _faint(rng, float(rng.uniform(35, 42)))
    if kind < 0.58:
        return _heavy(rng, float(rng.uniform(9.5, 16)))
    if kind < 0.86:
        return _medium(rng, float(rng.uniform(17.5, 27)))
    return _faint(rng, float(rng.uniform(27, 36)))


def _heavy(rng: np.random.Generator, decibels: float) -> Rain:
    """Long and thick streaks over nearly everything, in several directions at once."""
    main = _angle(rng)
    layers = []
    for _ in range(int(rng.integers(1, 4))):
        angle = main + float(rng.normal(0, 25 if rng.uniform() < 0.25 else 6))
        layer = _layer(rng, angle, (15, 90), (1.2, 5.0), (0.5, 1.6))
        layers.append(_grainy(layer) if rng.uniform() < 0.15 else layer)
    layers = _thinned(layers, 2.5)
    veil = float(rng.uniform(0, 0.3)) if rng.uniform() < 0.2 else 0.0
    mixing: Composition = "add" if rng.uniform() < 0.65 else _mixing(rng)
    return _lit(Rain(tuple(layers), mixing, _tint(rng), veil, _airlight(rng)), decibels)


def _medium(rng: np.random.Generator, decibels: float) -> Rain:
    """Rain as most people draw it: shorter, finer streaks, often over dulled light and mist.

    Two thirds are dense and dim, the others sparse and bright.
    """
    main = _angle(rng)
    density = (0.4, 1.6) if rng.uniform() < 2 / 3 else (0.06, 0.6)
    layers = []
    for _ in range(int(rng.integers(1, 4))):
        layer = _layer(rng, main + float(rng.normal(0, 5)), (5, 60), (0.7, 3.5), density)
        layers.append(_grainy(layer) if rng.uniform() < 0.55 else layer)
    layers = _thinned(layers, 2.0)
    rain = Rain(tuple(layers), _mixing(rng), _tint(rng), airlight=_airlight(rng))
    if rng.uniform() < 0.4:
        rain = replace(rain, veil=float(rng.uniform(0, 0.25)))
    if rng.uniform() < 0.5:
        gamma = float(np.exp(rng.uniform(np.log(0.85), np.log(1.6))))
        rain = replace(rain, gamma=gamma, contrast=float(rng.uniform(-0.1, 0.5)))
    return _lit(rain, decibels)


def _faint(rng: np.random.Generator, decibels: float) -> Rain:
    """Light rain or a trace of it: few or dim streaks."""
    main = _angle(rng)
    layers = []
    for _ in range(int(rng.integers(1, 3))):
        layer = _layer(rng, main + float(rng.normal(0, 5)), (5, 80), (0.7, 3.0), (0.01, 0.4))
        layers.append(_grainy(layer) if rng.uniform() < 0.2 else layer)
    return _lit(Rain(tuple(layers), _mixing(rng), _tint(rng)), decibels)


def _layer(
    rng: np.random.Generator,
    angle: float,
    length: tuple[float, float],
    width: tuple[float, float],
    density: tuple[float, float],
) -> StreakLayer:
    """Draw a layer; sizes and density log-uniform in their ranges."""
    drawn_length, drawn_width, drawn_density = (
        float(np.exp(rng.uniform(np.log(low), np.log(high))))
        for low, high in (length, width, density)
    )
    return StreakLayer(
        length=max(drawn_length, 3 * drawn_width),
        width=drawn_width,
        angle=float(np.clip(angle, -70, 70)),
        density=drawn_density,
        brightness=float(rng.uniform(0.5, 1.0)),
        blur=1.0 if rng.uniform() < 0.5 else float(rng.uniform(1, 1.5 + drawn_width)),
        spread=float(rng.uniform(0, 0.7)),
        tail=float(rng.uniform(0, 2.5)) if rng.uniform() < 0.5 else 0.0,
        wander=float(rng.uniform(0, 4)) if rng.uniform() < 0.7 else 0.0,
        fade=float(rng.uniform(0, 1)) if rng.uniform() < 0.5 else 0.0,
        beading=float(rng.uniform(0, 0.7)) if rng.uniform() < 0.3 else 0.0,
        perspective=float(rng.uniform(-0.6, 0.6)) if rng.uniform() < 0.4 else 0.0,
        fan=float(rng.uniform(-8, 8)) if rng.uniform() < 0.3 else 0.0,
        unevenness=float(rng.uniform(0, 0.9)) if rng.uniform() < 0.3 else 0.0,
    )


def _grainy(layer: StreakLayer) -> StreakLayer:
    """Make a layer from blurred noise; its peaks stand out by themselves, a long tail is flakes."""
    return replace(layer, grain=True, tail=min(layer.tail, 1.0))


def _thinned(layers: list[StreakLayer], most: float) -> list[StreakLayer]:
    """Thin layers out where together they are denser than `most`, 92 % of pixels at 2.5."""
    share = min(1.0, most / sum(layer.density for layer in layers))
    return [replace(layer, density=layer.density * share) for layer in layers]


def _lit(rain: Rain, decibels: float) -> Rain:
    """Set the brightness of all layers for a PSNR of about `decibels` on luma.

    Streaks are shot noise: with density d and value b a layer has mean d b and variance d b^2
    (more where streaks are unequal). Of the light, screen and blend leave the share that the
    picture behind lacks to white, 0.55 for a common one, and adding loses what is cut off there.
    """
    moments = [_moments(layer) for layer in rain.layers]
    power = sum(mean for mean, _ in moments) ** 2 + sum(variance for _, variance in moments)
    kept = 0.82 if rain.composition == "add" else 0.6
    # Luma of BT.601 spans 219 of 255 levels.
    wanted = 10 ** (-decibels / 20) * 255 / 219 / kept
    factor = wanted / np.sqrt(power)
    layers = tuple(
        replace(layer, brightness=float(np.clip(layer.brightness * factor, 0.004, 1)))
        for layer in rain.layers
    )
    return replace(rain, layers=layers)


def _moments(layer: StreakLayer) -> tuple[float, float]:
    """Mean and variance of a layer's light, by Campbell's theorem, short of `spread` and waves."""
    even = 1 - layer.unevenness / 2
    mean = 1 - layer.fade / 2
    square = 1 - layer.fade + layer.fade**2 / 3
    square *= (1 + layer.tail) ** 2 / (1 + 2 * layer.tail)
    value = layer.brightness * even
    return layer.density * value * mean, layer.density * value**2 * square


def _angle(rng: np.random.Generator) -> float:
    """Draw a direction of fall: within 45 degrees of the vertical, one in twelve up to 70."""
    kind = rng.uniform()
    if kind < 0.5:
        return float(np.clip(rng.normal(0, 12), -45, 45))
    return float(rng.uniform(-45, 45) if kind < 11 / 12 else rng.uniform(-70, 70))


def _mixing(rng: np.random.Generator) -> Composition:
    """Draw a composition: 45 % screen, 40 % add, 15 % blend."""
    kind = rng.uniform()
    return "screen" if kind < 0.45 else "add" if kind < 0.85 else "blend"


def _tint(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw the colour of streaks: two thirds white, the others off-white."""
    if rng.uniform() < 2 / 3:
        return (1.0, 1.0, 1.0)
    red, green, blue = np.clip(rng.uniform(0.85, 1.0) + rng.normal(0, 0.03, 3), 0, 1)
    return (float(red), float(green), float(blue))


def _airlight(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw the colour of mist: grey, from dusk to overcast."""
    level = rng.uniform(0.5, 0.95)
    warm = rng.normal(0, 0.015)
    return (float(level + warm), float(level), float(level - warm))
