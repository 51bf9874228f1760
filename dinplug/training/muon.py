"""Muon: gradient descent whose steps on matrices turn all directions alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_ADAM_SHARE = 0.25
"""Adam's part of the rate. It moves each weight by about the rate, Muon by 0.2 of it."""


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal for the kernels of convolutions, Adam for all else.

    A step on a kernel (O, I, K, K), taken as a matrix (O, I K K), has singular values near 1, so
    that rare directions of the gradient count as much as common ones (Jordan et al., "Muon: An
    optimizer for hidden layers in neural networks", 2024); its size is that of Adam's steps (Liu
    et al., "Muon is Scalable for LLM Training", arXiv:2502.16982). Kernels from or to a picture,
    depthwise ones, biases and factors are left to Adam, at a quarter of the rate.

    Args:
        parameters: what is trained; some may never get a gradient.
        lr: rate of kernels.
        betas: Adam's decay of the gradient's mean and of its square.
        momentum: decay of the gradient's mean for kernels.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float],
        momentum: float = 0.95,
    ) -> None:
        kernels: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for parameter in parameters:
            (kernels if _is_kernel(parameter) else others).append(parameter)
        self._adam = torch.optim.Adam([{"params": others}], lr=lr, betas=betas)
        super().__init__(
            [{"params": kernels}, {"params": others}], {"lr": lr, "momentum": momentum}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Go one step down the gradients there are."""
        kernels, others = self.param_groups
        for kernel in kernels["params"]:
            if kernel.grad is not None:
                self._turn(kernel, kernels["lr"], kernels["momentum"])
        for group in self._adam.param_groups:
            group["lr"] = _ADAM_SHARE * others["lr"]
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        """The state of both parts."""
        return {"kernels": super().state_dict(), "others": self._adam.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        super().load_state_dict(state_dict["kernels"])
        self._adam.load_state_dict(state_dict["others"])

    def _turn(self, kernel: Tensor, rate: float, momentum: float) -> None:
        assert kernel.grad is not None
        state = self.state[kernel]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(kernel)
        mean: Tensor = state["mean"]
        mean.lerp_(kernel.grad, 1 - momentum)
        matrix = kernel.grad.lerp(mean, momentum).reshape(len(kernel), -1)
        size = 0.2 * max(matrix.shape) ** 0.5
        kernel.add_(orthogonal(matrix).reshape(kernel.shape), alpha=-rate * size)


def orthogonal(matrix: Tensor) -> Tensor:
    """Bring the singular values of (M, N) to 0.7..1.2, those far below the largest one excepted.

    Five Newton-Schulz steps with the coefficients of Jordan et al.
    """
    a, b, c = _NEWTON_SCHULZ
    wide: Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (torch.linalg.norm(wide) + 1e-12)
    for _ in range(_ITERATIONS):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def _is_kernel(parameter: nn.Parameter) -> bool:
    return parameter.ndim == 4 and min(parameter.shape[:2]) > 3
