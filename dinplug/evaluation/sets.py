"""The benchmark sets: which there are for each task, and how their pictures lie in folders.

A benchmark folder has one folder for each set, below `sr`, `rain`, `haze` and `blur`. Sets for
super-resolution hold clean pictures, which are reduced as MATLAB does; Rain800's test pictures
hold their clean side at the left and their rainy side at the right; the others have a folder for
either side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dinplug.errors import ReadError, UsageError
from dinplug.evaluation.evaluate import load_pair
from dinplug.evaluation.metrics import U8Image
from dinplug.evaluation.pairs import Pair, find_pairs, read_rgb8
from dinplug.specs import Task


@dataclass(frozen=True)
class BenchSet:
    """A set of pictures for a task.

    `folder` is where it lies below the benchmark folder, `clean` and `degraded` are its folders
    of either side: without `degraded`, pictures hold both sides (`is_split`) or are reduced.
    `displaced` says how many pixels a side may lie beside the other: pictures are registered
    before they are scored.
    """

    name: str
    task: Task
    title: str
    folder: str
    clean: str = ""
    degraded: str = ""
    is_split: bool = False
    displaced: int = 0


@dataclass(frozen=True)
class Sample:
    """A picture to restore, (H, W, 3), and what it should become, (scale·H, scale·W, 3)."""

    name: str
    degraded: U8Image
    clean: U8Image


SET5 = BenchSet("set5", Task.SR, "Set5", "", clean="HR")
"""Set5 may lie elsewhere: its folder is named by itself."""

LEVIN = BenchSet("levin", Task.DEBLUR, "Levin (2 photos, 8 kernels)", "blur/levin", "sharp", "blur")
"""Its kernels were measured where they lay: pictures are blurred and moved by up to 4 pixels."""

BENCH_SETS = (
    BenchSet("set14", Task.SR, "Set14", "sr/set14"),
    BenchSet("kodak24", Task.SR, "Kodak (8 of 24)", "sr/kodak24"),
    BenchSet("cc0", Task.SR, "CC0 photos (gb82)", "sr/cc0"),
    BenchSet("rain100h", Task.DERAIN, "Rain100H (18 of 100)", "rain/rain100h", "gt", "in"),
    BenchSet("test100", Task.DERAIN, "Test100 (30 of 100)", "rain/test100", is_split=True),
    BenchSet("ddn_syn", Task.DERAIN, "Rain1400 (one pair)", "rain/ddn_syn", "gt", "in"),
    BenchSet("sots_indoor", Task.DEHAZE, "SOTS indoor", "haze/sots_indoor", "gt", "hazy"),
    BenchSet("revide", Task.DEHAZE, "REVIDE (one pair)", "haze/revide", "gt", "hazy"),
    BenchSet("gopro", Task.DEBLUR, "GoPro style", "blur/gopro", "sharp", "blur"),
    BenchSet("reds", Task.DEBLUR, "REDS (one pair)", "blur/reds", "sharp", "blur"),
    LEVIN,
    replace(LEVIN, name="levin-registered", title=f"{LEVIN.title}, registered", displaced=5),
)
CLEAN_PHOTOS = next(one for one in BENCH_SETS if one.name == "cc0")
"""Photos that nothing is wrong with: every restoration has to leave them alone."""


def sets_at_hand(task: Task, bench: Path, set5: Path | None = None) -> list[tuple[BenchSet, Path]]:
    """The sets for a task with their folders; those that are not there are left out.

    `bench` is the benchmark folder, `set5` a folder that holds Set5's pictures in `HR`.
    Raises UsageError if there is no set at all.
    """
    listed = [(one, bench / one.folder) for one in BENCH_SETS if one.task is task]
    if set5 is not None and task is Task.SR:
        listed.insert(0, (SET5, set5))
    there = [(one, folder) for one, folder in listed if folder.is_dir()]
    if not there:
        raise UsageError(f"{bench} holds no set for {task}, such as {listed[0][0].folder}")
    return there


def read_samples(
    bench_set: BenchSet, folder: Path, scale: int = 1, limit: int | None = None
) -> list[Sample]:
    """Read the first `limit` pictures of a set (all by default), sorted by name.

    `scale` says how many times the pictures of a super-resolution set are reduced.
    Raises ReadError and UsageError for pictures that are damaged or have no partner.
    """
    clean = folder / bench_set.clean
    if bench_set.is_split:
        return [_split(pair) for pair in find_pairs(clean, None, 1)[:limit]]
    degraded = folder / bench_set.degraded if bench_set.degraded else None
    pairs = find_pairs(clean, degraded, scale)[:limit]
    return [Sample(pair.name, *load_pair(pair, scale, enlarged=False)) for pair in pairs]


def read_clean(task: Task, bench: Path, limit: int | None = None) -> list[tuple[str, U8Image]]:
    """The clean sides (name, picture) of a restoration task's sets, each once, and CC0 photos.

    `limit` is how many of a set are read at most.
    """
    pictures = []
    for bench_set, folder in [*sets_at_hand(task, bench), (CLEAN_PHOTOS, _clean_photos(bench))]:
        if bench_set.displaced:
            continue  # the same pictures as of the set that is not registered
        pairs = find_pairs(folder / bench_set.clean, None, 1)[:limit]
        for pair in pairs:
            picture = _split(pair).clean if bench_set.is_split else read_rgb8(pair.clean)
            pictures.append((f"{bench_set.name}/{pair.name}", picture))
    return pictures


def _clean_photos(bench: Path) -> Path:
    folder = bench / CLEAN_PHOTOS.folder
    if not folder.is_dir():
        raise UsageError(f"{bench} holds no {CLEAN_PHOTOS.folder}, the clean photos")
    return folder


def _split(pair: Pair) -> Sample:
    """The sides of a picture that holds both."""
    both = read_rgb8(pair.clean)
    half, odd = divmod(both.shape[1], 2)
    if odd or not half:
        raise ReadError(f"{pair.clean}: is {both.shape[1]} wide, which no two halves share")
    return Sample(pair.name, both[:, half:], both[:, :half])
