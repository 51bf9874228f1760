"""DIN's building block: the weighted residual dense block (WRDB), plain and folded.

F. Li et al., arXiv:2010.15689, section 3.2; factors and activations as in the released code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dinplug import ops
from dinplug.networks.layers import Conv
from dinplug.networks.shrinking import middle

SLOPE = 0.2
"""Negative slope of every leaky ReLU of DIN."""
RESIDUAL = 0.1
"""What RDB and WRDB multiply their residual branch with."""


class RDB(nn.Module):
    """Residual dense block: five growing convolutions, one back to C, scaled residual."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        widths = [features + k * growth for k in range(6)]
        self.convs = nn.ModuleList(
            [Conv(width, growth, slope=SLOPE) for width in widths[:5]] + [Conv(widths[5], features)]
        )

    def dense(self, x: Tensor) -> Tensor:
        """The last convolution's output, without the residual."""
        parts = [x]
        for conv in self.convs:
            parts.append(conv(parts))
        return parts[-1]

    def grow(self, buffer: Tensor) -> Tensor:
        """`dense` of the first C channels of `buffer` (N, C + 5G, H, W), which the rest is for.

        The convolutions write where the next ones read, so nothing is concatenated.
        """
        *growing, last = (conv for conv in self.convs if isinstance(conv, Conv))
        for conv in growing:
            end = conv.in_channels + conv.out_channels
            source, out = buffer[:, : conv.in_channels], buffer[:, conv.in_channels : end]
            ops.dense_conv(source, conv.weight, conv.bias, slope=SLOPE, out=out)
        return ops.dense_conv(buffer, last.weight, last.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        y = self.dense(x)
        return middle(x, y) + RESIDUAL * y


class ChannelWeights(nn.Module):
    """One weight and one bias per channel: a depth-wise 1x1 convolution (DWC)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))


class WRDB(nn.Module):
    """Weighted residual dense block: B RDBs, each fed by weighted copies of all before it."""

    def __init__(self, features: int, growth: int, blocks: int, weighted_links: bool) -> None:
        super().__init__()
        self.entry = Conv(features, features, slope=SLOPE)
        self.rdbs = nn.ModuleList([RDB(features, growth) for _ in range(blocks)])
        self.links = nn.ModuleDict(
            {
                f"{source}_{target}": ChannelWeights(features)
                for target in range(2, blocks + 2)
                for source in range(1, target)
            }
            if weighted_links
            else {}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        states: list[Tensor] = [self.entry(x)]
        for rdb in self.rdbs:
            states.append(self.linked(rdb(states[-1]), states))
        return middle(x, states[-1]) + RESIDUAL * states[-1]

    def folded(self) -> nn.Module:
        """The same map with all constant factors inside weights and biases."""
        return FoldedWRDB(self)

    def linked(self, y: Tensor, states: list[Tensor]) -> Tensor:
        """`y` plus the weighted copies of all earlier states."""
        if not self.links:
            return y
        target = len(states) + 1
        links = [self.link(source, target) for source in range(1, target)]
        weights: list[Tensor | None] = [None, *(link.weight for link in links)]
        biases: list[Tensor | None] = [None, *(link.bias for link in links)]
        fitting = [middle(state, y) for state in states]
        return ops.weighted_sum([y, *fitting], weights, biases)

    def link(self, source: int, target: int) -> ChannelWeights:
        """The weights with which state `source` enters state `target`, both from 1."""
        weights = self.links[f"{source}_{target}"]
        assert isinstance(weights, ChannelWeights)
        return weights


class FoldedWRDB(nn.Module):
    """A WRDB whose scalings live in its weights: exact but for rounding.

    With w, v the weight and bias of a link, x2 = x1 + 0.1 conv6(...) + w x1 + v: the 0.1 and v go
    into the sixth convolution, 1 + w is one factor. The outer 0.1 goes into the last block's. Takes
    over the layers of `block` and changes their weights: hand it a copy.
    """

    def __init__(self, block: WRDB) -> None:
        super().__init__()
        self.entry = block.entry
        self.rdbs = block.rdbs
        self.factors = nn.ParameterList()
        for index, rdb in enumerate(self.rdbs):
            assert isinstance(rdb, RDB)
            outer = RESIDUAL if index == len(self.rdbs) - 1 else 1.0
            target = index + 2
            links = [block.link(j, target) for j in range(1, target)] if block.links else []
            factors = torch.zeros(index + 1, block.entry.out_channels)
            factors[-1] = 1
            for source, link in enumerate(links):
                factors[source] += link.weight.detach()
            last = rdb.convs[-1]
            assert isinstance(last, Conv) and last.bias is not None
            with torch.no_grad():
                last.weight *= RESIDUAL * outer
                last.bias *= RESIDUAL
                for link in links:
                    last.bias += link.bias
                last.bias *= outer
            self.factors.append(nn.Parameter(factors * outer, requires_grad=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return self.in_buffers(x) if ops.runs_kernels(x) else self.in_torch(x)

    def in_torch(self, x: Tensor) -> Tensor:
        """`forward` with every state and all that grows in a map of its own."""
        states: list[Tensor] = [self.entry(x)]
        for rdb, factors in zip(self.rdbs, self.factors, strict=True):
            assert isinstance(rdb, RDB)
            y = rdb.dense(states[-1])
            for state, factor in zip(states, factors, strict=True):
                y.addcmul_(middle(state, y), factor[:, None, None])
            states.append(y)
        return states[-1].add_(middle(x, states[-1]))

    def in_buffers(self, x: Tensor) -> Tensor:
        """`forward` with every state at the start of the buffer in which the next RDB grows."""
        buffer = self._growth_buffer(x)
        state = buffer[:, : x.shape[1]]
        ops.dense_conv(x, self.entry.weight, self.entry.bias, slope=SLOPE, out=state)
        states = [state]
        for rdb, factors in zip(self.rdbs, self.factors, strict=True):
            assert isinstance(rdb, RDB)
            y = rdb.grow(buffer)
            is_last = len(states) == len(self.rdbs)
            if not is_last:
                buffer = self._growth_buffer(x)
            unbiased = [None] * (len(states) + 1)
            residual, out = (x, y) if is_last else (None, buffer[:, : x.shape[1]])
            state = ops.weighted_sum(
                [y, *states], [None, *factors], unbiased, residual=residual, out=out
            )
            states.append(state)
        return states[-1]

    def _growth_buffer(self, x: Tensor) -> Tensor:
        """Room for a state like `x` and what an RDB grows from it, channels side by side."""
        rdb = self.rdbs[0]
        assert isinstance(rdb, RDB)
        channels = rdb.convs[-1].in_channels
        images, _, height, width = x.shape
        assert isinstance(channels, int)
        return x.new_empty(images, height, width, channels).permute(0, 3, 1, 2)


def held_values(features: int, growth: int, blocks: int) -> int:
    """Values for each pixel that a folded WRDB and its input hold at most, beside its output.

    The more of both ways. `in_torch`: input, states, and what grew in a dense block. (Where that is
    concatenated it is held once more, which plans have room for.) `in_buffers`: input, a result,
    and every buffer, as each holds a state.
    """
    in_torch = (blocks + 1) * features + 5 * growth
    return max(in_torch, 2 * features + blocks * (features + 5 * growth))
