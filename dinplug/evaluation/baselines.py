"""Classical methods to hold networks against: no learning.

All take and give 8-bit RGB (H, W, 3), display-encoded. The dark channel prior has its paper's
parameters, the others customary ones. Nothing is tuned to a benchmark.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dinplug.evaluation.metrics import PEAK, F64Map, U8Image, to_uint8
from dinplug.evaluation.resize import resize_bicubic_8bit
from dinplug.evaluation.smoothing import F32, guided_filter
from dinplug.specs import Task

Method = Callable[[U8Image], U8Image]

_BRIGHTEST = 0.001
"""Share of the dark channel's pixels among which the airlight is looked for."""


def classical_methods(task: Task, scale: int = 1) -> dict[str, Method]:
    """The classical methods for a task by name; `scale` is the factor of super-resolution."""
    if task is Task.SR:
        return {"bicubic": lambda picture: enlarge_bicubic(picture, scale)}
    if task is Task.DEHAZE:
        return {"dark channel prior": dark_channel_prior}
    if task is Task.DERAIN:
        return {"median 3x3": lambda picture: median(picture, 1)}
    return {"unsharp mask": unsharp_mask, "Wiener, Gaussian": wiener}


def enlarge_bicubic(picture: U8Image, scale: int) -> U8Image:
    """Enlarge (H, W, 3) to (scale·H, scale·W, 3) by bicubic interpolation, as MATLAB does."""
    return resize_bicubic_8bit(picture, picture.shape[0] * scale, picture.shape[1] * scale)


def dark_channel_prior(
    picture: U8Image,
    *,
    radius: int = 7,
    omega: float = 0.95,
    least: float = 0.1,
    filter_radius: int = 60,
    eps: float = 1e-3,
) -> U8Image:
    """Remove haze by the dark channel prior.

    He, Sun and Tang, "Single Image Haze Removal Using Dark Channel Prior", CVPR 2009: the dark
    channel over patches of 15 x 15 (equation 5), the transmission 1 - omega · dark(I / A) (12),
    the radiance (I - A) / max(t, least) + A (16), the airlight A after section 4.4. The
    transmission is refined by the guided filter instead of soft matting, as the authors do in
    "Guided Image Filtering" (ECCV 2010); `eps` is in squared units of the 0..1 luminance.
    """
    hazy = picture.astype(np.float32) / np.float32(PEAK)
    light = airlight(hazy, radius)
    shares = np.asarray(hazy / np.maximum(light, 1 / PEAK), np.float32)
    veiled = dark_channel(shares, radius)
    transmission = np.asarray(1 - omega * veiled, np.float32)
    grey = np.asarray(hazy.mean(axis=2), np.float32)
    refined = guided_filter(grey, transmission, filter_radius, eps)
    return to_uint8((hazy - light) / np.maximum(refined, least)[..., None] + light)


def dark_channel(pixels: F32, radius: int) -> F32:
    """The least value of any colour in the (2 radius + 1)-square around each pixel, (H, W)."""
    dark = pixels.min(axis=2)
    for axis in (0, 1):
        margin = [(radius, radius) if one == axis else (0, 0) for one in (0, 1)]
        padded = np.pad(dark, margin, mode="edge")
        dark = sliding_window_view(padded, 2 * radius + 1, axis=axis).min(axis=-1)
    return np.asarray(dark, np.float32)


def airlight(hazy: F32, radius: int) -> F32:
    """The colour (3,) of the brightest pixel among the 0.1 % with the brightest dark channel."""
    dark = dark_channel(hazy, radius).ravel()
    count = max(1, round(_BRIGHTEST * dark.size))
    candidates = hazy.reshape(-1, 3)[np.argpartition(dark, -count)[-count:]]
    return np.asarray(candidates[candidates.sum(axis=1).argmax()], np.float32)


def median(picture: U8Image, radius: int) -> U8Image:
    """The median of the (2 radius + 1)-square around each pixel, for each channel."""
    padded = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    side = 2 * radius + 1
    windows = sliding_window_view(padded, (side, side), axis=(0, 1))
    values = windows.reshape(*picture.shape, side * side)
    return np.asarray(np.partition(values, values.shape[-1] // 2)[..., values.shape[-1] // 2])


def unsharp_mask(picture: U8Image, *, sigma: float = 1.5, amount: float = 1.0) -> U8Image:
    """Add `amount` of what a Gaussian of `sigma` pixels takes away: I + amount · (I - G * I)."""
    pixels = picture.astype(np.float64) / PEAK
    blurred = _filtered(pixels, sigma, lambda transfer: transfer)
    return to_uint8(pixels + amount * (pixels - blurred))


def wiener(picture: U8Image, *, sigma: float = 1.5, noise_to_signal: float = 0.02) -> U8Image:
    """Undo a Gaussian blur of `sigma` pixels by Wiener's filter, conj(H) / (|H|² + K).

    K = `noise_to_signal` stands for the ratio of the powers of noise and picture, the same at all
    frequencies (Gonzalez and Woods, "Digital Image Processing", section 5.8). The true blur is
    not known to it: a Gaussian is what lenses out of focus and small shakes look like.
    """
    pixels = picture.astype(np.float64) / PEAK
    return to_uint8(_filtered(pixels, sigma, lambda h: h / (h * h + noise_to_signal)))


def _filtered(pixels: F64Map, sigma: float, response: Callable[[F64Map], F64Map]) -> F64Map:
    """Filter (H, W, 3) by a function of the Gaussian's transfer H(f) = exp(-2 (pi sigma f)²).

    The picture goes on mirrored over its borders, so that opposite sides do not bleed.
    """
    height, width = pixels.shape[:2]
    mirrored = np.concatenate([pixels, pixels[::-1]], axis=0)
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], axis=1)
    rows = np.fft.fftfreq(2 * height)[:, None]
    columns = np.fft.rfftfreq(2 * width)
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * (rows**2 + columns**2))
    spectrum = np.fft.rfft2(mirrored, axes=(0, 1)) * response(transfer)[..., None]
    filtered = np.fft.irfft2(spectrum, s=(2 * height, 2 * width), axes=(0, 1))
    return np.asarray(filtered[:height, :width], np.float64)
