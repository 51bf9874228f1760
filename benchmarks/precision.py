"""Measure what half precision costs: how far it moves pixels of photos from float32's.

    python benchmarks/precision.py --bench FOLDER [--photos 4] [--side 96] [MODEL ...]

Runs each model (the bundled ones by default) as `--precision auto` does on a GPU, on a GPU if there
is one, on the middle of photos of its task's benchmark sets, and prints a Markdown table; errors
are in 8-bit levels. On a CPU float16 is slow and rounds as a GPU does: products are summed in
float32 and results rounded.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dinplug.checkpoints import list_models, load_model
from dinplug.evaluation.metrics import U8Image
from dinplug.evaluation.sets import read_samples, sets_at_hand
from dinplug.inference.device_engine import DeviceEngine
from dinplug.inference.precision import calibration_picture
from dinplug.networks.folding import fold
from dinplug.networks.stages import StagedNetwork
from dinplug.specs import Task


@dataclass(frozen=True)
class Deviation:
    """Largest and root mean square deviation from float32, in 8-bit levels."""

    largest: float
    rms: float

    @staticmethod
    def of(half: Tensor, full: Tensor, value_range: float) -> Deviation:
        """Measure two results on a scale of values."""
        levels = (half.double() - full.double()).abs() * (255 / value_range)
        return Deviation(float(levels.max()), float(levels.square().mean().sqrt()))


class Comparison:
    """A network in float32 and as `precision` has it."""

    def __init__(self, network: StagedNetwork, device: torch.device, precision: str) -> None:
        folded = fold(network).to(device)
        self.network = folded
        self.full = DeviceEngine(folded, device, "float32")
        self.half = DeviceEngine(folded, device, precision)

    def deviation(self, picture: Tensor) -> Deviation:
        """That on a picture (1, 3, H, W) on the scale 0..1."""
        image = picture * self.network.value_range
        size = image.shape[-2:]
        half, full = (e.run(image, e.plan(*size)) for e in (self.half, self.full))
        return Deviation.of(half, full, self.network.value_range)


def photos(task: Task, bench: Path, count: int, side: int, scale: int) -> Iterator[Tensor]:
    """The middles (1, 3, side, side) of `count` pictures of each of a task's sets."""
    for one, folder in sets_at_hand(task, bench):
        for sample in read_samples(one, folder, scale, count):
            yield middle(sample.degraded, side)


def middle(picture: U8Image, side: int) -> Tensor:
    """The middle of a picture (H, W, 3) as (1, 3, side, side) at most, on the scale 0..1."""
    top, left = (max(0, (length - side) // 2) for length in picture.shape[:2])
    part = np.ascontiguousarray(picture[top : top + side, left : left + side])
    return torch.from_numpy(part).permute(2, 0, 1)[None].float() / 255


def main() -> None:
    """Parse the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--bench", type=Path, required=True, help="folder of benchmark sets")
    parser.add_argument("--photos", type=int, default=4, help="of each set")
    parser.add_argument("--side", type=int, default=96, help="of the part, in pixels")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    bundled = [model.name for model in list_models() if model.weights == "bundled"]
    print("| model | runs in | calibration picture | photos, largest | photos, rms | photos |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in arguments.models or bundled:
        model = load_model(name)
        compared = Comparison(model.network, device, "auto")
        chart = compared.deviation(calibration_picture(model.network))
        found = [
            compared.deviation(picture)
            for picture in photos(
                model.task, arguments.bench, arguments.photos, arguments.side, model.scale
            )
        ]
        largest = max(one.largest for one in found)
        rms = max(one.rms for one in found)
        print(
            f"| {name} | {compared.half.typed.described()} | {chart.largest:.3f} "
            f"| {largest:.3f} | {rms:.4f} | {len(found)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
