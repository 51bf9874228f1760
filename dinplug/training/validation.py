"""Validation while training: PSNR and SSIM on held-out crops, the same ones every time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinplug.evaluation.metrics import U8Image, score_rgb, to_uint8
from dinplug.training.pairs.numbered import NumberedPairs


@dataclass(frozen=True)
class Score:
    """Means over the validation pairs, on 8-bit RGB.

    Attributes:
        input_psnr: dB, of the degraded picture; a small one is enlarged bicubically first.
        psnr: dB, of the restored picture.
        ssim: of the restored picture, -1..1.
    """

    input_psnr: float
    psnr: float
    ssim: float


def validate(network: nn.Module, pairs: NumberedPairs, batches: int, size: int) -> Score:
    """Restore the first `batches * size` pairs and compare them with the clean pictures."""
    device = next(network.parameters()).device
    unit = getattr(network, "value_range", 1.0)
    rows: list[tuple[float, float, float]] = []
    with torch.inference_mode():
        for number in range(batches):
            degraded, clean = pairs.batch(number * size, size)
            restored = network(degraded.to(device) * unit).float().cpu() / unit
            if degraded.shape != clean.shape:
                degraded = F.interpolate(degraded, clean.shape[-2:], mode="bicubic")
            for before, after, truth in zip(degraded, restored, clean, strict=True):
                score = score_rgb(_levels(after), _levels(truth), 0)
                rows.append(
                    (score_rgb(_levels(before), _levels(truth), 0).psnr, score.psnr, score.ssim)
                )
    # A pair without any error would make every mean infinite.
    input_psnr, psnr, ssim = np.minimum(np.array(rows), 60).mean(0)
    return Score(float(input_psnr), float(psnr), float(ssim))


def _levels(picture: Tensor) -> U8Image:
    """Turn (3, H, W) in 0..1 into 8-bit (H, W, 3)."""
    return to_uint8(picture.permute(1, 2, 0).numpy())
