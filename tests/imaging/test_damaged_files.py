"""Whatever a file holds, reading it gives a photo or one line that names it; nothing else."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dinplug.errors import ReadError
from dinplug.imaging import read_photo
from tests.test_imports import ROOT

LARGEST = 1_500_000
"""Bytes; larger files only take longer."""
HEAD = 512
"""Bytes at the start, where most of what a decoder believes in is; six of ten changes go there."""
NUMBERS = (
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0" * 4,
    b"\0\0\1\0",
    b"\0\0\0\x80",
)
"""Sizes and offsets that are too large, negative or nothing, in both byte orders."""


def sources(shared: Path) -> list[Path]:
    """The odd files of all kinds, and the example photos."""
    odd = (path for path in (shared / "data" / "files").rglob("*") if path.is_file())
    small = [path for path in odd if path.stat().st_size <= LARGEST]
    return sorted(small) + sorted((ROOT / "examples" / "photos").iterdir())


def flip(rng: random.Random, data: bytearray, at: int) -> None:
    data[at] ^= 1 << rng.randrange(8)


def put_number(rng: random.Random, data: bytearray, at: int) -> None:
    data[at : at + 4] = rng.choice(NUMBERS)[: len(data) - at]


def cut_off(rng: random.Random, data: bytearray, at: int) -> None:
    del data[at:]


def take_out(rng: random.Random, data: bytearray, at: int) -> None:
    del data[at : at + rng.randrange(1, 64)]


def repeat(rng: random.Random, data: bytearray, at: int) -> None:
    other = rng.randrange(len(data))
    data[at:at] = data[other : other + rng.randrange(1, 64)]


CHANGES: tuple[Callable[[random.Random, bytearray, int], None], ...] = (
    flip, put_number, cut_off, take_out, repeat,
)  # fmt: skip


def damaged(rng: random.Random, content: bytes) -> bytes:
    """The content with 1 to 16 changes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        reach = min(len(data), HEAD) if rng.random() < 0.6 else len(data)
        rng.choice(CHANGES)(rng, data, rng.randrange(reach))
    return bytes(data)


@pytest.mark.parametrize(
    ("seed", "files"), [(1, 200), pytest.param(2, 4000, marks=pytest.mark.slow)]
)
def test_damaged_files_cost_only_themselves(
    shared: Path, tmp_path: Path, seed: int, files: int
) -> None:
    rng = random.Random(seed)
    contents = {path: path.read_bytes() for path in sources(shared)}
    refused = 0
    for number in range(files):
        source = rng.choice(list(contents))
        path = tmp_path / f"{number}{source.suffix}"
        path.write_bytes(damaged(rng, contents[source]))
        try:
            photo = read_photo(path)
        except ReadError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
        else:
            assert photo.rgb.ndim == 3 and np.isfinite(photo.rgb).all()
        path.unlink()
    assert files / 10 < refused < files  # some damage shows, some does not
