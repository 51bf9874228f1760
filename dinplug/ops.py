"""The operators worth a kernel, each with its one plain torch definition, and the choice.

A decorated function here is the definition; `kernels` holds a Triton function of the same name and
signature. DINPLUG_KERNELS says which runs: `auto` (kernels on a CUDA device, without gradients),
`off`, or `on` (kernels wherever Triton runs, its interpreter included). The plain definition
stays reachable as `function.__wrapped__`, and `plain_torch` chooses it for a while.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec

import torch
from torch import Tensor
from torch.nn import functional as F

from dinplug.errors import SetupError, UsageError

Arguments = ParamSpec("Arguments")
Operator = Callable[Arguments, Tensor]

LOG = logging.getLogger(__name__)
CHOICES = ("auto", "on", "off")


def kernel_choice() -> str:
    """What DINPLUG_KERNELS asks for; UsageError if it is none of auto, on, off."""
    choice = os.environ.get("DINPLUG_KERNELS", "auto")
    if choice not in CHOICES:
        raise UsageError(f"DINPLUG_KERNELS is {choice!r}: set it to auto, on or off")
    return choice


_PLAIN: ContextVar[bool] = ContextVar("plain_torch", default=False)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Run the plain definitions within the context, whatever DINPLUG_KERNELS says."""
    token = _PLAIN.set(True)
    try:
        yield
    finally:
        _PLAIN.reset(token)


@functools.cache
def find_kernel(name: str) -> Callable[..., Tensor] | None:
    """The Triton function of this name, or None where Triton is not installed."""
    try:
        kernels = importlib.import_module("dinplug.kernels")
    except ImportError as error:
        LOG.info("no Triton kernels (%s): plain torch runs instead", error)
        return None
    LOG.info("Triton kernel %s found", name)
    kernel: Callable[..., Tensor] = getattr(kernels, name)
    return kernel


def _check_interpreter() -> None:
    """Raise SetupError where DINPLUG_KERNELS=on asks for a kernel on a CPU that cannot run it."""
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise SetupError(
            "DINPLUG_KERNELS=on, but kernels need a CUDA device: set it to auto, or also set "
            "TRITON_INTERPRET=1 for Triton's slow interpreter"
        )


def with_kernel(reference: Operator[Arguments]) -> Operator[Arguments]:
    """Let the kernel of the same name stand in for `reference` where it can and may."""

    @functools.wraps(reference)
    def operator(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Tensor:
        inputs: Sequence[Tensor] = args[0]  # type: ignore[assignment]
        choice = kernel_choice()
        wanted = choice == "on" or (choice == "auto" and any(x.is_cuda for x in inputs))
        may = wanted and not torch.is_grad_enabled() and not _PLAIN.get()
        kernel = find_kernel(reference.__name__) if may else None
        if kernel is not None and not inputs[0].is_cuda:
            _check_interpreter()
        return reference(*args, **kwargs) if kernel is None else kernel(*args, **kwargs)

    return operator


@with_kernel
def weighted_sum(
    inputs: Sequence[Tensor], weights: Sequence[Tensor | None], biases: Sequence[Tensor | None]
) -> Tensor:
    """Sum maps (N, C, H, W), each times its per-channel weight plus its bias, (C,) or None.

    DIN's densely weighted connections: a depth-wise 1x1 convolution of each state, added up.
    """
    total: Tensor | None = None
    for x, weight, bias in zip(inputs, weights, biases, strict=True):
        term = x if weight is None else x * weight[:, None, None]
        if bias is not None:
            term = term + bias[:, None, None]
        total = term if total is None else total + term
    if total is None:
        raise ValueError("weighted_sum needs at least one input")
    return total


@with_kernel
def rescaled_sum(states: Sequence[Tensor], attention: Tensor) -> Tensor:
    """Sum S states (N, C, H, W), each times its attention; `attention` is (N, S, C)."""
    scales = attention.unbind(dim=1)
    total = states[0] * scales[0][:, :, None, None]
    for state, scale in zip(states[1:], scales[1:], strict=True):
        total = torch.addcmul(total, state, scale[:, :, None, None])
    return total


def coattention(
    states: Sequence[Tensor],
    integrate: tuple[Tensor, Tensor],
    squeeze: tuple[Tensor, Tensor],
    excite: tuple[Tensor, Tensor],
) -> Tensor:
    """Asymmetric co-attention as the DIN papers write it, on whole maps.

    1x1 convolution of the concatenated states, global average, squeeze with ReLU, excitation,
    softmax over the S states per channel, rescaled sum. Each pair is (weight, bias) of a 1x1.
    """
    pooled = F.conv2d(torch.cat(list(states), dim=1), *integrate).mean(dim=(2, 3), keepdim=True)
    logits = F.conv2d(F.relu(F.conv2d(pooled, *squeeze)), *excite)
    attention = logits.reshape(logits.shape[0], len(states), -1).softmax(dim=1)
    return rescaled_sum(states, attention)


def scaled_conv1x1(x: Tensor, scale: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A 1x1 convolution of `x` (N, C, H, W) times the per-channel `scale` (N, C).

    For a single image outside training the scale goes into the weights (O, C, 1, 1), which saves
    a pass over the map: the same sum with each product taken in another order.
    """
    if x.shape[0] == 1 and not torch.is_grad_enabled() and not _PLAIN.get():
        return F.conv2d(x, weight * scale[0][:, None, None], bias)
    return F.conv2d(x * scale[:, :, None, None], weight, bias)
