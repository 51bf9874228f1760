"""The example photos in the project are what the script renders."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image

F32 = NDArray[np.float32]

ROOT = Path(__file__).resolve().parents[3]
PHOTOS = ROOT / "examples" / "photos"
NAMES = ("valley", "lake", "ridges")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "render_examples", ROOT / "scripts" / "render_examples.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while they are made.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def stored(name: str) -> F32:
    """The photo as RGB (H, W, 3) in 0..1."""
    if name == "valley":
        return np.asarray(tifffile.imread(PHOTOS / "valley.tif") / 65535, np.float32)
    (file,) = PHOTOS.glob(f"{name}.*")
    with Image.open(file) as photo:
        return np.asarray(np.asarray(photo.convert("RGB")) / 255, np.float32)


def blocks(picture: F32, rows: int, columns: int) -> F32:
    """Means over a grid of blocks, (rows, columns, 3)."""
    height, width = picture.shape[0] // rows * rows, picture.shape[1] // columns * columns
    cut = picture[:height, :width]
    grid = cut.reshape(rows, height // rows, columns, width // columns, 3)
    return np.asarray(grid.mean((1, 3)), np.float32)


def test_rendering_is_deterministic(script: ModuleType) -> None:
    one, two = (script.render(script.EXAMPLES[0], 24, 1) for _ in range(2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


@pytest.mark.parametrize("name", NAMES)
def test_photos_are_what_the_script_renders(script: ModuleType, name: str) -> None:
    (example,) = [e for e in script.EXAMPLES if e.name == name]
    hazy, clean = script.render(example, 90, 1)
    here, there = blocks(hazy, 6, 9), blocks(stored(name), 6, 9)
    # A block of the small picture is the mean of 100 samples. Pixels of the photos differ by
    # about 0.15 inside a block, so that mean is off by 0.015, its absolute value by 0.012.
    assert np.abs(here - there).mean() < 0.015
    # The clean picture is another one by far more than that.
    assert np.abs(blocks(clean, 6, 9) - there).mean() > 0.06


@pytest.mark.slow
def test_a_photo_re_rendered_in_full_is_the_same(script: ModuleType) -> None:
    (example,) = [e for e in script.EXAMPLES if e.name == "ridges"]
    hazy, _ = script.render(example, example.width)
    difference = np.abs(np.round(hazy * 255) - np.round(stored("ridges") * 255))
    # Processors round sines and powers differently in the last place; where that moves a ray from
    # one tree to the next a pixel changes, and nowhere else.
    assert (difference > 1).mean() < 1e-3


def test_the_folder_holds_the_three_photos_and_is_small() -> None:
    files = sorted(f.name for f in PHOTOS.iterdir())
    assert files == ["lake.jpg", "ridges.png", "valley.tif"]
    assert sum((PHOTOS / name).stat().st_size for name in files) < 4_000_000


def test_the_tiff_has_16_bits_and_a_profile(script: ModuleType) -> None:
    with tifffile.TiffFile(PHOTOS / "valley.tif") as tiff:
        page = tiff.pages.first
        assert page.dtype == np.uint16
        assert page.shape == (600, 900, 3)
        assert page.tags["InterColorProfile"].value == script.srgb_profile()
    # More levels than 8 bits could hold.
    assert len(np.unique(tifffile.imread(PHOTOS / "valley.tif"))) > 256


def test_the_jpeg_says_which_camera_took_it() -> None:
    with Image.open(PHOTOS / "lake.jpg") as photo:
        exif = photo.getexif()
        assert exif[ExifTags.Base.Model] == "dinplug renderer"
        shot = exif.get_ifd(ExifTags.IFD.Exif)
        assert shot[ExifTags.Base.DateTimeOriginal] == "2024:10:12 09:05:00"
        assert float(shot[ExifTags.Base.ExposureTime]) == pytest.approx(1 / 250)
