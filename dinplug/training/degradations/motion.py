"""Motion blur: what an exposure of a moving camera, or of moving things, averages to.

Three kinds, after what blurred pictures are made of: a whole picture shaken alike (Levin et al.,
"Understanding and evaluating blind deconvolution algorithms", CVPR 2009), the mean of sharp video
frames whose truth is the middle one (Nah et al., "Deep Multi-scale Convolutional Neural Network
for Dynamic Scene Deblurring", arXiv:1612.02177), and things that move in front of others and hide
them in part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from dinplug.training.degradations.filters import smooth_field
from dinplug.training.degradations.flow import move, sample_flow
from dinplug.training.degradations.haze import linear_to_srgb, srgb_to_linear
from dinplug.training.degradations.shake import PathKind, kernel, sample_trajectory

F32 = NDArray[np.float32]

_T = TypeVar("_T")

Kind = Literal["none", "shake", "frames", "region"]

# Light adds up in linear light, so real blur does. The public sets do not: GoPro and REDS average
# frames, and Levin's pictures are convolved, in the values as stored. Weights should serve both.
LINEAR_SHARE = 0.3
# Of the samples in linear light: lamps brighter than white draw streaks as real ones do.
HIGHLIGHT_SHARE = 0.5
GRAY_SHARE = 0.2
# A sharp photo must stay as it is, and a nearly sharp one nearly.
NONE_SHARE = 1 / 6
SLIGHT_SHARE = 1 / 10
# What the others are.
KIND_SHARES: dict[Kind, float] = {"shake": 0.45, "frames": 0.35, "region": 0.2}

# Smallest and largest extent in pixels, log-uniform between.
_SLIGHT = (0.4, 2.0)
_SHORT = (4.0, 6.0)
_EXTENTS: dict[Kind, tuple[float, float]] = {
    "shake": (3.0, 35.0),
    "frames": (3.0, 36.0),
    "region": (3.0, 24.0),
}

# Hands tremble in an exposure; from one video frame to the next a camera mostly sweeps.
_SHAKE_PATHS: dict[PathKind, float] = {"shake": 0.7, "curved": 0.2, "straight": 0.1}
_SWEEP_PATHS: dict[PathKind, float] = {"shake": 0.1, "curved": 0.6, "straight": 0.3}

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Motion:
    """One exposure: what moves, how far, and in which light it is averaged.

    Attributes:
        kind: `none`; `shake`, the whole picture alike; `frames`, the camera moves and turns, so
            that the blur differs from place to place; `region`, something moves by itself.
        extent: pixels from side to side of the movement, >= 0.
        path: what the movement looks like.
        frames: sharp frames that are averaged, odd (`frames` and `region`).
        linear: average in linear light (physical) instead of display-encoded values (GoPro).
        highlights: how many times brighter than white the whitest light was, >= 1; only in
            linear light.
        gray: the picture is gray.
        turn: how far the sweeps of a whole picture start from level: 1 is any direction.
    """

    kind: Kind
    extent: float = 0.0
    path: PathKind = "shake"
    frames: int = 1
    linear: bool = False
    highlights: float = 1.0
    gray: bool = False
    turn: float = 1.0


def sample_whole_motion(rng: np.random.Generator, largest: float, variety: float) -> Motion:
    """Draw an exposure in which the whole picture moves alike.

    Args:
        rng: the source of all choices.
        largest: the largest extent in pixels.
        variety: 0..1, from straight level sweeps of a few pixels to sweeps and shakes of any
            direction and up to `largest` pixels.
    """
    path: PathKind = "shake" if rng.uniform() < variety - 0.5 else "straight"
    reach = _SHORT[1] + variety * (largest - _SHORT[1])
    extent = float(np.exp(rng.uniform(np.log(_SHORT[0]), np.log(reach))))
    return Motion("shake", extent, path, gray=bool(rng.uniform() < GRAY_SHARE), turn=variety / 2)


def sample_motion(rng: np.random.Generator, largest: float = 36.0) -> Motion:
    """Draw an exposure by the shares and extents above, of `largest` pixels at most."""
    gray = bool(rng.uniform() < GRAY_SHARE)
    strength = rng.uniform()
    if strength < NONE_SHARE:
        return Motion("none", gray=gray)
    kind = _choose(rng, KIND_SHARES)
    low, high = _SLIGHT if strength < NONE_SHARE + SLIGHT_SHARE else _EXTENTS[kind]
    extent = float(np.exp(rng.uniform(np.log(low), np.log(min(high, largest)))))
    path = _choose(rng, _SHAKE_PATHS if kind == "shake" else _SWEEP_PATHS)
    # Averages of 7 to 15 frames (GoPro) show each of them in fast movement; those of
    # interpolated video (REDS) do not.
    frames = 7 + 2 * int(rng.integers(5))
    if kind == "frames" and rng.uniform() < 0.3:
        frames = 25
    linear = bool(rng.uniform() < LINEAR_SHARE)
    bright = linear and rng.uniform() < HIGHLIGHT_SHARE
    return Motion(
        kind,
        extent,
        path,
        frames=1 if kind == "shake" else frames,
        linear=linear,
        highlights=float(rng.uniform(1.5, 8)) if bright else 1.0,
        gray=gray,
    )


def blur(
    rng: np.random.Generator,
    picture: F32,
    motion: Motion,
    margin: int,
    other: F32 | None = None,
) -> tuple[F32, F32]:
    """Take a picture with an exposure, blurred and sharp.

    The two lie on each other: `shake` has its centroid at rest, and the sharp side of the other
    kinds is the middle of the exposure.

    Args:
        rng: the source of the paths.
        picture: display-encoded RGB (H + 2 margin, W + 2 margin, 3) in 0..1; what lies around
            the wanted part moves into it.
        motion: what moves, how far, and in which light; a movement that would reach beyond
            the margin is made smaller.
        margin: pixels on each side that the results lack, >= 2.
        other: a second picture of the same shape, for the thing that moves (`region`); None for
            the first one mirrored.

    Returns:
        The blurred and the sharp picture, display-encoded RGB (H, W, 3) in 0..1.
    """
    if motion.gray:
        picture = _gray(picture)
    if motion.kind == "none":
        return _inside(picture, margin).copy(), _inside(picture, margin).copy()
    light = _expose(picture, motion)
    sharp = _inside(light, margin)
    if motion.kind == "shake":
        path = sample_trajectory(rng, motion.extent, motion.path, turn=motion.turn)
        farthest = float(np.abs(path).max())
        if farthest > margin - 1:
            path *= np.float32((margin - 1) / farthest)
        mean = _convolve(light, kernel(path), margin)
    elif motion.kind == "frames":
        planes = light.transpose(2, 0, 1)
        flow = sample_flow(
            rng, motion.extent, motion.path, motion.frames, planes.shape[1:], margin - 1
        )
        mean = _mean(move(planes, flow, margin)).transpose(1, 2, 0)
    else:
        other = picture[:, ::-1] if other is None else _gray(other) if motion.gray else other
        frames = _region(rng, light, _expose(other, motion), motion, margin)
        mean, sharp = (f.transpose(1, 2, 0) for f in (_mean(frames), frames[len(frames) // 2]))
    return _develop(mean, motion), _develop(sharp, motion)


def _region(
    rng: np.random.Generator, behind: F32, thing: F32, motion: Motion, margin: int
) -> list[F32]:
    """Frames (3, H, W) of a thing that moves before a background.

    Half the backgrounds stand still; the others move too, differently and less far.
    """
    size = (behind.shape[0], behind.shape[1])
    alpha = outline(rng, *size)
    cut = np.concatenate([thing * alpha[..., None], alpha[..., None]], 2).transpose(2, 0, 1)
    flow = sample_flow(rng, motion.extent, motion.path, motion.frames, size, margin - 1)
    things = move(cut, flow, margin)
    if rng.uniform() < 0.5:
        still = np.ascontiguousarray(_inside(behind, margin).transpose(2, 0, 1))
        return [front[:3] + still * (1 - front[3:]) for front in things]
    less = motion.extent * rng.uniform(0, 1)
    other_flow = sample_flow(rng, less, motion.path, motion.frames, size, margin - 1)
    backs = move(behind.transpose(2, 0, 1), other_flow, margin)
    return [front[:3] + back * (1 - front[3:]) for front, back in zip(things, backs, strict=True)]


def outline(rng: np.random.Generator, height: int, width: int) -> F32:
    """Draw the shape of a thing: (H, W), 1 inside, 0 outside, an edge of 1 to 4 pixels between."""
    dents = smooth_field(rng, height, width, int(rng.integers(3, 7))) - np.float32(0.5)
    centre, radii = rng.uniform(0.3, 0.7, 2), rng.uniform(0.15, 0.4, 2)
    y = (np.arange(height, dtype=np.float32)[:, None] / height - centre[0]) / radii[0]
    x = (np.arange(width, dtype=np.float32)[None] / width - centre[1]) / radii[1]
    # An ellipse, its edge at 1, that the dents move in and out.
    distance = np.sqrt(y * y + x * x) + np.float32(0.8) * dents
    softness = rng.uniform(1, 4) / (min(height, width) * radii.min())
    return np.asarray(np.clip((1 - distance) / softness + 0.5, 0, 1), np.float32)


def _mean(frames: Iterable[F32]) -> F32:
    """Mean over at least one frame, all of one shape."""
    every = iter(frames)
    total, count = next(every).copy(), 1
    for frame in every:
        total += frame
        count += 1
    total /= np.float32(count)
    return total


def _convolve(light: F32, psf: F32, margin: int) -> F32:
    """Convolve (H + 2 margin, W + 2 margin, 3) with (K, K), K <= 2 margin + 1: inside (H, W, 3).

    The product of spectra wraps around, but only into the margin.
    """
    size = (light.shape[0], light.shape[1])
    spectrum = np.fft.rfft2(light, axes=(0, 1)) * np.fft.rfft2(psf, size)[..., None]
    whole = np.fft.irfft2(spectrum, size, axes=(0, 1))
    # The kernel's centre lies K // 2 from its corner, so the result does too.
    late = len(psf) // 2
    rows, columns = (slice(margin + late, side - margin + late) for side in size)
    return np.asarray(whole[rows, columns], np.float32)


def _expose(picture: F32, motion: Motion) -> F32:
    """Turn display-encoded values into what is averaged, highlights above 1 included."""
    if not motion.linear:
        return picture
    light = srgb_to_linear(picture)
    if motion.highlights == 1:
        return light
    # From 0.7 of white on upwards, by the brightest channel so that colours keep their ratio.
    over = np.clip((light.max(2, keepdims=True) - np.float32(0.7)) / np.float32(0.3), 0, 1)
    return np.asarray(light * (1 + np.float32(motion.highlights - 1) * over), np.float32)


def _develop(light: F32, motion: Motion) -> F32:
    """Turn averages back into display-encoded values in 0..1, contiguous."""
    light = np.clip(np.ascontiguousarray(light), 0, 1)
    return linear_to_srgb(light) if motion.linear else light


def _inside(picture: F32, margin: int) -> F32:
    return picture[margin : picture.shape[0] - margin, margin : picture.shape[1] - margin]


def _gray(picture: F32) -> F32:
    return np.repeat((picture @ _LUMA)[..., None], 3, 2)


def _choose(rng: np.random.Generator, shares: dict[_T, float]) -> _T:
    """Draw a key by its share of 1."""
    names = list(shares)
    return names[int(rng.choice(len(names), p=list(shares.values())))]
