"""The operators worth a kernel, each with its one plain torch definition, and the choice.

A decorated function here is the definition; `kernels` holds a Triton function of the same name and
signature. `--kernels` or DINPLUG_KERNELS says which runs: `auto` (kernels on a CUDA device,
without gradients), `off`, or `on` (kernels wherever Triton runs, its interpreter included). The
plain definition stays reachable as `function.__wrapped__`, and `plain_torch` chooses it for a
while.
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

from dinplug.cpu import convolution, onednn, own_code
from dinplug.errors import SetupError, UsageError

Arguments = ParamSpec("Arguments")
Operator = Callable[Arguments, Tensor]
Sides = tuple[int, int]
"""Of rows and of columns."""
Layer = tuple[Tensor, Tensor | None]
"""Weight (O, I, 1, 1) and bias (O,) of a 1x1 convolution."""

LOG = logging.getLogger(__name__)
CHOICES = ("auto", "on", "off")
KERNEL_TYPES = (torch.float32, torch.float16, torch.bfloat16)
SMALLEST_VARIANCE = 1e-14
"""Below it the deviation's gradient is cut: sqrt has none at 0. Moves the deviation by <= 1e-7."""

_CHOSEN: ContextVar[str | None] = ContextVar("chosen_kernels", default=None)
_PLAIN: ContextVar[bool] = ContextVar("plain_torch", default=False)


def kernel_choice() -> str:
    """What was chosen, or else what DINPLUG_KERNELS asks for; UsageError if it is no choice."""
    choice = _CHOSEN.get() or os.environ.get("DINPLUG_KERNELS", "auto")
    if choice not in CHOICES:
        raise UsageError(f"DINPLUG_KERNELS is {choice!r}: set it to auto, on or off")
    return choice


@contextmanager
def chosen_kernels(choice: str | None) -> Iterator[None]:
    """Choose auto, on or off within the context; None leaves it to DINPLUG_KERNELS."""
    token = _CHOSEN.set(choice)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Run the plain definitions within the context, whatever was chosen."""
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
    kernel: Callable[..., Tensor] = getattr(kernels, name)
    return kernel


@functools.cache
def _log_choice(choice: str, device: torch.device, runs: bool) -> None:
    """Say once for each choice and device what runs there."""
    LOG.info("kernels %s: %s on %s", choice, "Triton" if runs else "plain torch", device)


def runs_kernels(x: Tensor) -> bool:
    """Whether operators on `x` run as kernels here and now.

    Raises SetupError where `on` asks for kernels on a CPU without Triton's interpreter.
    """
    if torch.compiler.is_compiling():
        return False  # torch.compile and exporters take the definition
    choice = kernel_choice()
    if torch.is_grad_enabled() or _PLAIN.get() or x.dtype not in KERNEL_TYPES:
        return False
    wanted = choice == "on" or (choice == "auto" and x.is_cuda)
    runs = wanted and find_kernel("weighted_sum") is not None
    _log_choice(choice, x.device, runs)
    if runs and not x.is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        raise SetupError(
            "kernels are on, but need a CUDA device: set --kernels or DINPLUG_KERNELS to auto, or "
            "also set TRITON_INTERPRET=1 for Triton's slow interpreter"
        )
    return runs


def with_kernel(reference: Operator[Arguments]) -> Operator[Arguments]:
    """Let the kernel of the same name stand in for `reference` where it can and may."""

    @functools.wraps(reference)
    def operator(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Tensor:
        first = args[0]
        x = first if isinstance(first, Tensor) else first[0]  # type: ignore[index]
        kernel = find_kernel(reference.__name__) if runs_kernels(x) else None
        return reference(*args, **kwargs) if kernel is None else kernel(*args, **kwargs)

    return operator


@with_kernel
def weighted_sum(
    inputs: Sequence[Tensor],
    weights: Sequence[Tensor | None],
    biases: Sequence[Tensor | None],
    *,
    slope: float | None = None,
    factor: float = 1.0,
    residual: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Sum maps (N, C, H, W), each times its per-channel weight plus its bias, (C,) or None.

    DIN's densely weighted connections: a depth-wise 1x1 convolution of each state, added up. Then
    a leaky ReLU of negative `slope`, times `factor`, plus `residual`, each if given. The result
    goes into `out` if given, which may be one of the inputs.
    """
    total: Tensor | None = None
    for x, weight, bias in zip(inputs, weights, biases, strict=True):
        term = x if weight is None else x * weight[:, None, None]
        if bias is not None:
            term = term + bias[:, None, None]
        total = term if total is None else total + term
    if total is None:
        raise ValueError("weighted_sum needs at least one input")
    total = activate(total, slope)
    if factor != 1:
        total = total * factor
    if residual is not None:
        total = residual + total
    return _put(total.to(inputs[0].dtype), out)


@with_kernel
def rescaled_sum(
    states: Sequence[Tensor], attention: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """Sum S states (N, C, H, W), each times its attention; `attention` is (N, S, C)."""
    scales = attention.unbind(dim=1)
    total = states[0] * scales[0][:, :, None, None]
    for state, scale in zip(states[1:], scales[1:], strict=True):
        total = torch.addcmul(total, state, scale[:, :, None, None])
    return _put(total.to(states[0].dtype), out)


@with_kernel
def channel_means(states: Sequence[Tensor]) -> Tensor:
    """The means (N, S, C), float32 or wider, of S states (N, C, H, W)."""
    return torch.stack([x.mean(dim=(2, 3), dtype=_wide(x)) for x in states], dim=1)


@with_kernel
def channel_moments(x: Tensor) -> Tensor:
    """Mean and population variance (N, 2, C), float32 or wider, of a map (N, C, H, W)."""
    mean = x.mean(dim=(2, 3), dtype=_wide(x))
    centred = x - mean[:, :, None, None]
    return torch.stack([mean, centred.square().mean(dim=(2, 3))], dim=1)


@with_kernel
def coattention_weights(means: Tensor, integrate: Layer, squeeze: Layer, excite: Layer) -> Tensor:
    """Co-attention's softmax weights (N, S, C) of S states from their means (N, S, C)."""
    images, states, _ = means.shape
    pooled = _conv1x1(means.flatten(1)[:, :, None, None], integrate)
    logits = _conv1x1(F.relu(_conv1x1(pooled, squeeze)), excite)
    return logits.reshape(images, states, -1).softmax(dim=1)


@with_kernel
def coattention(
    states: Sequence[Tensor], integrate: Layer, squeeze: Layer, excite: Layer
) -> Tensor:
    """Asymmetric co-attention as the DIN papers write it, on whole maps.

    1x1 convolution of the concatenated states, global average, squeeze with ReLU, excitation,
    softmax over the S states per channel, rescaled sum. Each pair is (weight, bias) of a 1x1.
    """
    pooled = F.conv2d(torch.cat(list(states), dim=1), *integrate).mean(dim=(2, 3), keepdim=True)
    logits = F.conv2d(F.relu(F.conv2d(pooled, *squeeze)), *excite)
    attention = logits.reshape(logits.shape[0], len(states), -1).softmax(dim=1)
    return rescaled_sum(states, attention)


@with_kernel
def contrast_gate(moments: Tensor, squeeze: Layer, excite: Layer) -> Tensor:
    """Contrast attention's gate (N, C) from mean and population variance (N, 2, C).

    Mean plus standard deviation, squeeze with ReLU, excitation, sigmoid (IMDN's CCA).
    """
    mean, variance = moments.unbind(dim=1)
    contrast = mean + variance.clamp_min(SMALLEST_VARIANCE).sqrt()
    hidden = F.relu(_conv1x1(contrast[:, :, None, None], squeeze))
    return torch.sigmoid(_conv1x1(hidden, excite)).flatten(1)


@with_kernel
def contrast(x: Tensor, squeeze: Layer, excite: Layer, following: Layer) -> Tensor:
    """Contrast attention on a whole map (N, C, H, W) and the 1x1 convolution after it."""
    gate = contrast_gate(channel_moments(x), squeeze, excite)
    return scaled_conv1x1(x, gate, *following)


@with_kernel
def dense_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    slope: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """3x3 convolution with zero padding of `x` (N, C, H, W), then a leaky ReLU of `slope` if given.

    `out` (N, O, H, W) may be other channels of the buffer that `x` is a slice of: a dense block
    grows in place.
    """
    return _put(activate(F.conv2d(x, weight, bias, padding=1), slope), out)


def convolve(
    x: Tensor | Sequence[Tensor],
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Sides = (1, 1),
    padding: Sides = (0, 0),
    padding_after: Sides | None = None,
    groups: int = 1,
    slope: float | None = None,
    added: Sequence[Tensor] = (),
) -> Tensor:
    """Convolution of `x` (N, C, H, W), plus maps `added`, then a leaky ReLU of negative `slope`.

    Of several maps the channels of all. `padding_after` are the zeros after the last row and
    column, where they are not as many as `padding` before the first. On a CPU, without gradients,
    dinplug's own code convolves maps with channels last, oneDNN others and groups, unless the
    choice of kernels is `off`.
    """
    sources = [x] if isinstance(x, Tensor) else list(x)
    after = padding if padding_after is None else padding_after
    runs_fused = _runs_fused(sources[0], weight) and all(y.dtype == weight.dtype for y in added)
    if runs_fused and convolution.is_fitting(sources, weight, groups):
        return convolution.convolve(sources, weight, bias, stride, padding, after, slope, added)
    whole = sources[0] if len(sources) == 1 else torch.cat(sources, dim=1)
    if after != padding:
        (top, left), (bottom, right) = padding, after
        whole, padding = F.pad(whole, (left, right, top, bottom)), (0, 0)
    if not runs_fused:
        y = F.conv2d(whole, weight, bias, stride, padding, 1, groups)
        for other in added:
            y = y + other
        return activate(y, slope)
    return onednn.convolve(whole, weight, bias, stride, padding, groups, slope, added)


def reads_anywhere() -> bool:
    """Whether `convolve` reads float32 maps on a CPU where they lie, windows of others too."""
    return _chooses_fused() and own_code.find_code() is not None


def scaled_conv1x1(
    x: Tensor,
    scale: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    added: Sequence[Tensor] = (),
) -> Tensor:
    """A 1x1 convolution of `x` (N, C, H, W) times the per-channel `scale` (N, C), plus `added`.

    For a single image outside training the scale goes into the weights (O, C, 1, 1), which saves
    a pass over the map: the same sum with each product taken in another order.
    """
    if x.shape[0] == 1 and not torch.is_grad_enabled() and not _is_plain():
        scaled = (weight * scale[0][:, None, None]).to(x.dtype)
        return convolve(x, scaled, bias, added=added)
    return convolve((x * scale[:, :, None, None]).to(x.dtype), weight, bias, added=added)


def _runs_fused(x: Tensor, weight: Tensor) -> bool:
    """Whether a faster convolution stands in for the plain operators here and now."""
    return _chooses_fused() and onednn.is_fusible(x, weight)


def _chooses_fused() -> bool:
    """Whether it may; compilers cannot look at contexts."""
    return not (torch.compiler.is_compiling() or _PLAIN.get() or kernel_choice() == "off")


def activate(x: Tensor, slope: float | None) -> Tensor:
    """Leaky ReLU with negative `slope`; 0 is ReLU, None the identity."""
    if slope is None:
        return x
    return F.relu(x) if slope == 0 else F.leaky_relu(x, slope)


def _conv1x1(x: Tensor, layer: Layer) -> Tensor:
    """A 1x1 convolution in the type of `x`, whatever its weights are kept in."""
    weight, bias = layer
    return F.conv2d(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


def _is_plain() -> bool:
    """Whether `plain_torch` holds; compilers cannot look at contexts."""
    return not torch.compiler.is_compiling() and _PLAIN.get()


def _put(values: Tensor, out: Tensor | None) -> Tensor:
    """`values`, in `out` if that is given."""
    return values if out is None else out.copy_(values)


def _wide(x: Tensor) -> torch.dtype:
    """The type in which values of `x` are summed: float32 at least."""
    return torch.promote_types(x.dtype, torch.float32)
