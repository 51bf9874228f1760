"""Contrast-aware channel attention (CCA): moments in one pass, the gate inside the next 1x1.

The map is read once for its moments and once by the 1x1 convolution, whose weights carry the gate;
the gated map is never written.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

from .layers import linear
from .layout import on_device
from .moments import channel_moments

SMALLEST_VARIANCE = tl.constexpr(1e-14)
FOLDED = tl.constexpr(32)
"""Rows of the following convolution that a program scales at a time."""


@triton.jit
def contrast_gate_fwd_kernel(
    moments,
    squeeze,
    squeeze_bias,
    excite,
    excite_bias,
    gates,
    following,
    folded,
    CHANNELS: tl.constexpr,
    SQUEEZED: tl.constexpr,
    FOLLOWING: tl.constexpr,
    BLOCK_CHANNELS: tl.constexpr,
    BLOCK_SQUEEZED: tl.constexpr,
):
    """The gate (C,) of one image from its moments (2, C).

    With `following` (FOLLOWING, C), a 1x1's weights, also writes them times the gate to `folded`
    (N, FOLLOWING, C).
    """
    image = tl.program_id(0).to(tl.int64)
    channel = tl.arange(0, BLOCK_CHANNELS)
    present = channel < CHANNELS
    start = moments + image * 2 * CHANNELS
    mean = tl.load(start + channel, mask=present, other=0.0)
    variance = tl.load(start + CHANNELS + channel, mask=present, other=0.0)
    contrast = mean + tl.sqrt(tl.maximum(variance, SMALLEST_VARIANCE))
    contrast = tl.where(present, contrast, 0.0)
    hidden = linear(
        squeeze, squeeze_bias, contrast, 0,
        SQUEEZED, CHANNELS, CHANNELS, BLOCK_SQUEEZED, BLOCK_CHANNELS,
    )  # fmt: skip
    hidden = tl.maximum(hidden, 0.0)
    logit = linear(
        excite, excite_bias, hidden, 0,
        CHANNELS, SQUEEZED, SQUEEZED, BLOCK_CHANNELS, BLOCK_SQUEEZED,
    )  # fmt: skip
    gate = 1.0 / (1.0 + tl.exp(-logit))
    tl.store(gates + image * CHANNELS + channel, gate, mask=present)
    if following is not None:
        for first in range(0, FOLLOWING, FOLDED):
            output = first + tl.arange(0, FOLDED)
            inside = (output < FOLLOWING)[:, None] & present[None, :]
            place = output[:, None] * CHANNELS + channel[None, :]
            weight = tl.load(following + place, mask=inside, other=0.0).to(tl.float32)
            scaled = (weight * gate[None, :]).to(folded.dtype.element_ty)
            tl.store(folded + image * FOLLOWING * CHANNELS + place, scaled, mask=inside)


def contrast_gate(
    moments: Tensor,
    squeeze: tuple[Tensor, Tensor | None],
    excite: tuple[Tensor, Tensor | None],
) -> Tensor:
    """The gate (N, C), float32, from mean and population variance (N, 2, C)."""
    return launch_gate(moments, squeeze, excite, None)[0]


def contrast(
    x: Tensor,
    squeeze: tuple[Tensor, Tensor | None],
    excite: tuple[Tensor, Tensor | None],
    following: tuple[Tensor, Tensor | None],
) -> Tensor:
    """CCA on `x` (N, C, H, W) and the 1x1 convolution after it: (N, O, H, W)."""
    weight, bias = following
    _, folded = launch_gate(channel_moments(x), squeeze, excite, weight)
    assert folded is not None
    # An image at a time, because each has weights of its own.
    parts = [F.conv2d(x[n : n + 1], folded[n], bias) for n in range(x.shape[0])]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def launch_gate(
    moments: Tensor,
    squeeze: tuple[Tensor, Tensor | None],
    excite: tuple[Tensor, Tensor | None],
    following: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """The gates (N, C) and, given a 1x1's weights (O, C, 1, 1), these times the gates."""
    images, _, channels = moments.shape
    squeezed = squeeze[0].shape[0]
    given = moments.float().contiguous()
    gates = torch.empty((images, channels), dtype=torch.float32, device=moments.device)
    folded = None
    if following is not None:
        size = (images, *following.shape)
        folded = torch.empty(size, dtype=following.dtype, device=moments.device)
    layers = [
        None if value is None else value.contiguous() for layer in (squeeze, excite)
        for value in layer
    ]  # fmt: skip
    with on_device(moments):
        contrast_gate_fwd_kernel[(images,)](
            given,
            *layers,
            gates,
            None if following is None else following.contiguous(),
            folded,
            CHANNELS=channels,
            SQUEEZED=squeezed,
            FOLLOWING=0 if following is None else following.shape[0],
            BLOCK_CHANNELS=triton.next_power_of_2(channels),
            BLOCK_SQUEEZED=triton.next_power_of_2(squeezed),
            enable_fp_fusion=True,
        )
    return gates, folded
