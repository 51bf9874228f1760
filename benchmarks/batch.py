"""Measure what a batch costs over the network itself, beside a plain loop and per-file scripts.

    python benchmarks/batch.py [--task dehaze] [--photos 6] [--width 1200] [--height 800]
                               [--repeats 3] [--jobs 2]

network   the network alone, on pixels that are in memory
loop      a plain loop in one process: read, restore, write, with nothing at once and no journal
batch     `dinplug batch`
jobs      `dinplug batch --jobs N`
scripts   a process for each photo, as scripts around a single-photo program do

Each way runs in processes of its own, in turn, `--repeats` times. CPU seconds are those of a
process and its children, without the start (what a run without photos takes), except for
`scripts`, which start once a photo: there the start counts. Medians, a photo; wall seconds
include the start and depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from dinplug.batch.wishes import Wishes
from dinplug.imaging import WriteOptions, read_photo, write_photo

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "photos" / "ridges.png"
WAYS = ("network", "loop", "batch", "jobs", "scripts")


def make_photos(folder: Path, count: int, width: int, height: int) -> None:
    """Write `count` JPEGs of that size, cut from an example photo that repeats itself."""
    example = np.asarray(Image.open(EXAMPLE).convert("RGB"))
    picture = np.tile(example, (-(-height // example.shape[0]), -(-width // example.shape[1]), 1))
    folder.mkdir()
    for number in range(count):
        moved = np.roll(picture, 37 * number, axis=1)[:height, :width]
        Image.fromarray(moved).save(folder / f"{number:03}.jpg", quality=92)


def spent() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def inside(way: str, task: str, folder: Path, out: Path) -> dict[str, float]:
    """Do `network` or `loop` in this process, and return their cost without the start."""
    wishes = Wishes(task=task, device="cpu")
    restorer = wishes.restorer(wishes.load())
    paths = sorted(folder.iterdir())
    photos = [read_photo(path) for path in paths] if way == "network" else []
    restorer.restore_pixels(np.zeros((64, 64, 3), np.float32))
    started, before = time.perf_counter(), spent()
    for photo in photos:
        restorer.restore_pixels(photo.rgb)
    for path in paths if way == "loop" else []:
        write_photo(restorer.restore_photo(read_photo(path)), out / path.name, WriteOptions())
    return {"wall": time.perf_counter() - started, "cpu": spent() - before}


def outside(command: list[str]) -> dict[str, float]:
    """Run a command to its end, and return its cost."""
    started, before = time.perf_counter(), spent()
    subprocess.run(command, check=True, capture_output=True)
    return {"wall": time.perf_counter() - started, "cpu": spent() - before}


def dinplug(*words: str | Path) -> dict[str, float]:
    """Run the command line."""
    return outside([sys.executable, "-m", "dinplug", *map(str, words), "--device", "cpu"])


def measure(way: str, arguments: argparse.Namespace, folder: Path, place: Path) -> dict[str, float]:
    """The cost of one way over all photos."""
    task, out = ("--task", arguments.task), place / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    if way in ("network", "loop"):
        command = [sys.executable, __file__, "--inside", way, arguments.task, str(folder), str(out)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        cost: dict[str, float] = json.loads(said)
        return cost
    if way == "scripts":
        costs = [dinplug("restore", *task, path, out / path.name) for path in folder.iterdir()]
        return {key: sum(cost[key] for cost in costs) for key in ("wall", "cpu")}
    jobs = ("--jobs", str(arguments.jobs)) if way == "jobs" else ()
    whole = dinplug("batch", *task, folder, "--out", out, *jobs)
    if way == "batch":
        # The same command again does all but restoring: that is the start.
        start = dinplug("batch", *task, folder, "--out", out)
        whole["cpu"] -= start["cpu"]
    return whole


def main() -> None:
    """Measure all ways and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task", default="dehaze")
    parser.add_argument("--photos", type=int, default=6)
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=800)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--inside", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        way, task, folder, out = arguments.inside
        print(json.dumps(inside(way, task, Path(folder), Path(out))))
        return
    costs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "photos")
        make_photos(folder, arguments.photos, arguments.width, arguments.height)
        for _ in range(arguments.repeats):
            for way in WAYS:
                costs[way].append(measure(way, arguments, folder, Path(place)))
    print(f"{os.cpu_count()} cores, {arguments.photos} photos, medians of {arguments.repeats}")
    network = statistics.median(cost["cpu"] for cost in costs["network"])
    for way in WAYS:
        cpu = statistics.median(cost["cpu"] for cost in costs[way])
        wall = statistics.median(cost["wall"] for cost in costs[way])
        print(
            f"{way:8} cpu {cpu / arguments.photos:7.2f} s a photo, {cpu / network:5.2f} of the "
            f"network's; wall {wall / arguments.photos:7.2f} s a photo"
        )


if __name__ == "__main__":
    main()
