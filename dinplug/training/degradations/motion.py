"""Motion blur: what an exposure of a moving camera, or of moving things, averages to.

Three kinds, after what blurred pictures are made of: a whole picture shaken alike (Levin et al.,
CVPR 2009), the mean of sharp video frames whose truth is the middle one (Nah et al., "Deep
Multi-scale Convolutional Neural Network for Dynamic Scene Deblurring", arXiv:1612.02177), and
things that move in front of others and hide them in part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from dinplug.training.degradations.filters import smooth_field
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
    """

    kind: Kind
    extent: float = 0.0
    path: PathKind = "shake"
    frames: int = 1
    linear: bool = False
    highlights: float = 1.0
    gray: bool = False


@dataclass(frozen=True)
class _Flow:
    """How a layer moves over an exposure, to first order in the turn of the camera.

    Longuet-Higgins and Prazdny, "The interpretation of a moving retinal image", 1980, for a flat
    scene: a point at x from the pivot moves by shift + [zoom, -roll; roll, zoom] x + (tilt x) x.
    Each array is (frames, 2) and 0 in the middle frame.
    """

    shift: F32
    turn: F32
    tilt: F32
    pivot: F32


def sample_motion(rng: np.random.Generator) -> Motion:
    """Draw an exposure; see the shares above, extents from 0.4 to 35 pixels."""
    gray = bool(rng.uniform() < GRAY_SHARE)
    strength = rng.uniform()
    if strength < NONE_SHARE:
        return Motion("none", gray=gray)
    slight = strength < NONE_SHARE + SLIGHT_SHARE
    kind = _choose(rng, KIND_SHARES)
    smallest, largest = (0.4, 2.0) if slight else {"shake": (3.0, 35.0)}.get(kind, (3.0, 24.0))
    extent = float(np.exp(rng.uniform(np.log(smallest), np.log(largest))))
    paths: dict[PathKind, float] = (
        {"shake": 0.7, "curved": 0.2, "straight": 0.1}
        if kind == "shake"
        else {"shake": 0.2, "curved": 0.5, "straight": 0.3}
    )
    linear = bool(rng.uniform() < LINEAR_SHARE)
    bright = linear and rng.uniform() < HIGHLIGHT_SHARE
    return Motion(
        kind,
        extent,
        _choose(rng, paths),
        frames=1 if kind == "shake" else 7 + 2 * int(rng.integers(5)),
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
    if motion.kind == "shake":
        path = sample_trajectory(rng, motion.extent, motion.path)
        psf = kernel(path * min(1.0, (margin - 1) / max(float(np.abs(path).max()), 1e-6)))
        return _develop(_convolve(light, psf, margin), motion), _develop(
            _inside(light, margin), motion
        )
    if motion.kind == "frames":
        flow = _camera(rng, motion, light.shape, margin)
        layers = _moved(light, flow, margin)
        return _develop(_mean(layers), motion), _develop(_inside(light, margin), motion)
    if other is None:
        other = picture[:, ::-1]
    elif motion.gray:
        other = _gray(other)
    frames = list(_region(rng, light, _expose(other, motion), motion, margin))
    return _develop(_mean(iter(frames)), motion), _develop(frames[motion.frames // 2], motion)


def _region(
    rng: np.random.Generator, behind: F32, thing: F32, motion: Motion, margin: int
) -> Iterator[F32]:
    """Yield frame after frame (H, W, 3) of a thing that moves before a background.

    Half the backgrounds stand still, the others move by themselves.
    """
    alpha = _outline(rng, thing.shape[0], thing.shape[1])
    cut = np.concatenate([thing * alpha, alpha], 2)
    things = _moved(cut, _camera(rng, motion, thing.shape, margin), margin)
    if rng.uniform() < 0.5:
        for front in things:
            yield front[..., :3] + _inside(behind, margin) * (1 - front[..., 3:])
    else:
        slower = _camera(rng, motion, behind.shape, margin, rng.uniform(0, 1))
        for front, back in zip(things, _moved(behind, slower, margin), strict=True):
            yield front[..., :3] + back * (1 - front[..., 3:])


def _outline(rng: np.random.Generator, height: int, width: int) -> F32:
    """The shape of a thing: (H, W, 1), 1 inside, 0 outside, a soft edge between."""
    field = smooth_field(rng, height, width, int(rng.integers(3, 7)))
    centre = rng.uniform(0.3, 0.7, 2)
    radii = rng.uniform(0.15, 0.4, 2)
    y = (np.arange(height, dtype=np.float32)[:, None] / height - centre[0]) / radii[0]
    x = (np.arange(width, dtype=np.float32)[None] / width - centre[1]) / radii[1]
    # An ellipse with dents: 1 at its edge, where `field` moves the edge in and out.
    distance = np.sqrt(y * y + x * x) + (field - np.float32(0.5)) * np.float32(0.8)
    softness = np.float32(rng.uniform(1, 4) / (height * radii.min()))
    alpha = np.clip((1 - distance) / softness + np.float32(0.5), 0, 1)
    return np.asarray(alpha[..., None], np.float32)


def _camera(
    rng: np.random.Generator,
    motion: Motion,
    shape: tuple[int, ...],
    margin: int,
    share: float = 1.0,
) -> _Flow:
    """Draw a movement of `share` times the extent that stays within the margin."""
    side = float(max(shape[:2]))
    extent = motion.extent * share
    # What turning, zooming and tilting move at the corner, against what shifting moves.
    turning = extent * rng.uniform(0, 0.7) / side
    tilting = extent * rng.uniform(0, 0.3) / side**2
    flow = _Flow(
        _at_rest(sample_trajectory(rng, extent, motion.path), motion.frames),
        _at_rest(sample_trajectory(rng, turning, motion.path), motion.frames),
        _at_rest(sample_trajectory(rng, tilting, motion.path), motion.frames),
        rng.uniform(0.2, 0.8, 2).astype(np.float32) * np.array(shape[:2], np.float32),
    )
    # The farthest that any corner goes, by the triangle inequality.
    reach = float(
        np.abs(flow.shift).max()
        + 2 * np.abs(flow.turn).max() * side
        + 2 * np.abs(flow.tilt).max() * side**2
    )
    if reach <= margin - 1:
        return flow
    less = np.float32((margin - 1) / reach)
    return _Flow(flow.shift * less, flow.turn * less, flow.tilt * less, flow.pivot)


def _at_rest(path: F32, frames: int) -> F32:
    """Take `frames` moments of a path, equally far apart, with the middle one at the origin."""
    moments = path[np.linspace(0, len(path) - 1, frames).round().astype(np.intp)]
    return np.asarray(moments - moments[frames // 2], np.float32)


def _moved(layer: F32, flow: _Flow, margin: int) -> Iterator[F32]:
    """Yield the inside (H, W, C) of a layer (H + 2 margin, W + 2 margin, C), frame by frame.

    Bicubic, because each frame of a video is as sharp as the middle one; torch, because its
    sampling takes a millisecond for 256 x 256 where numpy's indexing takes ten.
    """
    height, width = layer.shape[:2]
    planes = torch.from_numpy(np.ascontiguousarray(layer.transpose(2, 0, 1)))[None]
    rows = np.arange(margin, height - margin, dtype=np.float32)[:, None]
    columns = np.arange(margin, width - margin, dtype=np.float32)[None]
    y, x = rows - flow.pivot[0], columns - flow.pivot[1]
    for shift, (zoom, roll), tilt in zip(flow.shift, flow.turn, flow.tilt, strict=True):
        scale = zoom + tilt[0] * y + tilt[1] * x
        # Content that moves by a step is found that step back; grid_sample wants -1..1, (x, y).
        from_row = rows - shift[0] - scale * y - roll * x
        from_column = columns - shift[1] - scale * x + roll * y
        grid = np.stack([from_column * (2 / (width - 1)) - 1, from_row * (2 / (height - 1)) - 1], 2)
        sampled = torch.nn.functional.grid_sample(
            planes,
            torch.from_numpy(grid.astype(np.float32, copy=False))[None],
            mode="bicubic",
            padding_mode="border",
            align_corners=True,
        )
        yield np.asarray(sampled[0].permute(1, 2, 0).numpy(), np.float32)


def _mean(frames: Iterator[F32]) -> F32:
    """Mean over frames (H, W, 3)."""
    total, count = next(frames).copy(), 1
    for frame in frames:
        total += frame
        count += 1
    return np.asarray(total / np.float32(count), np.float32)


def _convolve(light: F32, psf: F32, margin: int) -> F32:
    """Convolve (H + 2 margin, W + 2 margin, 3) with (K, K), K <= 2 margin + 1: inside (H, W, 3).

    The product of spectra wraps around, but only into the margin.
    """
    size = (light.shape[0], light.shape[1])
    spectrum = np.fft.rfft2(light, axes=(0, 1)) * np.fft.rfft2(psf, size)[..., None]
    whole = np.fft.irfft2(spectrum, size, axes=(0, 1))
    first, radius = margin + len(psf) // 2, len(psf) // 2
    last = (size[0] - margin + radius, size[1] - margin + radius)
    return np.asarray(whole[first : last[0], first : last[1]], np.float32)


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
    """Turn averages back into display-encoded values in 0..1."""
    light = np.asarray(np.clip(light, 0, 1), np.float32)
    return linear_to_srgb(light) if motion.linear else light


def _inside(picture: F32, margin: int) -> F32:
    return picture[margin : picture.shape[0] - margin, margin : picture.shape[1] - margin]


def _gray(picture: F32) -> F32:
    return np.repeat((picture @ _LUMA)[..., None], 3, 2)


def _choose(rng: np.random.Generator, shares: dict[_T, float]) -> _T:
    """Draw a key by its share of 1."""
    names = list(shares)
    return names[int(rng.choice(len(names), p=list(shares.values())))]
