"""The pictures of a report show the photo and its result, and nothing besides."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinplug.batch.report import pictures
from dinplug.batch.report.index import INDEX_NAME
from dinplug.batch.report.pictures import Pictures, key_of, make_pictures, read_index
from dinplug.errors import ReadError


def smooth(width: int, height: int) -> np.ndarray:
    """A picture that JPEG keeps well: ramps, without noise."""
    across, down = np.meshgrid(np.linspace(30, 220, width), np.linspace(30, 220, height))
    return np.stack([across, down, (across + down) / 2], axis=2).astype(np.uint8)


def saved(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def opened(folder: Path, made: Pictures, view: str) -> np.ndarray:
    with Image.open(folder / f"{made.key}-{view}.jpg") as picture:
        assert picture.format == "JPEG" and picture.mode == "RGB"
        return np.asarray(picture).astype(int)


def test_a_small_photo_is_kept_whole(tmp_path: Path) -> None:
    pixels = smooth(300, 200)
    source, target = saved(tmp_path / "a.png", pixels), saved(tmp_path / "b.png", 255 - pixels)
    made = make_pictures(source, target, tmp_path)
    assert made.crop is None and made.before == made.after == (300, 200)
    assert np.abs(opened(tmp_path, made, "before") - pixels).max() <= 4
    assert np.abs(opened(tmp_path, made, "after") - (255 - pixels)).max() <= 4
    thumbnail = opened(tmp_path, made, "thumb")
    assert np.abs(thumbnail[:, :145] - pixels[:, :145]).mean() < 3
    assert np.abs(thumbnail[:, 155:] - (255 - pixels)[:, 155:]).mean() < 3
    difference = np.abs(pixels.astype(int) - (255 - pixels)).mean()
    assert made.change == pytest.approx(difference, abs=0.01)


def test_of_a_large_photo_the_part_that_changed_most_is_kept_at_100_percent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result twice as large: both crops show the same place, each in its own pixels."""
    monkeypatch.setattr(pictures, "WHOLE_PIXELS", 100_000)
    monkeypatch.setattr(pictures, "PREVIEW_SIDE", 120)
    monkeypatch.setattr(pictures, "CROP_SIDE", 100)
    pixels = smooth(300, 200)
    large = pixels.repeat(2, axis=0).repeat(2, axis=1)
    large[260:340, 450:530] = (250, 10, 10)
    source, target = saved(tmp_path / "a.png", pixels), saved(tmp_path / "b.png", large)
    made = make_pictures(source, target, tmp_path)
    assert made.crop is not None
    x, y, width, height = made.crop
    assert (width, height) == (100, 100) and x % 2 == y % 2 == 0
    assert x <= 450 and x + width >= 530 and y <= 260 and y + height >= 340
    before, after = opened(tmp_path, made, "before-100"), opened(tmp_path, made, "after-100")
    assert before.shape == (50, 50, 3) and after.shape == (100, 100, 3)
    expected = pixels[y // 2 : y // 2 + 50, x // 2 : x // 2 + 50]
    assert np.abs(before - expected).max() <= 4
    assert np.abs(after - large[y : y + 100, x : x + 100]).mean() < 4
    assert opened(tmp_path, made, "after").shape == (80, 120, 3)
    assert len(made.names()) == len(list(tmp_path.glob("*.jpg"))) == 5


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (3, 500)])
def test_odd_sizes_of_large_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(pictures, "WHOLE_PIXELS", 0)
    source = saved(tmp_path / "a.png", np.full((size[1], size[0], 3), 9, np.uint8))
    target = saved(tmp_path / "b.png", np.full((3 * size[1], 3 * size[0], 3), 9, np.uint8))
    made = make_pictures(source, target, tmp_path)
    assert made.crop is not None
    x, y, width, height = made.crop
    assert x + width <= 3 * size[0] and y + height <= 3 * size[1]
    assert opened(tmp_path, made, "after-100").shape == (height, width, 3)


def test_pictures_are_srgb_and_tell_nothing_else(tmp_path: Path) -> None:
    about = Image.Exif()
    about[0x010E] = "private description"
    Image.fromarray(smooth(60, 40)).save(tmp_path / "a.jpg", exif=about)
    made = make_pictures(tmp_path / "a.jpg", tmp_path / "a.jpg", tmp_path)
    for name in made.names():
        with Image.open(tmp_path / name) as picture:
            assert (
                not picture.getexif()
                and b"sRGB".decode().encode("utf-16-be") in (picture.info["icc_profile"])
            )
        assert b"private" not in (tmp_path / name).read_bytes()


def test_a_changed_file_gets_new_pictures(tmp_path: Path) -> None:
    source, target = (
        saved(tmp_path / "a.png", smooth(9, 9)),
        saved(tmp_path / "b.png", smooth(9, 9)),
    )
    key = key_of(source, target)
    assert key_of(source, target) == key
    os.utime(target, ns=(0, target.stat().st_mtime_ns + 1))
    assert key_of(source, target) != key


def test_the_index_knows_pictures_that_are_there(tmp_path: Path) -> None:
    made = [
        make_pictures(
            saved(tmp_path / f"{n}.png", smooth(9 + n, 9)), tmp_path / f"{n}.png", tmp_path
        )
        for n in range(3)
    ]
    (tmp_path / made[1].names()[0]).unlink()
    with (tmp_path / INDEX_NAME).open("ab") as index:
        index.write(b'\n{"key": "torn')
    known = read_index(tmp_path)
    assert set(known) == {made[0].key, made[2].key}
    assert json.dumps(known[made[0].key].after) == json.dumps(made[0].after)
    assert read_index(tmp_path / "nowhere") == {}


def test_what_cannot_be_read_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.png", smooth(9, 9))
    (tmp_path / "b.png").write_bytes(source.read_bytes()[:40])
    with pytest.raises(ReadError):
        make_pictures(source, tmp_path / "b.png", tmp_path)
    assert not list(tmp_path.glob("*.jpg"))
