"""Folders of photos: licence classes, the held-out split, windows."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinplug.errors import ReadError, UsageError
from dinplug.training.photos import list_photos, random_window, split_held_out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "images"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a_1", "a_2", "b_1"):
        Image.fromarray(rng.integers(0, 255, (50, 70, 3), np.uint8)).save(photos / f"{name}.png")
    (photos / "notes.txt").write_text("no photo")
    (tmp_path / "manifest.csv").write_text(
        "file,class\na_1.png,A\na_2.png,D\nb_1.png,B\n", encoding="utf-8"
    )
    return photos


def test_only_the_wanted_licence_classes_are_listed(folder: Path) -> None:
    assert [f.name for f in list_photos(folder, ("A", "B"))] == ["a_1.png", "b_1.png"]
    assert [f.name for f in list_photos(folder, ())] == ["a_1.png", "a_2.png", "b_1.png"]


def test_classes_need_a_manifest(folder: Path) -> None:
    (folder.parent / "manifest.csv").unlink()
    with pytest.raises(UsageError, match=r"manifest\.csv"):
        list_photos(folder, ("A",))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no photos"):
        list_photos(tmp_path, ())


def test_all_cuts_of_a_photo_are_on_one_side() -> None:
    files = [Path(f"set_{n:03d}_{cut}.jpg") for n in range(300) for cut in ("v", "c1")]
    training, held_out = split_held_out(files)
    assert sorted(training + held_out) == sorted(files)
    stems = [{f.stem[:7] for f in side} for side in (training, held_out)]
    assert not stems[0] & stems[1]
    # 300 photos at one in sixteen: 19 expected, four standard deviations are 17.
    assert 2 <= len(stems[1]) <= 36


def test_windows_have_the_asked_size_and_range(folder: Path) -> None:
    for seed in range(5):
        window = random_window(np.random.default_rng(seed), folder / "a_1.png", 32)
        assert window.shape == (32, 32, 3)
        assert window.dtype == np.float32
        assert 0 <= window.min() < window.max() <= 1


def test_photos_smaller_than_a_window_are_enlarged(folder: Path) -> None:
    assert random_window(np.random.default_rng(0), folder / "a_1.png", 96).shape == (96, 96, 3)


def test_a_broken_photo_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo at all")
    with pytest.raises(ReadError, match=r"broken\.jpg"):
        random_window(np.random.default_rng(0), broken, 32)
