"""Measure how long a host waits for its first result from the worker: cold, prepared, warm, kept.

    python benchmarks/worker.py [--width 768] [--height 512] [--task dehaze] [--repeats 3]

cold      the worker is started by the click that asks for the result
prepared  it was started when the dialog opened, and asked to describe the model
warm      a second picture
strength  another strength of the same picture
part      a part of the same picture
Times are medians in seconds, and in ratio to the warm one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import dinplug
from dinplug.hosts.client import Client
from dinplug.hosts.launch import MODULE, Launch
from dinplug.hosts.pixels import PixelShape

ROOT = Path(__file__).resolve().parents[1]
LAUNCH = Launch((sys.executable, "-m", MODULE), {"PYTHONPATH": str(ROOT)})


class Clock:
    """Collects the seconds of each kind of wait."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def timing(self, kind: str) -> Iterator[None]:
        """Add the seconds of the block to `kind`."""
        started = time.perf_counter()
        yield
        self.seconds.setdefault(kind, []).append(time.perf_counter() - started)


class Host:
    """Does what a plugin does, with a made-up 16-bit layer."""

    def __init__(self, width: int, height: int, task: str) -> None:
        self.shape = PixelShape(width, height, 4, "uint16")
        samples = np.random.default_rng(0).integers(0, 65536, (height, width, 4), dtype=np.uint16)
        samples[..., 3] = 65535
        self.samples = samples.tobytes()
        self.task = task

    def start(self) -> Client:
        """Start a worker."""
        return Client(LAUNCH, "benchmark", dinplug.__version__)

    def open(self, client: Client) -> int:
        """Hand the layer over."""
        number = client.call("open", **client.put_pixels(self.shape, self.samples))["picture"]
        assert isinstance(number, int)
        return number

    def restore(self, client: Client, picture: int, strength: float = 1.0, **more: Any) -> None:
        """Ask for the result and take it."""
        result = client.call(
            "preview", picture=picture, task=self.task, parameters={"strength": strength}, **more
        )
        with client.take_pixels(result) as pixels:
            assert len(pixels)


def measure(host: Host, clock: Clock) -> None:
    """Wait once for everything."""
    with clock.timing("cold"):
        client = host.start()
        host.restore(client, host.open(client))
    client.close()
    with clock.timing("  start-up that the dialog hides"):
        client = host.start()
        client.call("describe", task=host.task, parameters={})
    with clock.timing("prepared"):
        host.restore(client, host.open(client))
    with clock.timing("warm"):
        picture = host.open(client)
        host.restore(client, picture)
    with clock.timing("strength"):
        host.restore(client, picture, strength=0.5)
    with clock.timing("part"):
        host.restore(client, picture, strength=0.5, region=[0, 0, 200, 150])
    client.close()


def main() -> None:
    """Parse the arguments, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--height", type=int, default=512)
    parser.add_argument("--task", default="dehaze")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    host, clock = Host(arguments.width, arguments.height, arguments.task), Clock()
    for _ in range(arguments.repeats):
        measure(host, clock)
    medians = {kind: statistics.median(seconds) for kind, seconds in clock.seconds.items()}
    for kind, seconds in medians.items():
        print(f"{kind:32} {seconds:8.3f} s  {seconds / medians['warm']:7.2f}")


if __name__ == "__main__":
    main()
