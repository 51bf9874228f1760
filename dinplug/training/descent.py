"""One step of training: loss, gradients in the wanted precision, clipping, the optimiser."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dinplug.errors import SetupError
from dinplug.training.muon import Muon
from dinplug.training.recipe import Loss, Recipe

Parameters = list[nn.Parameter]

_LEAST_SQUARE = 1e-5
"""Added under the logarithm: a picture restored to 50 dB is good enough."""


class Descent:
    """Adam or Muon under mixed precision.

    Convolutions run in the recipe's precision, weights and loss are float32. With float16 the
    loss is scaled up before gradients are taken, so that small ones do not vanish; the scale is
    halved and the step left out whenever a gradient overflows (Micikevicius et al., Mixed
    Precision Training, ICLR 2018).

    Args:
        recipe: optimiser, rate, betas, clip, loss, precision.
        parameters: what is trained; some may never get a gradient.
        device: "cpu" or "cuda".
        value_range: largest value of the network's input and output; pairs and loss are in 0..1.
    """

    def __init__(
        self, recipe: Recipe, parameters: Parameters, device: str, value_range: float = 1.0
    ) -> None:
        self.recipe = recipe
        self.device = device
        self.value_range = value_range
        self.parameters = parameters
        optimiser = Muon if recipe.optimiser == "muon" else torch.optim.Adam
        self.optimiser = optimiser(parameters, lr=recipe.rate, betas=recipe.betas)
        self.scaler = torch.amp.GradScaler(device, enabled=recipe.precision == "float16")

    def loss(self, network: nn.Module, degraded: Tensor, clean: Tensor) -> Tensor:
        """Restore (N, 3, H, W) in the recipe's precision; the loss is float32."""
        narrow = self.recipe.precision != "float32"
        with torch.autocast(self.device, getattr(torch, self.recipe.precision), enabled=narrow):
            restored = network(degraded * self.value_range)
        return difference(self.recipe.loss, restored.float() / self.value_range, clean)

    def take(self, loss: Tensor, rate: float) -> None:
        """Go one step down from `loss` at the learning rate `rate`.

        Raises:
            SetupError: a gradient is not finite, and not because of the scale; no weight has
                changed then.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimiser)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip))
        if not math.isfinite(norm) and self.scaler.get_scale() <= 1:
            raise SetupError("the gradient is no longer finite")
        self.scaler.step(self.optimiser)
        self.scaler.update()


def difference(kind: Loss, restored: Tensor, clean: Tensor) -> Tensor:
    """How far two (N, 3, H, W) in 0..1 are apart, as a number to be made small.

    The mean absolute ("l1") or squared ("l2") difference, or minus the mean of the pictures' PSNR
    in bel ("psnr"; Chen et al., "Simple Baselines for Image Restoration", ECCV 2022), under which
    a slightly degraded picture counts as much as a ruined one.
    """
    error = restored - clean
    if kind == "l1":
        return error.abs().mean()
    squares = error.square().mean((1, 2, 3))
    return squares.mean() if kind == "l2" else (squares + _LEAST_SQUARE).log10().mean()
