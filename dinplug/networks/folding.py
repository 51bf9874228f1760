"""Fold a trained network for inference: exact algebra, done once when it is loaded.

A module that has a cheaper form with the same outputs offers it as `folded()`.
"""

from __future__ import annotations

import copy
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


@runtime_checkable
class Foldable(Protocol):
    """A module with a cheaper form for inference."""

    def folded(self) -> nn.Module:
        """The cheaper form; may take over this module's layers."""


def fold(network: Network) -> Network:
    """A copy of the network in which every module that can is replaced by its folded form.

    The copy gives the same pixels but for rounding; it is for inference only.
    """
    # Tensors made in inference mode do not say when they change, and layers are packed once.
    with torch.inference_mode(False), torch.no_grad():
        folded = copy.deepcopy(network).eval().requires_grad_(False)
        fold_children(folded)
        for parameter in folded.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return folded


def fold_children(module: nn.Module) -> None:
    """Replace the foldable descendants of `module` in place."""
    for name, child in module.named_children():
        if isinstance(child, Foldable):
            module.register_module(name, child.folded())
        else:
            fold_children(child)
