"""Restore pixels and photos with a loaded model: the one path all faces go through."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

import dinplug
from dinplug.checkpoints import LoadedModel
from dinplug.errors import UsageError
from dinplug.imaging import Photo, Provenance
from dinplug.inference.device_plan import DevicePlan
from dinplug.inference.out_of_memory import memory_for
from dinplug.inference.plan import ExecutionPlan
from dinplug.inference.run import NetworkRunner, OnProgress, RunOptions, ShouldStop

F32Image = NDArray[np.float32]


@dataclass(frozen=True)
class RestoreOptions(RunOptions):
    """How to restore: `strength` 0..1 blends with the original, on top of `RunOptions`.

    `factor` enlarges the photo before a model of scale 1 that sharpens enlarged photos (IMDN_AS).
    """

    strength: float = 1.0
    factor: float | None = None

    def described(self) -> str:
        """The options that decide pixels, as words for a file's provenance; exact numbers."""
        parts = [f"strength={_exact(self.strength)}"]
        if self.factor is not None:
            parts.append(f"scale={_exact(self.factor)}")
        if self.ensemble:
            parts.append("ensemble")
        if self.reference:
            parts.append("reference")
        if self.precision != "auto":
            parts.append(f"precision={self.precision}")
        return " ".join(parts)


def _exact(value: float) -> str:
    """The shortest digits that mean this number and no other."""
    return repr(float(value)).removesuffix(".0")


class Restorer:
    """A model ready to restore one photo after the other.

    Raises UsageError for a strength outside 0..1 or a factor the model has no use for.
    """

    def __init__(self, model: LoadedModel, options: RestoreOptions | None = None) -> None:
        self.model = model
        self.options = options or RestoreOptions()
        self.check_options()
        self.runner = NetworkRunner(model.network, self.options)

    def check_options(self) -> None:
        """Raise UsageError for a strength outside 0..1 or a factor the model has no use for."""
        if not 0 <= self.options.strength <= 1:
            raise UsageError(f"strength is between 0 and 1, not {self.options.strength:g}")
        if self.options.factor is not None and not self.model.any_factor:
            name = self.model.name
            raise UsageError(f"{name} takes no factor of its own: choose imdn-as for that")

    @property
    def scale(self) -> float:
        """How many times wider and higher results are."""
        return self.options.factor or self.model.scale

    def enlarged_size(self, height: int, width: int) -> tuple[int, int]:
        """The size the network sees: the photo's, enlarged by `factor` where there is one."""
        factor = self.options.factor or 1
        return (max(1, round(height * factor)), max(1, round(width * factor)))

    def plan(self, width: int, height: int) -> ExecutionPlan | DevicePlan:
        """How a photo of `width` x `height` pixels will run; UsageError if it cannot fit."""
        return self.runner.plan(*self.enlarged_size(height, width))

    def adjusted(self, **changes: Any) -> Restorer:
        """The same loaded network under other options; nothing is loaded or folded again.

        Raises ValueError for what decides how a network is loaded: `device`, `precision` and
        `reference`.
        """
        if {"device", "precision", "reference"} & set(changes):
            raise ValueError("another device, precision or the reference need their own restorer")
        other = copy.copy(self)
        other.runner = copy.copy(self.runner)
        other.options = other.runner.options = replace(self.options, **changes)
        other.check_options()
        return other

    def restore_pixels(
        self,
        rgb: F32Image,
        *,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> F32Image:
        """Map display-encoded RGB (H, W, 3), nominally 0..1, to (scale·H, scale·W, 3).

        Networks see values within 0..1; what lies outside is added back to their result.
        """
        full = self.at_full_strength(rgb, on_progress=on_progress, should_stop=should_stop)
        return self.blended(rgb, full)

    def at_full_strength(
        self,
        rgb: F32Image,
        *,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> F32Image:
        """What `restore_pixels` returns at strength 1, whatever the options' strength."""
        image = self._enlarged(rgb)
        seen = image
        if image.amin() < 0 or image.amax() > 1:
            seen = image.clamp(0, 1)
        with torch.inference_mode():
            restored = self.runner.run(seen, on_progress, should_stop)
            if seen is not image:
                restored += resize(image - seen, restored.shape[-2:])
        return as_picture(restored)

    def blended(self, rgb: F32Image, full: F32Image) -> F32Image:
        """Blend `full`, the result at full strength, with the original `rgb` by the strength."""
        strength = self.options.strength
        if strength == 1:
            return full
        with torch.inference_mode():
            restored = torch.from_numpy(full).permute(2, 0, 1)[None]
            image = resize(self._enlarged(rgb), restored.shape[-2:])
            return as_picture(torch.lerp(image, restored, strength))

    def _enlarged(self, rgb: F32Image) -> Tensor:
        """The pixels as (1, 3, H, W), enlarged by `factor` where there is one."""
        image = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None]
        if self.options.factor is not None:
            image = resize(image, self.enlarged_size(*image.shape[-2:]))
        return image

    def restore_photo(
        self,
        photo: Photo,
        *,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Photo:
        """Restore a photo's colours; its alpha is kept, and resized with them.

        Raises PhotoError where memory does not suffice.
        """
        rgb = photo.rgb
        with memory_for(photo.width, photo.height, self.runner.device):
            full = self.at_full_strength(rgb, on_progress=on_progress, should_stop=should_stop)
            return self.finished(photo, full)

    def finished(self, photo: Photo, full: F32Image) -> Photo:
        """The restored photo, where `full` is the result for its colours at full strength."""
        rgb = self.blended(photo.rgb, full)
        alpha = photo.alpha
        if alpha is not None and alpha.shape != rgb.shape[:2]:
            planes = resize(torch.from_numpy(alpha)[None, None], rgb.shape[:2])
            alpha = planes[0, 0].clamp(0, 1).numpy()
        provenance = Provenance(
            self.model.task,
            self.model.name,
            self.model.weights_sha256,
            self.options.described(),
            dinplug.__version__,
        )
        return photo.restored(rgb, alpha, provenance=provenance)


def as_picture(planes: Tensor) -> F32Image:
    """Planes (1, 3, H, W) as pixels (H, W, 3)."""
    return np.ascontiguousarray(planes[0].permute(1, 2, 0).numpy())


def resize(planes: Tensor, size: tuple[int, ...]) -> Tensor:
    """Planes (N, C, H, W) at another size by bicubic interpolation; the same ones if equal."""
    if planes.shape[-2:] == torch.Size(size):
        return planes
    return F.interpolate(planes, size=size, mode="bicubic", align_corners=False)


def restore(
    pixels: NDArray[np.generic],
    task: str | None = None,
    *,
    model: str | None = None,
    scale: int | None = None,
    options: RestoreOptions | None = None,
) -> NDArray[np.generic]:
    """Restore display-encoded pixels and return them with the same type.

    `pixels` are (H, W), (H, W, 3) or (H, W, 4) with straight alpha: uint8, uint16, or floats on
    the scale 0..1. The result is `scale` times as wide and high for super-resolution. `task` is
    "sr", "deblur", "derain" or "dehaze"; `model` one of `dinplug models`.

    Raises UsageError for other shapes or types, SetupError where no weights are to be had.
    """
    from dinplug.checkpoints import load_model

    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise UsageError(f"pixels must be (H, W), (H, W, 3) or (H, W, 4), not {pixels.shape}")
    if 0 in pixels.shape:
        raise UsageError(f"there are no pixels in {pixels.shape}")
    restorer = Restorer(load_model(model, task=task, scale=scale), options)
    unit = as_floats(pixels)
    colour = unit if unit.ndim == 2 else unit[..., :3]
    rgb = np.repeat(colour[..., None], 3, axis=2) if unit.ndim == 2 else colour
    result = restorer.restore_pixels(rgb)
    if unit.ndim == 2:
        return as_type(result @ LUMA, pixels.dtype)
    if pixels.shape[2] == 4:
        alpha = torch.from_numpy(np.ascontiguousarray(unit[..., 3]))[None, None]
        resized = resize(alpha, result.shape[:2])[0, 0].clamp(0, 1).numpy()
        result = np.concatenate([result, resized[..., None]], axis=2)
    return as_type(result, pixels.dtype)


LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of R, G, B in the grey of a restored grey picture (BT.601)."""


LIMITS: dict[np.dtype[np.generic], int] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""The value of full white for each whole-number type."""


def as_floats(pixels: NDArray[np.generic]) -> F32Image:
    """Pixels as float32 on the scale 0..1; UsageError for other types than the documented."""
    if pixels.dtype in LIMITS:
        return pixels.astype(np.float32) / np.float32(LIMITS[pixels.dtype])
    if pixels.dtype.kind != "f":
        raise UsageError(f"pixels must be uint8, uint16 or floats in 0..1, not {pixels.dtype}")
    floats = pixels.astype(np.float32)
    if not math.isfinite(float(floats.sum())):
        raise UsageError("pixels must be finite numbers")
    return floats


def as_type(unit: F32Image, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    """Floats on the scale 0..1 as `dtype`, rounded and clipped for whole numbers."""
    if dtype.kind == "f":
        return unit.astype(dtype)
    return np.rint(unit.clip(0, 1) * np.float32(LIMITS[dtype])).astype(dtype)
