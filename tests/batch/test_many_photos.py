"""2,000 photos in one run: memory and open files stay flat, journal and report stay quick.

Quick is told without a clock: what a run reads and writes grows with the photos and not with their
square, and a second run opens none of them again.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from dinplug.batch.journal import JOURNAL_NAME

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts of Linux"),
]
ROOT = Path(__file__).parents[2]
PHOTOS, WIDTH, HEIGHT = 2000, 128, 96
WARM = PHOTOS // 4
"""Photos after which libraries are loaded, and heaps and caches have their size."""
AT_ONCE = 8
"""Files open at once for a photo: its own, its result's, their folders, the journal, pipes."""


@dataclass(frozen=True)
class Sample:
    """A run, with its worker processes, after `done` photos."""

    done: int
    memory: int
    files: int


@dataclass(frozen=True)
class Measured:
    """A run that is over: samples, and the bytes it asked the system to read and to write."""

    samples: list[Sample]
    read: int
    written: int
    seconds: list[float]
    lasted: float


def measured(*arguments: str | Path, tiny_data_home: Path) -> Measured:
    """Run `dinplug batch`, and look at it after every tenth photo."""
    command = [sys.executable, "-m", "dinplug", "batch", "--model", "tiny-derain", "--json"]
    samples, seconds, read, written = [], [], 0, 0
    began = time.monotonic()
    with subprocess.Popen(
        [*command, "--device", "cpu", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "DINPLUG_DATA_HOME": str(tiny_data_home)},
    ) as run:
        process = psutil.Process(run.pid)
        assert run.stdout is not None
        for line in run.stdout:
            event = json.loads(line)
            assert event["event"] != "photo-failed", line
            if event["event"] == "photo-done":
                seconds.append(event["seconds"])
                if len(seconds) % 10 == 0:
                    family = [process, *process.children(recursive=True)]
                    memory = sum(member.memory_info().rss for member in family)
                    files = sum(member.num_fds() for member in family)
                    samples.append(Sample(len(seconds), memory, files))
            if event["event"] == "run-finished":
                counts = process.io_counters()
                read, written = counts.read_chars, counts.write_chars
    assert run.returncode == 0
    return Measured(samples, read, written, seconds, time.monotonic() - began)


def size_of(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 photos, no two alike, in ten folders."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(1)
    for number in range(PHOTOS):
        pixels = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        place = folder / f"{number % 10}"
        place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:04d}.jpg", quality=80)
    return folder


@pytest.mark.parametrize("kind", ["alone", "report", "jobs"])
def test_2000_photos(kind: str, photos: Path, tiny_data_home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    more = {
        "alone": (),
        "report": ("--report", tmp_path / "report.html"),
        "jobs": ("--jobs", "2"),
    }[kind]
    first = measured(photos, "--out", out, *more, tiny_data_home=tiny_data_home)
    assert len(first.seconds) == PHOTOS
    warm = [sample for sample in first.samples if sample.done >= WARM]
    slope = np.polyfit([s.done for s in warm], [s.memory for s in warm], 1)[0]
    growth = float(slope) * PHOTOS
    early, late = (np.median(part) for part in (first.seconds[:500], first.seconds[-500:]))
    sys.stdout.write(
        f"{kind}: {warm[0].memory >> 20} MiB, growth {growth / 2**20:.1f} MiB over {PHOTOS} photos,"
        f" files {warm[0].files} to {warm[-1].files}, read {first.read >> 20} MiB, written"
        f" {first.written >> 20} MiB of {size_of(tmp_path) >> 20}, {first.lasted:.0f} s, a photo"
        f" {early:.3f} s at first, {late:.3f} s at last\n"
    )
    # A run keeps some KiB for each photo, its names, its line of the journal, its events. Even one
    # that kept no more than the compressed file of each would grow by all of them.
    assert growth < size_of(photos) / 2
    half = len(warm) // 2
    most_at_first, most_at_last = (
        max(sample.files for sample in part) for part in (warm[:half], warm[half:])
    )
    # A sample may meet files that are just being read or written; one kept for every photo would
    # come to hundreds.
    assert most_at_last <= most_at_first + AT_ONCE
    assert len((out / JOURNAL_NAME).read_bytes().splitlines()) == 2 * PHOTOS
    # A journal or a report written anew for each photo would come to gigabytes.
    assert first.written < 3 * size_of(tmp_path)

    again = measured(photos, "--out", out, *more, tiny_data_home=tiny_data_home)
    assert again.seconds == []
    assert first.read - again.read > size_of(photos)
    sys.stdout.write(f"again: read {again.read >> 20} MiB, {again.lasted:.0f} s\n")
