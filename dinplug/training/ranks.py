"""Several processes that train one network together, on one machine or more (torchrun)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from dinplug.errors import UsageError
from dinplug.training.pairs.numbered import F32, NumberedPairs

Value = TypeVar("Value")

_PATIENCE = timedelta(hours=1)
"""How long one process waits for another: validation and rendered scenes take minutes."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together; alone by default.

    Attributes:
        rank: number of this process, from 0; the first one logs, validates and saves.
        world: how many there are.
        local: number of this process on its machine.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that logs, validates and saves."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """The GPU of this process, or the CPU if there is none."""
        return torch.device("cuda", self.local) if torch.cuda.is_available() else CPU

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        return flag if self.world == 1 else self._sum(float(flag)) > 0

    def mean(self, value: float) -> float:
        """Mean over the processes; each must come to the same call."""
        return value if self.world == 1 else self._sum(value) / self.world

    def of_first(self, make: Callable[[], Value]) -> Value:
        """Make a value in the first process and give it to all."""
        if self.world == 1:
            return make()
        values = [make() if self.is_first else None]
        distributed.broadcast_object_list(values, src=0, device=CPU)
        (value,) = values
        return value  # type: ignore[return-value]

    def one_after_another(self, make: Callable[[], Value]) -> Value:
        """Make a value in one process of each machine, then in the others.

        What is made keeps files on disk that two must not write at once.
        """
        if self.world > 1 and self.local > 0:
            self._sum(0)
            return make()
        value = make()
        if self.world > 1:
            self._sum(0)
        return value

    def joined(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over the processes."""
        if self.world == 1:
            return network
        # The released DIN never uses some of its weights. The same ones in every step, which is
        # what makes the graph static: they are found once instead of in each step.
        return DistributedDataParallel(network, static_graph=True)

    def share(self, pairs: NumberedPairs, batch: int) -> tuple[NumberedPairs, int]:
        """This process's share of each batch, and how many pairs that is.

        Raises:
            UsageError: the batch cannot be dealt out evenly.
        """
        if batch % self.world:
            raise UsageError(
                f"a batch of {batch} pairs cannot be shared by {self.world} processes: "
                "start as many as divide it"
            )
        return Share(pairs, batch, self.rank, self.world), batch // self.world

    def _sum(self, value: float) -> float:
        total = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(total)
        return float(total)


CPU = torch.device("cpu")
ALONE = Ranks()


@dataclass(frozen=True)
class Share(NumberedPairs):
    """Every `world`-th pair of each batch, so that all shares together are the same batches.

    Attributes:
        whole: the pairs of all processes.
        batch_size: pairs in a whole batch; a multiple of `world`.
        rank: whose share.
        world: how many shares.
    """

    whole: NumberedPairs
    batch_size: int
    rank: int
    world: int

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return pair `number` of this share."""
        batch, place = divmod(number, self.batch_size // self.world)
        return self.whole.pair(batch * self.batch_size + self.rank + place * self.world)


@contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Join the processes that torchrun started, until the end of the block; else be alone.

    Raises:
        UsageError: there are more processes than GPUs on this machine.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield ALONE
        return
    ranks = Ranks(int(os.environ["RANK"]), world, int(os.environ["LOCAL_RANK"]))
    backend = "gloo"
    if torch.cuda.is_available():
        if ranks.local >= torch.cuda.device_count():
            raise UsageError(
                f"there are {torch.cuda.device_count()} GPUs: start no more processes than that"
            )
        torch.cuda.set_device(ranks.device)
        # Flags and states are exchanged on the CPU, without waiting for the GPU.
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()
