"""How DIN's branches meet: asymmetric co-attention (AsyCA) and the fusions it is compared with.

F. Li et al., arXiv:2010.15689, sections 3.3 and 4.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinplug import ops
from dinplug.networks.layers import Conv
from dinplug.networks.stages import StageInput, Statistics


class AsyCA(nn.Module):
    """Asymmetric co-attention over two or more states of C channels.

    The paper averages a 1x1 convolution of the concatenated states. Average and convolution are
    both linear, so the convolution acts here on the states' means: the same numbers, without the
    node's only full-size work. `ops.coattention` is the paper's literal form.
    """

    def __init__(self, features: int, ratio: int, states: int = 2) -> None:
        super().__init__()
        squeezed = max(1, features // ratio)
        self.states = states
        self.integrate = nn.Conv2d(states * features, features, 1)
        self.squeeze = nn.Conv2d(features, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, states * features, 1)

    def attention(self, *statistics: Statistics) -> Tensor:
        """The softmax weights (N, S, C) of S states from their means."""
        means = torch.stack([s.mean for s in statistics], dim=1)
        layers = (self.integrate, self.squeeze, self.excite)
        integrate, squeeze, excite = ((layer.weight, layer.bias) for layer in layers)
        return ops.coattention_weights(means, integrate, squeeze, excite)

    @staticmethod
    def join(states: tuple[Tensor, ...], attention: Tensor) -> Tensor:
        """The attention-weighted sum of the states, (N, C, H, W)."""
        return ops.rescaled_sum(states, attention)


class SqueezeExcite(nn.Module):
    """SE fusion, the ablation's rival: channel attention on the plain sum of the states."""

    def __init__(self, features: int, ratio: int) -> None:
        super().__init__()
        squeezed = max(1, features // ratio)
        self.squeeze = nn.Conv2d(features, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, features, 1)

    def attention(self, *statistics: Statistics) -> Tensor:
        """The sigmoid gate (N, 1, C) from the states' means."""
        mean = sum((s.mean for s in statistics[1:]), statistics[0].mean)[:, :, None, None]
        gate: Tensor = self.excite(F.relu(self.squeeze(mean)))
        return torch.sigmoid(gate).flatten(1)[:, None]

    @staticmethod
    def join(states: tuple[Tensor, ...], attention: Tensor) -> Tensor:
        """The gated sum of the states."""
        return ops.rescaled_sum(states, attention.expand(-1, len(states), -1))


class ConcatFusion(nn.Module):
    """Concatenation and a 1x1 convolution back to C channels."""

    def __init__(self, features: int, states: int = 2) -> None:
        super().__init__()
        self.reduce = Conv(states * features, features, 1)

    def forward(self, states: tuple[Tensor, ...]) -> Tensor:
        """Map S states (N, C, H, W) to one."""
        reduced: Tensor = self.reduce(torch.cat(states, dim=1))
        return reduced


def join_states(node: nn.Module | None, x: StageInput) -> Tensor:
    """The states of a node as one map: attention, 1x1 convolution, or plain sum."""
    if isinstance(node, AsyCA | SqueezeExcite):
        return node.join(x.maps, x.weights)
    if isinstance(node, ConcatFusion):
        joined: Tensor = node(x.maps)
        return joined
    return sum(x.maps[1:], x.maps[0])
