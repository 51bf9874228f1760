"""Measure the peak of memory of restoring a large photo, beside the predicted one.

    python benchmarks/memory.py [--megapixels 24] [--budget 1024]

A made-up 16-bit TIFF is read, dehazed and written, each time in a process of its own: free, and
with a budget in MiB. The peak of the resident set is counted from what the process held after
restoring a small photo.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile

from dinplug.checkpoints import load_model
from dinplug.imaging import read_photo, write_photo
from dinplug.inference.plan import ExecutionPlan, readable_size
from dinplug.restoration import RestoreOptions, Restorer

SLOPE, FLOOR = (0.5, 0.45, 0.4), (0.3, 0.35, 0.4)
"""How bright each colour of the made-up photo gets, and how bright it is at least."""


def make_photo(path: Path, megapixels: float) -> None:
    """Write a smooth, slightly noisy 16-bit RGB picture of 3:2."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    y, x = np.mgrid[0:height, 0 : round(1.5 * height)].astype(np.float32)
    base = (np.sin(x / 300) + np.cos(y / 200) + 2) / 4
    noise = np.random.default_rng(0).normal(0, 0.01, (*base.shape, 3)).astype(np.float32)
    picture = base[..., None] * np.array(SLOPE, np.float32) + np.array(FLOOR, np.float32) + noise
    samples = (picture.clip(0, 1) * 65535).astype(np.uint16)
    tifffile.imwrite(path, samples, photometric="rgb", compression="deflate")


def peak_memory() -> int:
    """The largest resident set of this process so far, in bytes (Linux).

    Not from getrusage, whose peak counts what the parent held when it started this process.
    """
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def measure(source: Path, budget: int) -> None:
    """Restore `source` once, with `budget` bytes (0: free), and print the figures."""
    restorer = Restorer(load_model(task="dehaze"), RestoreOptions(max_memory=budget or None))
    restorer.restore_pixels(np.full((64, 64, 3), 0.5, np.float32))
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    photo = read_photo(source)
    plan = restorer.plan(photo.width, photo.height)
    assert isinstance(plan, ExecutionPlan)  # on a CPU
    photo = restorer.restore_photo(photo)
    write_photo(photo, source.with_name(f"restored-{budget}.tif"))
    seconds = time.perf_counter() - started
    peak = peak_memory() - before
    wish = f"budget {readable_size(budget)}" if budget else "free"
    print(
        f"{wish:16} predicted {readable_size(plan.peak_bytes)}, measured {readable_size(peak)}, "
        f"scratch {readable_size(plan.scratch_bytes)}, {seconds:.1f} s"
    )


def main() -> None:
    """Parse the arguments and measure."""
    if sys.argv[1:2] == ["--one"]:
        measure(Path(sys.argv[2]), int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=24)
    parser.add_argument("--budget", type=int, default=1024)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "photo.tif"
        make_photo(source, arguments.megapixels)
        for budget in (0, arguments.budget << 20):
            subprocess.run(
                [sys.executable, __file__, "--one", str(source), str(budget)], check=True
            )
        results = [path.read_bytes() for path in sorted(Path(folder).glob("restored-*.tif"))]
        # Provenance does not name the budget: it decides no pixels.
        print("same bytes" if results[0] == results[1] else "DIFFERENT BYTES")


if __name__ == "__main__":
    main()
