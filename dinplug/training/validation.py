"""Validation while training: PSNR on crops of held-out photos, the same ones every time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dinplug.training.pairs import HazePairs


@dataclass(frozen=True)
class Score:
    """Mean PSNR in dB over the validation pairs, of the hazy input and of the restored picture."""

    hazy: float
    restored: float


def psnr(picture: Tensor, clean: Tensor) -> Tensor:
    """PSNR in dB of each picture of a batch (N, 3, H, W) in 0..1, at most 60 (no error at all)."""
    error = (picture.clamp(0, 1) - clean).square().mean((1, 2, 3))
    return -10 * error.clamp_min(1e-6).log10()


def validate(network: nn.Module, pairs: HazePairs, batches: int, size: int) -> Score:
    """Restore the first `batches * size` pairs and compare them with the clean pictures."""
    hazy_psnr: list[Tensor] = []
    restored_psnr: list[Tensor] = []
    with torch.inference_mode():
        for number in range(batches):
            hazy, clean = pairs.batch(number * size, size)
            hazy_psnr.append(psnr(hazy, clean))
            restored_psnr.append(psnr(network(hazy), clean))
    return Score(float(torch.cat(hazy_psnr).mean()), float(torch.cat(restored_psnr).mean()))
