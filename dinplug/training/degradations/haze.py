"""Haze by the atmospheric scattering model, I = J t + A (1 - t) with t = exp(-beta d).

The model is physical in linear light. The benchmarks of the dehazing literature (RESIDE, which
SOTS belongs to: "Benchmarking Single-Image Dehazing and Beyond", arXiv:1712.04143) apply it to
display-encoded values instead. `sample_haze` draws both, because weights should serve both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Haze:
    """One haze: how dense, which colour, and in which light it mixes.

    Attributes:
        beta: scattering coefficient per unit of depth, >= 0; 0 means no haze.
        airlight: display-encoded RGB of the airlight A, each in 0..1.
        linear: mix in linear light (physical) instead of display-encoded values (RESIDE).
    """

    beta: float
    airlight: tuple[float, float, float]
    linear: bool = False


def srgb_to_linear(encoded: F32) -> F32:
    """Decode sRGB values in 0..1 to linear light (IEC 61966-2-1)."""
    low = encoded / np.float32(12.92)
    high = ((np.maximum(encoded, 0) + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)


def linear_to_srgb(linear: F32) -> F32:
    """Encode linear light in 0..1 as sRGB values (IEC 61966-2-1)."""
    low = linear * np.float32(12.92)
    high = np.float32(1.055) * np.maximum(linear, 0) ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= 0.0031308, low, high).astype(np.float32)


def transmission(depth: F32, beta: float) -> F32:
    """Return t = exp(-beta d), in 0..1, for a depth map (H, W) >= 0."""
    return np.asarray(np.exp(np.float32(-beta) * depth), np.float32)


def apply_haze(clean: F32, depth: F32, haze: Haze, glow: F32 | None = None) -> F32:
    """Put haze over a clean picture.

    Args:
        clean: display-encoded RGB (H, W, 3) in 0..1.
        depth: distance (H, W) >= 0, in the unit that `haze.beta` is per.
        haze: what to put over it.
        glow: factor on the airlight (H, W) at each place; lamps and gaps in the clouds make haze
            brighter in one corner than in another. None for 1 everywhere.

    Returns:
        The hazy picture, display-encoded RGB (H, W, 3) in 0..1.
    """
    t = transmission(depth, haze.beta)[..., None]
    airlight = np.array(haze.airlight, np.float32)
    if glow is not None:
        airlight = np.asarray(np.clip(airlight * glow[..., None], 0, 1), np.float32)
    if not haze.linear:
        return (clean * t + airlight * (1 - t)).astype(np.float32)
    return linear_to_srgb(srgb_to_linear(clean) * t + srgb_to_linear(airlight) * (1 - t))


def sample_haze(rng: np.random.Generator, depth: F32, clear: float = 1 / 6) -> Haze:
    """Draw a haze for a depth map whose largest value is about 1.

    The share `clear` of samples has no haze at all and one in eight a trace, so that clear photos
    stay clear. The others take an optical depth at unit distance between 0.4 and 3.5 (log-uniform),
    but no more than leaves a mean transmission of 0.16: below that nothing can be restored,
    and the network would learn to invent.
    """
    kind = rng.uniform()
    if kind < clear:
        beta = 0.0
    elif kind < clear + 1 / 8:
        beta = float(rng.uniform(0.02, 0.4))
    else:
        beta = float(np.exp(rng.uniform(np.log(0.4), np.log(3.5))))
        while float(transmission(depth, beta).mean()) < 0.16:
            beta *= 0.8
    return Haze(beta, _sample_airlight(rng), linear=bool(rng.uniform() < 0.2))


def _sample_airlight(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw an airlight: half exactly grey (RESIDE's), the others slightly tinted.

    Real airlight runs from blue (thin morning haze) to yellow (dust), so the tint is mainly
    along that axis, with a little green to magenta.
    """
    level = rng.uniform(0.65, 1.0) if rng.uniform() < 0.9 else rng.uniform(0.45, 0.7)
    if rng.uniform() < 0.5:
        return (float(level), float(level), float(level))
    warm, green = rng.normal(0, 0.035), rng.normal(0, 0.01)
    tinted = np.clip(level + np.array([warm, green, -warm]), 0, 1)
    return (float(tinted[0]), float(tinted[1]), float(tinted[2]))
