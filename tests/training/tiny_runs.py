"""Runs small enough for tests: recipes of tiny networks, and pairs without photos."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dinplug.networks.aidn import AIDNSpec
from dinplug.networks.din import DINSpec
from dinplug.networks.imdn import IMDNSpec
from dinplug.networks.msfin import MSFINSpec
from dinplug.specs import NetworkSpec, Task
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.recipe import HazeData, Recipe, ReducedData

TINY_DIN = DINSpec(strided=True, branches=2, depth=1, blocks=1, features=8, growth=4)
NETWORKS: dict[str, NetworkSpec] = {
    "din": TINY_DIN,
    "imdn": IMDNSpec(2, features=16, blocks=1),
    "aidn": AIDNSpec(2, features=8, blocks=1),
    "msfin": MSFINSpec(8, 2, 2, 1),
}


def recipe_for(network: NetworkSpec) -> Recipe:
    """Six steps with a network, checkpoints and validation every two."""
    return Recipe(
        task=Task.DEHAZE if network.scale == 1 else Task.SR,
        network=network,
        data=HazeData() if network.scale == 1 else ReducedData(),
        crop=16,
        batch=2,
        steps=6,
        rate=2e-3,
        seed=1,
        final_rate=2e-4,
        warmup=1,
        clip=1.0,
        ema=0.9,
        checkpoint_every=2,
        validate_every=2,
    )


TINY = recipe_for(TINY_DIN)


@dataclass(frozen=True)
class Veil(NumberedPairs):
    """Random grainy colours; the degraded picture is smaller and under a veil of half strength."""

    crop: int = 16
    scale: int = 1

    def pair(self, number: int) -> tuple[F32, F32]:
        rng = np.random.default_rng(number)
        side = self.crop * self.scale
        grain = rng.uniform(-0.1, 0.1, (side, side, 3))
        clean = np.asarray(rng.uniform(0.1, 0.9, 3) + grain, np.float32)
        return np.float32(0.5) * clean[:: self.scale, :: self.scale] + np.float32(0.4), clean


def veil_for(recipe: Recipe) -> Veil:
    """Pairs that fit a recipe."""
    return Veil(recipe.crop, recipe.network.scale)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two sets of tensors are the same, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
