"""Measure exact tiling: time, memory and error against the whole image, beside overlapped tiles.

    python benchmarks/tiling.py [--height 512] [--width 768] [--tile 256] [MODEL ...]

Every method runs in a process of its own, in turn, `--repeats` times; times are medians of
CPU time in ratio to the whole image's, memory is the growth of the peak resident set. Models
without weights run with random ones. Errors are in levels of 255.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from dinplug.checkpoints import load_model
from dinplug.errors import SetupError
from dinplug.imaging import read_photo
from dinplug.inference.run import NetworkRunner, RunOptions, pad
from dinplug.inference.tiling import inside, tiles
from dinplug.networks.stages import StagedNetwork
from dinplug.specs import MODELS

PHOTO = Path(__file__).resolve().parents[1] / "examples" / "photos" / "ridges.png"
OVERLAP = 32
"""Context around a tile in the ordinary way of tiling, in pixels."""
DEFAULT_MODELS = (
    "imdn-x2", "aidn-x2", "rfdn-x4", "msfin-s-x4", "msfin-x4", "imdn-as", "din-dehaze-small",
)  # fmt: skip
METHODS = ("whole", "exact", "overlapped")


def picture(height: int, width: int) -> Tensor:
    """The middle of an example photo, mirrored where it is too small, (1, 3, H, W) in 0..1."""
    photo = torch.from_numpy(read_photo(PHOTO).rgb).permute(2, 0, 1)[None]
    photo = pad(photo, max(height, photo.shape[2]), max(width, photo.shape[3]))
    top, left = (photo.shape[2] - height) // 2, (photo.shape[3] - width) // 2
    part = photo[:, :, top : top + height, left : left + width]
    return part.contiguous(memory_format=torch.channels_last)


def network_of(name: str) -> StagedNetwork:
    """The model's network with its weights, or with random ones where it has none."""
    torch.manual_seed(0)
    try:
        return load_model(name).network
    except SetupError:
        return MODELS[name].build().eval()


def overlapped(runner: NetworkRunner, image: Tensor, tile: int) -> Tensor:
    """Tiles with `OVERLAP` pixels of context, each run as a picture of its own."""
    scale = runner.network.scale
    output = torch.empty(1, 3, image.shape[2] * scale, image.shape[3] * scale)
    for rows, columns in tiles(image.shape[2], image.shape[3], tile):
        wide_rows, wide_columns = rows.widened(OVERLAP), columns.widened(OVERLAP)
        part = image[:, :, wide_rows.start : wide_rows.stop, wide_columns.start : wide_columns.stop]
        result = runner.run(part)
        fine_rows, fine_columns = rows.refined(scale), columns.refined(scale)
        output[:, :, fine_rows.start : fine_rows.stop, fine_columns.start : fine_columns.stop] = (
            result[:, :, inside(rows, wide_rows, scale), inside(columns, wide_columns, scale)]
        )
    return output


def measure(name: str, method: str, height: int, width: int, tile: int, target: Path) -> None:
    """Run one method once, save its output to `target` and print its cost as JSON."""
    network, image = network_of(name), picture(height, width)
    runner = NetworkRunner(network, RunOptions(tile=tile, reference=method != "exact"))
    runner.run(image[:, :, :64, :64])
    before = psutil.Process().memory_info().rss
    started, spent = time.perf_counter(), time.process_time()
    ordinary = method == "overlapped"
    output = overlapped(runner, image, tile) if ordinary else runner.run(image)
    cost = {
        "wall": time.perf_counter() - started,
        "cpu": time.process_time() - spent,
        "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before / 2**20,
    }
    np.save(target, output.numpy())
    print(json.dumps(cost))


def compare(name: str, arguments: argparse.Namespace) -> None:
    """Run all methods in turn and print the model's lines."""
    costs: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    outputs = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.repeats):
            for method in METHODS:
                target = Path(folder) / f"{method}.npy"
                sizes = [str(v) for v in (arguments.height, arguments.width, arguments.tile)]
                command = [sys.executable, __file__, "--one", name, method, *sizes, str(target)]
                # One thread: several wait for each other busily, which is CPU time too.
                result = subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
                costs[method].append(json.loads(result.stdout))
                outputs[method] = np.load(target)
    whole = {key: median(costs["whole"], key) for key in ("wall", "cpu", "mib")}
    for method in METHODS:
        error = np.abs(outputs[method] - outputs["whole"])
        print(
            f"{name:18} {method:10} wall {median(costs[method], 'wall') / whole['wall']:5.2f}  "
            f"cpu {median(costs[method], 'cpu') / whole['cpu']:5.2f}  "
            f"memory {median(costs[method], 'mib'):6.0f} MiB  "
            f"max error {error.max() * 255:10.6f}  mean {error.mean() * 255:10.6f}",
            flush=True,
        )


def median(costs: list[dict[str, float]], key: str) -> float:
    """The median of one figure."""
    return statistics.median(cost[key] for cost in costs)


def main() -> None:
    """Parse the arguments and measure."""
    if sys.argv[1:2] == ["--one"]:
        name, method, height, width, tile, target = sys.argv[2:]
        measure(name, method, int(height), int(width), int(tile), Path(target))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=DEFAULT_MODELS, metavar="MODEL")
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    for name in arguments.models:
        compare(name, arguments)


if __name__ == "__main__":
    main()
