"""Every task, precision, profile and kind of layer: GIMP gets the pixels of `dinplug restore`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray

from dinplug.cli import main
from dinplug.hosts.manifest import load_manifest
from dinplug.imaging import profiles
from tests.end_to_end.gimp.conftest import Gimp, stored
from tests.imaging.test_samples import as_tiff, random_samples

pytestmark = [pytest.mark.hosts]

SIZE = (52, 44)
"""Width and height of the photos."""
DTYPES = {
    "U8": "uint8", "U16": "uint16", "U32": "uint32",
    "HALF": "float16", "FLOAT": "float32", "DOUBLE": "float64",
}  # fmt: skip
LINEAR = imagecodecs.cms_profile("rgb", gamma=1.0)
SRGB = profiles.named_profile("srgb")
PROFILES: dict[str, bytes] = {
    "adobe": profiles.named_profile("adobe-rgb"),
    "prophoto": profiles.named_profile("prophoto"),
}
TASKS = [task["id"] for task in load_manifest()["tasks"]]


class Photo(NamedTuple):
    """A photo in GIMP, and what to do with it."""

    task: str
    precision: str
    channels: int = 3
    profile: str = ""
    arguments: Mapping[str, Any] = {}

    @property
    def dtype(self) -> str:
        return DTYPES[self.precision.split("_")[0]]

    @property
    def samples(self) -> NDArray[Any]:
        """Its pixels, the same each time."""
        return random_samples(self.dtype, self.channels, SIZE[::-1])

    @property
    def file_profile(self) -> bytes | None:
        """A profile for a TIFF of the samples; a precision that is linear overrules GIMP's."""
        if self.precision.endswith("_LINEAR") and not self.precision.endswith("_NON_LINEAR"):
            return LINEAR if self.channels > 2 else None
        if self.profile:
            return PROFILES[self.profile]
        return SRGB if self.channels > 2 else None


DEPTHS = ["U8_NON_LINEAR", "U16_NON_LINEAR", "FLOAT_LINEAR"]
PHOTOS = {
    **{f"{task}-{depth}": Photo(task, depth) for task in TASKS for depth in DEPTHS},
    **{
        precision: Photo("dehaze", precision)
        for precision in [
            "U8_PERCEPTUAL", "U16_LINEAR", "U32_NON_LINEAR", "HALF_NON_LINEAR",
            "FLOAT_PERCEPTUAL", "DOUBLE_LINEAR",
        ]
    },
    "adobe": Photo("derain", "U16_NON_LINEAR", profile="adobe"),
    "adobe-alpha-float": Photo("dehaze", "FLOAT_NON_LINEAR", 4, "adobe"),
    "prophoto-linear": Photo("dehaze", "U16_LINEAR", 4, "prophoto"),
    "grey": Photo("dehaze", "U16_NON_LINEAR", 1),
    "grey-alpha": Photo("derain", "U8_NON_LINEAR", 2),
    "alpha": Photo("dehaze", "U16_NON_LINEAR", 4),
    "alpha-sr": Photo("sr", "U16_NON_LINEAR", 4),
    "chosen": Photo("sr", "U16_NON_LINEAR", arguments={"scale": "3", "strength": 0.5}),
    "model": Photo("deblur", "U8_NON_LINEAR", arguments={"model": "din-deblur-small"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def made(gimp: Gimp) -> tuple[dict[str, Any], Path]:
    """What GIMP made of all photos, and the folder with its pixels."""
    folder = gimp.new_folder()
    orders = {}
    for name, icc in PROFILES.items():
        (folder / f"{name}.icc").write_bytes(icc)
    for name, photo in PHOTOS.items():
        (folder / f"{name}.samples").write_bytes(photo.samples.tobytes())
        orders[name] = {
            "procedure": f"dinplug-{photo.task}",
            "precision": photo.precision,
            "channels": photo.channels,
            "size": SIZE,
            "samples": f"{name}.samples",
            "profile": photo.profile and f"{photo.profile}.icc",
            "arguments": photo.arguments,
        }
    procedures = [f"dinplug-{task}" for task in TASKS]
    return gimp.batch(
        "restore_photos", folder, {"photos": orders, "procedures": procedures}
    ), folder


def restored_file(photo: Photo, folder: Path, samples: NDArray[Any] | None = None) -> NDArray[Any]:
    """What `dinplug restore` makes of a TIFF of the photo, or of other samples of its kind."""
    pixels = photo.samples if samples is None else samples
    source = as_tiff(folder / "photo.tif", pixels, photo.file_profile)
    options = [f"--{name}={value}" for name, value in photo.arguments.items()]
    if photo.task == "sr" and "scale" not in photo.arguments:
        options.append("--scale=2")
    target = folder / "restored.tif"
    told = CliRunner().invoke(
        main, ["restore", "--task", photo.task, *options, str(source), str(target)]
    )
    assert told.exit_code == 0, told.output
    restored: NDArray[Any] = tifffile.imread(target)
    return restored.reshape(*restored.shape[:2], photo.channels)


@pytest.mark.parametrize("name", PHOTOS)
def test_pixels_are_those_of_the_command_line(
    name: str, made: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    photo, (report, folder) = PHOTOS[name], made
    entry = report["photos"][name]
    assert entry["status"] == "GIMP_PDB_SUCCESS", entry["message"]
    assert entry["unchanged"]
    samples = photo.samples
    found = stored(folder / f"{name}.pixels", samples, entry["result"]["size"])
    expected = restored_file(photo, tmp_path)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    if photo.task != "sr":
        assert not np.array_equal(found, samples)


@pytest.mark.parametrize("name", [name for name in PHOTOS if PHOTOS[name].task != "sr"])
def test_the_result_is_a_layer_above_of_the_same_kind(
    name: str, made: tuple[dict[str, Any], Path]
) -> None:
    entry = made[0]["photos"][name]
    above, below = entry["layers"]
    title = next(t["title"] for t in load_manifest()["tasks"] if t["id"] == PHOTOS[name].task)
    assert above["name"].startswith(f"{title} (") and below["name"] == "photo"
    assert above["format"] == below["format"]
    assert above["size"] == below["size"] and not above["mask"]
    # Two layers that let something through, one on the other, would let less through.
    assert above["visible"] and below["visible"] == (PHOTOS[name].channels in (1, 3))


@pytest.mark.parametrize("name", [name for name in PHOTOS if PHOTOS[name].task == "sr"])
def test_enlarging_makes_an_image(name: str, made: tuple[dict[str, Any], Path]) -> None:
    entry, photo = made[0]["photos"][name], PHOTOS[name]
    scale = int(photo.arguments.get("scale", 2))
    assert [layer["name"] for layer in entry["layers"]] == ["photo"]
    assert entry["image"]["size"] == [SIZE[0] * scale, SIZE[1] * scale]
    assert entry["image"]["precision"] == photo.precision.lower().replace("_", "-")
    assert len(entry["image"]["layers"]) == 1
    assert entry["result"]["format"] == entry["layers"][0]["format"]


@pytest.mark.parametrize("task", load_manifest()["tasks"], ids=TASKS)
def test_menus_and_arguments_are_the_manifests(
    task: dict[str, Any], made: tuple[dict[str, Any], Path]
) -> None:
    found = made[0]["procedures"][f"dinplug-{task['id']}"]
    assert found["label"] == task["menu_label"]
    assert found["paths"] == [task["menu_path"]["gimp"]]
    assert found["types"] == "RGB*, GRAY*"
    assert found["arguments"] == {
        parameter["name"]: [parameter["help"], str(parameter["default"])]
        for parameter in task["parameters"]
    }
