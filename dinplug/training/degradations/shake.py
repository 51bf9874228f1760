"""Paths of a shaking camera during one exposure, and the point spread functions they leave.

After Boracchi and Foi, "Modeling the performance of image restoration from motion blur", IEEE
Transactions on Image Processing 2012: a particle with inertia, pushed by a random force, pulled
back to where the hand wants to be, and now and then jerked. It lingers where it turns, which is
what gives measured kernels (Levin et al., "Understanding and evaluating blind deconvolution
algorithms", CVPR 2009) their bright knots.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

PathKind = Literal["shake", "curved", "straight"]

# A path of 35 pixels side to side may be 100 long: still under half a pixel from step to step.
_STEPS = 256


def sample_trajectory(
    rng: np.random.Generator,
    extent: float,
    path: PathKind = "shake",
    steps: int = _STEPS,
    turn: float = 1.0,
) -> F32:
    """Draw where the picture is at each moment of an exposure.

    Args:
        rng: the source of all choices.
        extent: the longer side of the box around the path, in pixels, >= 0.
        path: `shake` of a hand; `curved`, one sweep that bends and changes speed; `straight`,
            one sweep at changing speed.
        steps: moments, equally far apart in time, >= 2.
        turn: how far sweeps start from level: 0, not at all; 1, in any direction.

    Returns:
        Positions (steps, 2) as (row, column) in pixels, their mean at the origin.
    """
    if path == "shake":
        points = _shake(rng, steps)
    else:
        points = _sweep(rng, steps, turn, bend=rng.normal(0, 1.2) if path == "curved" else 0.0)
    points -= points.mean(0)
    side = float(np.ptp(points, axis=0).max())
    return (points * (extent / side)).astype(np.float32)


def kernel(trajectory: F32) -> F32:
    """Turn a path into a point spread function.

    Args:
        trajectory: positions (T, 2) as (row, column) in pixels, equally far apart in time.

    Returns:
        (K, K) with K odd, >= 0 and of sum 1, each position spread bilinearly over its four
        pixels. The centroid is at the centre, whatever the mean of the path: a picture restored
        from such a blur is not shifted.
    """
    points = trajectory.astype(np.float64)
    points -= points.mean(0)
    radius = int(np.floor(np.abs(points).max())) + 1
    size = 2 * radius + 1
    corner = np.floor(points).astype(np.intp)
    (down, right), (row, column) = (points - corner).T, (corner + radius).T
    psf = np.zeros(size * size)
    for r, c, weight in (
        (0, 0, (1 - down) * (1 - right)),
        (0, 1, (1 - down) * right),
        (1, 0, down * (1 - right)),
        (1, 1, down * right),
    ):
        # A weight of exactly 0 may point one past the edge; it may land anywhere.
        at = np.minimum((row + r) * size + column + c, size * size - 1)
        psf += np.bincount(at, weight, size * size)
    return np.asarray((psf / psf.sum()).reshape(size, size), np.float32)


def _shake(rng: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """A hand: inertia, random force, pull to the middle, jerks, and a tremor on top."""
    dt = 1 / steps
    # Times are in exposures: 1 / drag is how long a movement lasts, 1 / pull**0.5 how fast the
    # hand swings back, jerks how often it is knocked.
    drag = np.exp(rng.uniform(np.log(1), np.log(15)))
    pull = rng.uniform(0, 60)
    jerks = rng.poisson(rng.uniform(0, 4))
    force = rng.standard_normal((steps, 2)) * (drag / steps) ** 0.5
    for at in rng.integers(0, steps, jerks):
        force[at] += rng.normal(0, 1.5, 2)
    velocity, place = rng.standard_normal(2), np.zeros(2)
    places = np.empty((steps, 2))
    for step in range(steps):
        velocity = velocity * (1 - drag * dt) - place * (pull * dt) + force[step]
        place = place + velocity * dt
        places[step] = place
    tremor = rng.standard_normal((steps, 2)) * rng.uniform(0, 0.02)
    return places + tremor * float(np.ptp(places, axis=0).max())


def _sweep(rng: np.random.Generator, steps: int, turn: float, bend: float) -> NDArray[np.float64]:
    """One movement that turns by `bend` radians on its way and speeds up or slows down."""
    time = np.linspace(0, 1, steps)
    change, phase = rng.uniform(0, 0.6), rng.uniform(0, np.pi)
    speed = 1 + change * np.cos(np.pi * time + phase)
    angle = rng.uniform(-1, 1) * turn * np.pi + bend * time
    step = speed[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)
    return np.asarray(np.cumsum(step, 0), np.float64)
