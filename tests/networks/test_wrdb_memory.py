"""What a WRDB is planned to hold is what it holds."""

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dinplug.cpu import own_code
from dinplug.networks.folding import fold
from dinplug.networks.wrdb import WRDB, FoldedWRDB, held_values


class HeldMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the values of all tensors made within it that are alive, and the most there were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: set[int] = set()
        self.now = self.most = 0

    def ignore(self, *given: Tensor) -> None:
        """Do not count these, nor views of them."""
        self.alive.update(x.untyped_storage().data_ptr() for x in given)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        for result in tree_leaves(results):
            storage = result.untyped_storage()
            pointer, values = storage.data_ptr(), storage.nbytes() // result.element_size()
            if pointer not in self.alive:
                self.alive.add(pointer)
                self.now += values
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.free, pointer, values)
        return results

    def free(self, pointer: int, values: int) -> None:
        """Note that a tensor counted before is gone."""
        self.alive.remove(pointer)
        self.now -= values


def held_for_a_pixel(block: FoldedWRDB, run: Callable[[Tensor], Tensor]) -> float:
    """The most values at once in a run, but for its input and what any size takes, for a pixel."""
    sides = (24, 48)
    with torch.inference_mode():
        x = torch.randn(1, block.entry.in_channels, *sides)
        run(x.contiguous(memory_format=torch.channels_last))  # packs the weights
    most: list[int] = []
    for side in sides:
        x = torch.randn(1, block.entry.in_channels, side, side)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), HeldMemory() as held:
            held.ignore(x, *block.parameters())
            run(x)
        most.append(held.most)
    more = sides[1] ** 2 - sides[0] ** 2
    return (most[1] - most[0]) / more


@pytest.mark.skipif(own_code.find_level() is None, reason="no own convolutions for this computer")
@pytest.mark.parametrize(("features", "growth", "blocks"), [(48, 16, 1), (64, 32, 3), (16, 6, 3)])
def test_a_wrdb_holds_what_it_is_planned_to(features: int, growth: int, blocks: int) -> None:
    block = fold(nn.ModuleList([WRDB(features, growth, blocks, weighted_links=True)]))[0]
    assert isinstance(block, FoldedWRDB)
    planned = held_values(features, growth, blocks)
    # The input is in the plan's count and not in these, the output the other way round.
    in_torch = held_for_a_pixel(block, block.in_torch)
    in_buffers = held_for_a_pixel(block, block.in_buffers)
    # The kernel's plain definition adds two maps up, which the kernel does not make.
    assert in_torch == (blocks + 1) * features + 5 * growth
    assert max(in_torch, in_buffers - 2 * features) == planned
