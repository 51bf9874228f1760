"""Measure how a CPU run's time and memory grow with megapixels, tile side and number of photos.

    python benchmarks/growth.py [--largest 100] [--table tiles] [--write] [MODEL]

Each figure comes from a process of its own with one thread, after a small picture to warm up.
Pictures above --largest megapixels are not run: their memory is what the plan predicts, their time
in proportion to pixels. --write puts the tables into docs/performance.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import psutil
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cpu_engines import peak_memory
from benchmarks.performance import machine, put_table
from benchmarks.tiling import network_of, picture
from dinplug.inference.executor import shrinking_ends
from dinplug.inference.plan import ExecutionPlan, readable_size
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.inference.tiling import tiles
from dinplug.networks.stages import Span, Stage
from dinplug.specs import MODELS
from dinplug.thread_cache import NO_CACHE, SETTINGS

ROOT = Path(__file__).resolve().parents[1]
MEGAPIXELS = (0.3, 1, 3, 12, 24, 50, 100)
TILES = (32, 64, 128, 256, 512)
PHOTOS = (1, 4, 16)
SMALL = 0.1
"""Megapixels of the pictures of which there are several, and which warm up."""
TABLES = ("megapixels", "tiles", "photos")


def sides_of(megapixels: float) -> tuple[int, int]:
    """Height and width of a 2:3 picture."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5 / 8) * 8
    return height, height * 3 // 2


def serve(model: str, megapixels: float, tile: int, photos: int) -> None:
    """Restore a picture `photos` times and print seconds of CPU time and bytes at the peak."""
    torch.set_num_threads(1)
    runner = NetworkRunner(network_of(model), RunOptions(tile=tile or None))
    runner.run(picture(64, 96))
    image = picture(*sides_of(megapixels))
    # Without what is left of making the picture, which is counted as in the plan.
    before = psutil.Process().memory_info().rss - image.nbytes
    spent = time.process_time()
    for _ in range(photos):
        runner.run(image)
    cost = {"cpu": time.process_time() - spent, "peak": peak_memory() - before}
    print(json.dumps(cost))


def cost_of(model: str, megapixels: float, tile: int = 0, photos: int = 1) -> dict[str, float]:
    """The cost of a run in a process of its own."""
    numbers = [str(value) for value in (megapixels, tile, photos)]
    result = subprocess.run(
        [sys.executable, __file__, "--one", model, *numbers],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", SETTINGS: NO_CACHE},
    )
    cost: dict[str, float] = json.loads(result.stdout)
    return cost


def plan_of(model: str, megapixels: float, tile: int = 0) -> ExecutionPlan:
    """How a run with one worker is planned."""
    runner = NetworkRunner(network_of(model), RunOptions(tile=tile or None))
    runner.workers = 1
    plan = runner.plan(*sides_of(megapixels))
    assert isinstance(plan, ExecutionPlan)
    return plan


def halo_work(model: str, plan: ExecutionPlan) -> float:
    """Pixels that a stage's layers compute on the mean, over pixels that it writes."""
    seen, written = 0.0, 0
    stages = NetworkRunner(network_of(model), RunOptions()).graph.stages
    for stage, size in zip(stages, plan.tiles, strict=True):
        height, width = stage.grid.size(plan.height), stage.grid.size(plan.width)
        written += height * width
        for rows, columns in tiles(height, width, *size):
            seen += layer_size(rows, stage) * layer_size(columns, stage)
    return seen / written


def layer_size(tile: Span, stage: Stage) -> float:
    """Rows or columns that the layers of a stage compute on the mean for those of a tile."""
    window = tile.widened(stage.halo)
    return window.size - stage.halo * sum(shrinking_ends(stage, window)) / 2


def megapixel_rows(model: str, largest: float) -> Iterator[str]:
    """Time and memory against megapixels."""
    yield "| megapixels | tiles | CPU time | a megapixel, to the first | peak | predicted peak |"
    yield "|---|---|---|---|---|---|"
    first = rate = 0.0
    for megapixels in MEGAPIXELS:
        plan = plan_of(model, megapixels)
        predicted = readable_size(plan.peak_bytes)
        size = f"| {megapixels:g} | {sum(plan.tile_counts)}"
        if megapixels > largest:
            yield f"{size} | {rate * megapixels:.0f} s, computed | | | {predicted} |"
            continue
        cost = cost_of(model, megapixels)
        rate = cost["cpu"] / megapixels
        first = first or rate
        peak = readable_size(int(cost["peak"]))
        spent = f"{cost['cpu']:.2f} s | {rate / first:.2f}"
        yield f"{size} | {spent} | {peak} | {predicted} |"


def tile_rows(model: str) -> Iterator[str]:
    """Time and memory against the tile's side."""
    yield "| tile side | work with halo | CPU time, to the first | peak |"
    yield "|---|---|---|---|"
    first = 0.0
    for side in (0, *TILES):
        plan, cost = plan_of(model, 1 / 3, side), cost_of(model, 1 / 3, side)
        first = first or cost["cpu"]
        name = f"{side}" if side else "chosen"
        work, peak = halo_work(model, plan), readable_size(int(cost["peak"]))
        yield f"| {name} | {work:.2f} | {cost['cpu'] / first:.2f} | {peak} |"


def photo_rows(model: str) -> Iterator[str]:
    """Time and memory against the number of photos."""
    yield "| photos | CPU time a photo, to the first | peak |"
    yield "|---|---|---|"
    first = 0.0
    for photos in PHOTOS:
        cost = cost_of(model, SMALL, photos=photos)
        each = cost["cpu"] / photos
        first = first or each
        yield f"| {photos} | {each / first:.2f} | {readable_size(int(cost['peak']))} |"


@click.command(help=__doc__.splitlines()[0])
@click.argument("model", type=click.Choice(sorted(MODELS)), default="din-dehaze-small")
@click.option("--largest", type=float, default=100.0, show_default=True, help="Megapixels to run.")
@click.option("--table", "tables", type=click.Choice(TABLES), multiple=True, help="All if none.")
@click.option("--write", is_flag=True, help="Put the tables into docs/performance.md.")
def main(model: str, largest: float, tables: tuple[str, ...], write: bool) -> None:
    """Measure and print."""
    rows = {
        "megapixels": lambda: megapixel_rows(model, largest),
        "tiles": lambda: tile_rows(model),
        "photos": lambda: photo_rows(model),
    }
    pictures = {
        "megapixels": "",
        "tiles": ", 1/3 megapixel",
        "photos": f", {SMALL} megapixels each",
    }
    for table in tables or TABLES:
        lines = [f"`{model}`{pictures[table]}:", ""]
        for line in rows[table]():
            print(line, flush=True)
            lines.append(line)
        print()
        if write:
            put_table(table, [*lines, "", machine()])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        serve(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
