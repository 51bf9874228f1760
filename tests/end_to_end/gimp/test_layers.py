"""Selections, masks, groups, filters: what is restored, what it looks like, and where it goes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.end_to_end.gimp.conftest import Gimp, stored
from tests.end_to_end.gimp.test_pixels import SIZE, Photo, restored_file

pytestmark = [pytest.mark.hosts]

PHOTO = Photo("dehaze", "U16_NON_LINEAR")
X, Y, WIDTH, HEIGHT = RECTANGLE = (12, 9, 20, 16)
OFFSETS = (-7, 5)
NAME = "Dehaze (din-dehaze-small)"


@pytest.fixture(scope="module")
def samples() -> NDArray[Any]:
    return PHOTO.samples


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> NDArray[Any]:
    """The photo after `dinplug restore`."""
    return restored_file(PHOTO, tmp_path_factory.mktemp("restored"))


@pytest.fixture(scope="module")
def mask_values() -> NDArray[Any]:
    """A mask (H, W) from clear to opaque."""
    ramp = np.linspace(0, 65535, SIZE[0] * SIZE[1]).round()
    return ramp.astype(np.uint16).reshape(SIZE[::-1])


@pytest.fixture(scope="module")
def made(gimp: Gimp, samples: NDArray[Any], mask_values: NDArray[Any]) -> tuple[Any, Path]:
    """What became of the photo in each situation, and the folder with the pixels."""
    folder = gimp.new_folder()
    (folder / "photo.samples").write_bytes(samples.tobytes())
    (folder / "ramp.mask").write_bytes(mask_values.tobytes())
    orders = {
        "photo": {
            "precision": PHOTO.precision, "channels": 3, "size": SIZE, "samples": "photo.samples",
        },
        "rectangle": RECTANGLE,
        "offsets": OFFSETS,
        "mask": "ramp.mask",
    }  # fmt: skip
    report = gimp.batch("restore_layers", folder, orders)
    for name, entry in report.items():
        assert entry["status"] == "GIMP_PDB_SUCCESS", (name, entry["message"])
    return report, folder


def mask_of(folder: Path, name: str, size: list[int]) -> NDArray[Any]:
    """The mask (H, W) of a result."""
    return np.fromfile(folder / f"{name}.mask", np.uint16).reshape(size[::-1])


def seen(folder: Path, name: str) -> NDArray[Any]:
    """All that is seen of the image (H, W, channels)."""
    pixels = np.fromfile(folder / f"{name}.seen", np.uint16)
    return pixels.reshape(SIZE[1], SIZE[0], -1)


def test_a_hard_selection_changes_what_is_in_it_and_nothing_else(
    made: tuple[Any, Path], samples: NDArray[Any], whole: NDArray[Any]
) -> None:
    report, folder = made
    result = report["hard_selection"]["result"]
    assert result["offsets"] == [X, Y] and result["size"] == [WIDTH, HEIGHT]
    found = stored(folder / "hard_selection.pixels", samples, result["size"])
    # What is around the selection is seen by the network as well.
    assert np.array_equal(found, whole[Y : Y + HEIGHT, X : X + WIDTH])
    assert (mask_of(folder, "hard_selection", result["size"]) == 65535).all()
    expected = samples.copy()
    expected[Y : Y + HEIGHT, X : X + WIDTH] = whole[Y : Y + HEIGHT, X : X + WIDTH]
    looks = seen(folder, "hard_selection")[..., :3]
    # GIMP blends layers in linear light, as floats.
    assert np.abs(looks.astype(int) - expected.astype(int)).max() <= 1
    assert report["hard_selection"]["selected"] == [NAME]
    assert all(layer["visible"] for layer in report["hard_selection"]["layers"])


def test_a_soft_selection_becomes_the_mask(
    made: tuple[Any, Path], samples: NDArray[Any], whole: NDArray[Any]
) -> None:
    report, folder = made
    result = report["soft_selection"]["result"]
    x, y = result["offsets"]
    w, h = result["size"]
    found = stored(folder / "soft_selection.pixels", samples, result["size"])
    assert np.array_equal(found, whole[y : y + h, x : x + w])
    selection = np.fromfile(folder / "soft_selection.selection", np.uint16).reshape(SIZE[::-1])
    assert 0 < selection[selection > 0].min() < selection.max()
    inside = selection[y : y + h, x : x + w]
    assert np.array_equal(mask_of(folder, "soft_selection", result["size"]), inside)
    assert inside.sum() == selection.sum()


def test_a_layer_that_reaches_beyond_the_canvas_keeps_its_place(
    made: tuple[Any, Path], samples: NDArray[Any], whole: NDArray[Any]
) -> None:
    report, folder = made
    result = report["off_the_canvas"]["result"]
    assert result["offsets"] == [X, Y] and result["size"] == [WIDTH, HEIGHT]
    left, top = X - OFFSETS[0], Y - OFFSETS[1]
    found = stored(folder / "off_the_canvas.pixels", samples, result["size"])
    assert np.array_equal(found, whole[top : top + HEIGHT, left : left + WIDTH])


def test_a_layers_mask_goes_on(
    made: tuple[Any, Path], samples: NDArray[Any], whole: NDArray[Any], mask_values: NDArray[Any]
) -> None:
    report, folder = made
    found = stored(folder / "mask.pixels", samples, list(SIZE))
    assert np.array_equal(found, whole)
    assert np.array_equal(mask_of(folder, "mask", list(SIZE)), mask_values)
    above, below = report["mask"]["layers"]
    assert above["visible"] and not below["visible"]


def test_a_mask_and_a_selection_are_multiplied(
    made: tuple[Any, Path], mask_values: NDArray[Any]
) -> None:
    report, folder = made
    result = report["mask_and_selection"]["result"]
    x, y = result["offsets"]
    w, h = result["size"]
    selection = np.fromfile(folder / "soft_selection.selection", np.uint16).reshape(SIZE[::-1])
    exact = mask_values.astype(float) * selection / 65535
    found = mask_of(folder, "mask_and_selection", result["size"])
    assert np.abs(found - exact[y : y + h, x : x + w]).max() <= 0.5


def test_a_layer_in_a_group_gets_its_result_above_it_looking_the_same(
    made: tuple[Any, Path],
) -> None:
    (group,) = made[0]["in_a_group"]["layers"]
    assert [layer["name"] for layer in group["children"]] == ["top", NAME, "photo"]
    _, above, below = group["children"]
    assert (above["opacity"], above["mode"]) == (below["opacity"], below["mode"])
    assert above["mode"] == "multiply" and above["opacity"] == pytest.approx(60, abs=0.5)
    assert above["visible"] and not below["visible"]


def test_a_group_is_restored_as_it_is_seen(
    made: tuple[Any, Path], samples: NDArray[Any], whole: NDArray[Any]
) -> None:
    report, folder = made
    above, below = report["a_group"]["layers"]
    assert above["name"] == NAME and below["name"] == "group"
    pixels = np.fromfile(folder / "a_group.pixels", np.uint16).reshape(SIZE[1], SIZE[0], 4)
    assert np.array_equal(pixels[..., :3], whole)
    assert (pixels[..., 3] == 65535).all()


def test_a_layers_filters_are_restored_with_it(made: tuple[Any, Path], tmp_path: Path) -> None:
    _, folder = made
    filtered = np.fromfile(folder / "with_a_filter.input", np.uint16).reshape(*SIZE[::-1], 3)
    assert not np.array_equal(filtered, PHOTO.samples)

    expected = restored_file(PHOTO, tmp_path, filtered)
    found = stored(folder / "with_a_filter.pixels", filtered, list(SIZE))
    assert np.array_equal(found, expected)
