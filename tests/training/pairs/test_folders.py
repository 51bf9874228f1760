"""Pairs on disk: cut at one place, turned alike, and refused where they do not fit."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinplug.errors import ReadError, UsageError
from dinplug.training.pairs.folders import FolderPairs, find_folder_pairs
from tests.training.pairs.contract import check_numbering, check_shape_and_range


def pair_on_disk(folder: Path, number: int, scale: int = 2) -> tuple[Path, Path]:
    """A degraded picture whose red counts columns and green rows; each clean pixel repeats its."""
    rows, columns = np.mgrid[0:30, 0:40]
    degraded = np.stack([columns, rows, np.full_like(rows, number)], 2).astype(np.uint8) * 6
    files = folder / f"d{number}.png", folder / f"c{number}.png"
    Image.fromarray(degraded).save(files[0])
    Image.fromarray(degraded.repeat(scale, 0).repeat(scale, 1)).save(files[1])
    return files


@pytest.fixture
def pairs(tmp_path: Path) -> FolderPairs:
    return FolderPairs([pair_on_disk(tmp_path, n) for n in range(3)], 12, 2, 5)


def test_shape_and_range(pairs: FolderPairs) -> None:
    check_shape_and_range(pairs, 12, 24)


def test_numbering(pairs: FolderPairs) -> None:
    check_numbering(lambda seed: FolderPairs(pairs.files, 12, 2, seed))


def test_both_sides_are_cut_and_turned_alike(pairs: FolderPairs) -> None:
    ways, corners = set(), set()
    for number in range(100):
        degraded, clean = pairs.pair(number)
        assert np.array_equal(clean, degraded.repeat(2, 0).repeat(2, 1))
        steps = np.round((degraded[1, 0] - degraded[0, 0])[:2] * 255 / 6)
        ahead = np.round((degraded[0, 1] - degraded[0, 0])[:2] * 255 / 6)
        ways.add((*steps, *ahead))
        corners.add(tuple(np.round(degraded.min((0, 1))[:2] * 255 / 6)))
    assert len(ways) == 8
    # Of 19 x 29 places.
    assert len(corners) > 80
    assert {min(c) for c in zip(*corners, strict=True)} == {0.0}


def test_sizes_that_do_not_fit_are_named(tmp_path: Path) -> None:
    degraded, clean = pair_on_disk(tmp_path, 0)
    with pytest.raises(UsageError, match=r"c0\.png is not 3 times as large as .*d0\.png"):
        FolderPairs([(degraded, clean)], 12, 3, 5).pair(0)
    with pytest.raises(UsageError, match=r"d0\.png is smaller than a crop of 31 pixels"):
        FolderPairs([(degraded, clean)], 31, 2, 5).pair(0)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    degraded, clean = pair_on_disk(tmp_path, 0)
    clean.write_bytes(b"no picture")
    with pytest.raises(ReadError, match=r"c0\.png"):
        FolderPairs([(degraded, clean)], 12, 2, 5).pair(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the two folders of paired data, empty."""
    (tmp_path / "degraded").mkdir()
    (tmp_path / "clean").mkdir()
    return tmp_path


def test_pairs_are_found_by_name_whatever_the_suffix(folder: Path) -> None:
    for name in ("degraded/b.jpg", "degraded/a.png", "clean/a.tif", "clean/b.jpg", "clean/c.png"):
        (folder / name).touch()
    degraded, clean = folder / "degraded", folder / "clean"
    assert find_folder_pairs(folder) == [
        (degraded / "a.png", clean / "a.tif"),
        (degraded / "b.jpg", clean / "b.jpg"),
    ]


@pytest.mark.parametrize("missing", ["degraded", "clean"])
def test_a_missing_folder_is_named(folder: Path, missing: str) -> None:
    (folder / missing).rmdir()
    with pytest.raises(UsageError, match="needs the folders degraded/ and clean/"):
        find_folder_pairs(folder)


def test_a_picture_without_its_clean_one_is_named(folder: Path) -> None:
    (folder / "degraded" / "a.png").touch()
    with pytest.raises(UsageError, match=r"a\.png has no clean picture"):
        find_folder_pairs(folder)


def test_empty_folders_are_named(folder: Path) -> None:
    with pytest.raises(UsageError, match="no pictures in"):
        find_folder_pairs(folder)
