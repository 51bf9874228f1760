"""Evaluate a model on pairs of pictures by the protocol of its paper."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dinplug.checkpoints import LoadedModel
from dinplug.errors import ReadError, UsageError
from dinplug.evaluation.metrics import Score, U8Image, score_luma, score_rgb, to_uint8
from dinplug.evaluation.pairs import Pair, read_rgb8
from dinplug.evaluation.protocols import (
    Protocol,
    adaptive_cropping,
    ensemble_of,
    quarter_split,
    whole,
)
from dinplug.evaluation.resize import reduce_bicubic, resize_bicubic_8bit
from dinplug.inference.run import NetworkRunner, RunOptions, ShouldStop
from dinplug.specs import Task

PROTOCOLS: dict[str, Protocol] = {
    "whole": whole,
    "quarter-split": quarter_split,
    "adaptive-cropping": adaptive_cropping,
}
SMALLEST_SIDE = 11
"""SSIM's window: what is left of a picture without its border must be at least as large."""


@dataclass(frozen=True)
class NamedScore:
    """The score of one picture."""

    name: str
    score: Score


@dataclass(frozen=True)
class Evaluation:
    """A model's scores on a set of pictures; `scale` is the factor of enlargement."""

    model: str
    scale: float
    images: tuple[NamedScore, ...]

    @property
    def psnr(self) -> float:
        """Mean PSNR in dB."""
        return fmean(image.score.psnr for image in self.images)

    @property
    def ssim(self) -> float:
        """Mean SSIM."""
        return fmean(image.score.ssim for image in self.images)

    def as_json(self) -> dict[str, Any]:
        """Return {model, scale, psnr, ssim, images: [{name, psnr, ssim}]}; infinities are null."""
        return {
            "model": self.model,
            "scale": int(self.scale) if self.scale == int(self.scale) else self.scale,
            "psnr": _finite(self.psnr),
            "ssim": self.ssim,
            "images": [
                {
                    "name": image.name,
                    "psnr": _finite(image.score.psnr),
                    "ssim": image.score.ssim,
                }
                for image in self.images
            ],
        }


def score_model(
    model: LoadedModel,
    pairs: Sequence[Pair],
    *,
    scale: float | None = None,
    protocol: str | None = None,
    ensemble: bool = False,
    device: str = "auto",
    kernels: str | None = None,
    should_stop: ShouldStop | None = None,
    on_score: Callable[[NamedScore], None] | None = None,
) -> Evaluation:
    """Score `model` on `pairs`.

    `protocol` is one of PROTOCOLS, by default the one behind the model's published numbers.
    `scale` is only for models of any factor; others have their own. `on_score` receives each
    picture's score as it is known. Raises UsageError where pictures would have to be degraded in
    a way that only the data set can, ReadError for pictures that do not fit each other.
    """
    factor = scale if scale is not None and model.any_factor else float(model.scale)
    _require_degraded(model, pairs, scale)
    restore = restorer_8bit(
        model,
        protocol=protocol,
        ensemble=ensemble,
        device=device,
        kernels=kernels,
        should_stop=should_stop,
    )
    measured_on = None if model.any_factor else model.task
    images = []
    for pair in pairs:
        degraded, clean = load_pair(pair, factor, enlarged=model.any_factor)
        restored = restore(degraded)
        border = int(factor) if measured_on is Task.SR else 0
        if min(clean.shape[:2]) - 2 * border < SMALLEST_SIDE:
            raise ReadError(f"{pair.clean}: too small to be scored (SSIM's window is 11x11)")
        images.append(NamedScore(pair.name, score_as(measured_on, restored, clean, border)))
        if on_score is not None:
            on_score(images[-1])
    return Evaluation(model.name, factor, tuple(images))


def restorer_8bit(
    model: LoadedModel,
    *,
    protocol: str | None = None,
    ensemble: bool = False,
    device: str = "auto",
    kernels: str | None = None,
    should_stop: ShouldStop | None = None,
) -> Callable[[U8Image], U8Image]:
    """Make `model` ready to restore 8-bit pictures (H, W, 3) to (scale·H, scale·W, 3).

    `protocol` is one of PROTOCOLS, by default the one behind the model's published numbers.
    Raises SetupError if the device is not there.
    """
    way = PROTOCOLS[protocol or model.protocol]
    if ensemble:
        way = ensemble_of(way)
    runner = NetworkRunner(model.network, RunOptions(device=device, kernels=kernels))

    def forward(batch: Tensor) -> Tensor:
        return torch.cat([runner.run(image[None], None, should_stop) for image in batch])

    return partial(restore_8bit, partial(way, forward))


def score_as(task: Task | None, restored: U8Image, clean: U8Image, border: int) -> Score:
    """Score pictures (H, W, 3) as the papers on `task` do, without `border` pixels a side.

    Super-resolution and deraining are measured on luma; the others, and IMDN_AS (None), on RGB.
    """
    score = score_luma if task in {Task.SR, Task.DERAIN} else score_rgb
    return score(restored, clean, border)


def load_pair(pair: Pair, factor: float, *, enlarged: bool) -> tuple[U8Image, U8Image]:
    """Read a pair as (degraded, clean) pictures (H, W, 3), the clean one cropped to fit.

    Without a degraded file the clean picture is reduced by bicubic resizing. `enlarged` wants
    the degraded picture at the clean one's size. Raises ReadError if the sizes do not fit.
    """
    clean = read_rgb8(pair.clean)
    multiple = math.ceil(factor) if factor == int(factor) else 1
    height, width = (side // multiple * multiple for side in clean.shape[:2])
    clean = clean[:height, :width]
    small = (round(height / factor), round(width / factor))
    if 0 in small:
        raise ReadError(f"{pair.clean}: too small to be reduced {factor:g} times")
    if pair.degraded is not None:
        degraded = read_rgb8(pair.degraded)
    elif multiple > 1:
        degraded = reduce_bicubic(clean, multiple)
    else:
        degraded = resize_bicubic_8bit(clean, *small)
    if enlarged and degraded.shape[:2] in {small, (height, width)}:
        return resize_bicubic_8bit(degraded, height, width), clean
    if degraded.shape[:2] != small or enlarged:
        found, wanted = degraded.shape[:2], small
        raise ReadError(
            f"{pair.degraded}: is {found[1]}x{found[0]}, and {pair.clean.name} at scale "
            f"{factor:g} needs {wanted[1]}x{wanted[0]}"
        )
    return degraded, clean


def restore_8bit(restore: Callable[[Tensor], Tensor], picture: U8Image) -> U8Image:
    """Run `restore`, (1, 3, H, W) on the scale 0..1, on a picture (H, W, 3); clamp and round."""
    image = torch.from_numpy(picture.astype(np.float32) / np.float32(255)).permute(2, 0, 1)[None]
    return to_uint8(restore(image)[0].permute(1, 2, 0).numpy())


def table(evaluation: Evaluation) -> str:
    """Return the scores as lines of text, the mean last."""
    rows: Iterable[tuple[str, float, float]] = [
        *((image.name, image.score.psnr, image.score.ssim) for image in evaluation.images),
        ("mean", evaluation.psnr, evaluation.ssim),
    ]
    width = max(len(evaluation.model), *(len(name) for name, _, _ in rows))
    heading = f"{evaluation.model:<{width}}  {'PSNR':>7}  {'SSIM':>6}"
    return "\n".join(
        [heading, *(f"{name:<{width}}  {psnr:7.3f}  {ssim:6.4f}" for name, psnr, ssim in rows)]
    )


def _require_degraded(model: LoadedModel, pairs: Sequence[Pair], scale: float | None) -> None:
    if all(pair.degraded is not None for pair in pairs):
        return
    if model.task is not Task.SR:
        raise UsageError(f"{model.name}: say where the degraded pictures are with --lr")
    if model.any_factor and scale is None:
        raise UsageError(f"{model.name}: say how many times to reduce the pictures with --scale")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
