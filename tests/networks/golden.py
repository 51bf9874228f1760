"""Golden inputs and outputs, the networks they were made with, and every map of a run."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dinplug import ops
from dinplug.checkpoints.fitting import network_with
from dinplug.checkpoints.pickled import read_pickled
from dinplug.checkpoints.released import identify, state_dict_of
from dinplug.checkpoints.weights_file import parse_safetensors
from dinplug.networks.stages import (
    Span,
    StagedNetwork,
    StageInput,
    Statistics,
    prepare_attention,
)

ROUNDING = 2e-6
"""Largest error of a correct float32 run of a released network on the scale 0..1, as measured."""
ORDER = 4
"""By what factor the order of operations may change the rounding of an inner map."""


@contextmanager
def as_released() -> Iterator[None]:
    """Run networks by torch's plain operators, as the released code does."""
    with torch.no_grad(), ops.plain_torch():
        yield


def arrays(shared: Path, name: str) -> dict[str, Tensor]:
    """The arrays of a golden file: pictures (H, W, 3) in uint8, maps (C, H, W) in float32."""
    with np.load(shared / "reference" / "golden" / f"{name}.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files}


def weights(shared: Path, name: str) -> dict[str, Tensor]:
    """The random weights beside a golden file, with the released keys."""
    file = shared / "reference" / "golden" / f"{name}.safetensors"
    return parse_safetensors(file.read_bytes(), file)


def picture(array: Tensor, value_range: float = 1.0) -> Tensor:
    """A golden picture as a network's input (1, 3, H, W)."""
    return (array.permute(2, 0, 1)[None] * (value_range / 255)).float()


def released_network(shared: Path, checkpoint: str) -> StagedNetwork:
    """The network of an authors' checkpoint, or of golden random weights."""
    folder = "golden" if checkpoint.endswith(".safetensors") else "checkpoints"
    file = shared / "reference" / folder / checkpoint
    if folder == "golden":
        state = weights(shared, file.stem)
    else:
        state = state_dict_of(read_pickled(file.read_bytes(), file), file)
    return network_with(*identify(state, file))


def largest_difference(one: Tensor, other: Tensor) -> float:
    """Largest absolute difference; both must have the same shape but for a batch of one."""
    assert one.reshape(other.shape).shape == other.shape
    return (one.reshape(other.shape) - other).abs().max().item()


def floors(shared: Path, name: str) -> dict[str, float]:
    """What the released float32 code itself is off from float64, per array of a golden file."""
    noise = json.loads((shared / "reference" / "golden" / "noise.json").read_text())
    return {key: float(value) for key, value in noise["files"][name].items()}


def assert_maps_equal(shared: Path, name: str, found: dict[str, Tensor]) -> None:
    """Hold maps, by their golden key, to the released code's own rounding error."""
    expected, floor = arrays(shared, name), floors(shared, name)
    for key, value in found.items():
        assert largest_difference(value, expected[key]) <= ORDER * floor[key], key


def all_maps(network: StagedNetwork, image: Tensor) -> dict[str, Tensor]:
    """Every feature map of a run over the whole image."""
    graph = network.graph
    maps, pooled = {"image": image}, graph.pooled()
    statistics: dict[str, Statistics] = {}
    with as_released():
        for stage in graph.stages:
            sides = [stage.grid.size(side) for side in image.shape[-2:]]
            rows, columns = (Span(0, side, side) for side in sides)
            inputs = tuple(maps[read.name] for read in stage.reads)
            outputs = stage.run(
                StageInput(inputs, prepare_attention(stage, statistics), rows, columns)
            )
            for spec, output in zip(stage.writes, outputs, strict=True):
                maps[spec.name] = output
                if spec.name in pooled:
                    statistics[spec.name] = Statistics.of(output, pooled[spec.name])
    return maps
