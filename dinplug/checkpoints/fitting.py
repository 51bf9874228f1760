"""Whether a state dict fits a network, and the network filled with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dinplug.checkpoints.weights_file import shown
from dinplug.networks.stages import StagedNetwork, total_parameters
from dinplug.specs import NetworkSpec, build_network


@lru_cache(maxsize=64)
def count_parameters(spec: NetworkSpec) -> int:
    """The number of trained values of a network, without making room for them."""
    return total_parameters(_without_values(spec))


def misfits(spec: NetworkSpec, state: dict[str, Tensor]) -> list[str]:
    """What keeps a state dict from fitting a network: missing, unexpected, mismatched keys."""
    wanted = {key: tuple(value.shape) for key, value in _without_values(spec).state_dict().items()}
    return (
        [f"missing {key}" for key in wanted if key not in state]
        + [f"unexpected {shown(key)}" for key in state if key not in wanted]
        + [
            f"mismatched {key} (has {tuple(state[key].shape)}, wants {shape})"
            for key, shape in wanted.items()
            if key in state and tuple(state[key].shape) != shape
        ]
    )


def describe_misfits(found: list[str], most: int = 3) -> str:
    """The first misfits in one line, and how many more there are."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def network_with(spec: NetworkSpec, state: dict[str, Tensor]) -> StagedNetwork:
    """The network with the values of a state dict that fits it, in evaluation mode."""
    network = _without_values(spec)
    network.load_state_dict(state, assign=True)
    return network.eval()


class _NoDrawing(TorchFunctionMode):
    """Leaves out the drawing of first values, which is slow even for tensors without storage."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else named["tensor"]
        return func(*args, **named)


def _without_values(spec: NetworkSpec) -> StagedNetwork:
    with torch.device("meta"), _NoDrawing():
        return build_network(spec)
