"""Models small enough for tests, with fixed random weights, laid out like imported ones."""

from dataclasses import replace
from pathlib import Path

import torch

from dinplug.atomic import write_atomically
from dinplug.checkpoints.cards import ModelCard
from dinplug.checkpoints.weights_file import write_safetensors
from dinplug.networks.din import DINSpec
from dinplug.networks.imdn import IMDNSpec
from dinplug.specs import NetworkSpec, Task, build_network

SMALLEST = DINSpec(branches=2, depth=1, blocks=1, features=8, growth=4)
TINY: dict[str, tuple[Task, NetworkSpec]] = {
    "tiny-derain": (Task.DERAIN, SMALLEST),
    "tiny-dehaze": (Task.DEHAZE, replace(SMALLEST, strided=True)),
    "tiny-x2": (Task.SR, replace(SMALLEST, scale=2)),
    "tiny-as": (Task.SR, IMDNSpec(1, adaptive=True, features=16, blocks=1)),
}


def write_tiny_models(data_home: Path, seed: int = 20) -> None:
    """Write all of TINY where dinplug looks for imported models below `data_home`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, (task, spec) in TINY.items():
            weights = data_home / "models" / f"{name}.safetensors"
            digest = write_safetensors(build_network(spec).state_dict(), weights)
            card = ModelCard(name, task, spec, "Apache-2.0", weights_sha256=digest)
            write_atomically(card.to_json().encode(), weights.with_suffix(".json"))
