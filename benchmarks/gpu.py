"""Measure everything that is claimed of the GPU, in under ten minutes, and print one table.

    python benchmarks/gpu.py [--dry-run]

Kernels against the bandwidth of a copy, eager torch and torch.compile; whole networks against the
released way of running them; their half precision against float32; a photo from file to file; peak
memory within budgets. `--dry-run` does everything once at tiny sizes on the CPU, where no figure
means anything.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gpu_kernels import dense_rows, kernel_rows, limits, sweep_rows
from benchmarks.gpu_meter import TINY, Meter, Row, Sizes, heading
from benchmarks.gpu_networks import network_rows, photo_rows, precision_rows


def rows(meter: Meter, sizes: Sizes) -> Iterator[Row]:
    """Every line of the table, as it is measured."""
    bandwidth, rate = limits(meter, sizes)
    yield Row("copy bandwidth", bandwidth / 1e12, "TB/s")
    yield Row("matrix products", rate / 1e12, "TFLOP/s")
    yield from kernel_rows(meter, sizes, bandwidth)
    yield from sweep_rows(meter, sizes, bandwidth)
    yield from dense_rows(meter, sizes)
    yield from network_rows(meter, sizes, rate)
    yield from precision_rows(meter, sizes)
    yield from photo_rows(meter, sizes)


def main() -> None:
    """Parse the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU")
    arguments = parser.parse_args()
    if not arguments.dry_run and not torch.cuda.is_available():
        parser.exit(3, "gpu.py: no CUDA device here; --dry-run tries everything out without one\n")
    torch.backends.cudnn.benchmark = True
    meter = Meter(is_dry=arguments.dry_run)
    print(heading(meter), flush=True)
    for row in rows(meter, TINY if meter.is_dry else Sizes()):
        print(row, flush=True)


if __name__ == "__main__":
    main()
