"""Layers of small attention networks inside a kernel: a whole layer on one row of values."""

import triton
import triton.language as tl


@triton.jit
def linear(
    weight,
    bias,
    values,
    first,
    OUTPUTS: tl.constexpr,
    INPUTS: tl.constexpr,
    ROW: tl.constexpr,
    BLOCK_OUTPUTS: tl.constexpr,
    BLOCK_INPUTS: tl.constexpr,
):
    """`weight` times `values` (BLOCK_INPUTS,), plus `bias` if there is one: (BLOCK_OUTPUTS,).

    `weight` points at an (OUTPUTS, INPUTS) part, INPUTS adjacent, whose rows lie ROW values apart;
    `first` is the first of its rows to use.
    """
    output = tl.arange(0, BLOCK_OUTPUTS)
    source = tl.arange(0, BLOCK_INPUTS)
    inside = (output < OUTPUTS)[:, None] & (source < INPUTS)[None, :]
    place = (first + output)[:, None] * ROW + source[None, :]
    factors = tl.load(weight + place, mask=inside, other=0.0).to(tl.float32)
    total = tl.sum(factors * values[None, :], axis=1)
    if bias is not None:
        total += tl.load(bias + first + output, mask=output < OUTPUTS, other=0.0).to(tl.float32)
    return total
