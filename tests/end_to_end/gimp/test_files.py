"""Files opened, restored and exported in GIMP; the script of the documentation."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image

from dinplug.cli import main
from dinplug.imaging import profiles
from tests.end_to_end.gimp.conftest import Gimp
from tests.end_to_end.gimp.test_pixels import PROFILES
from tests.imaging.test_samples import as_tiff, random_samples
from tests.test_imports import ROOT

pytestmark = [pytest.mark.hosts]

SIZE = (44, 52)
SRGB = profiles.named_profile("srgb")


@pytest.fixture(scope="module")
def made(gimp: Gimp) -> tuple[dict[str, Any], Path]:
    """What became of the files, and their folder."""
    folder = gimp.new_folder()
    as_tiff(folder / "photo.tif", random_samples("uint16", 3, SIZE), PROFILES["adobe"])
    exif = Image.Exif()
    exif[315] = "Someone"  # the artist
    exif.get_ifd(0x8769).update({40962: SIZE[1], 40963: SIZE[0]})  # the size in pixels
    pixels = random_samples("uint8", 3, SIZE)
    Image.fromarray(pixels).save(
        folder / "photo.jpg", exif=exif, dpi=(240, 240), icc_profile=SRGB, quality=95
    )
    orders = {
        "tiff": str(folder / "photo.tif"),
        "exported": str(folder / "exported.tif"),
        "jpeg": str(folder / "photo.jpg"),
        "exported jpeg": str(folder / "exported.jpg"),
    }
    return gimp.batch("restore_files", folder, orders), folder


def restored(source: Path, target: Path, *options: str) -> Path:
    """Restore a file by the command line."""
    told = CliRunner().invoke(main, ["restore", *options, str(source), str(target)])
    assert told.exit_code == 0, told.output
    return target


def test_an_exported_file_is_that_of_the_command_line(
    made: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    report, folder = made
    assert report["wide_gamut"]["status"] == "GIMP_PDB_SUCCESS"
    expected = restored(folder / "photo.tif", tmp_path / "restored.tif", "--task", "dehaze")
    with tifffile.TiffFile(folder / "exported.tif") as found, tifffile.TiffFile(expected) as other:
        assert np.array_equal(found.asarray(), other.asarray())
        assert found.pages.first.iccprofile == other.pages.first.iccprofile == PROFILES["adobe"]


def test_an_enlarged_file_keeps_what_it_carried(made: tuple[dict[str, Any], Path]) -> None:
    report, folder = made
    assert report["enlarged"]["status"] == "GIMP_PDB_SUCCESS"
    with Image.open(folder / "exported.jpg") as found:
        assert found.size == (2 * SIZE[1], 2 * SIZE[0])
        assert found.info["dpi"] == (240, 240)
        assert found.info["icc_profile"] == SRGB
        assert found.getexif()[315] == "Someone"
        inner = found.getexif().get_ifd(0x8769)  # Exif's own part
        assert (inner[40962], inner[40963]) == found.size


def test_the_script_of_the_documentation_works(gimp: Gimp, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "hosts.md").read_text("utf-8")
    (script,) = re.findall(r"```python\n(from gi\.repository.*?)```", text, re.S)
    (command,) = re.findall(r"```sh\n(gimp-console.*?)```", text, re.S)
    as_tiff(tmp_path / "photo.tif", random_samples("uint16", 3, SIZE), SRGB)
    (tmp_path / "restore.py").write_text(script.replace("/tmp/", f"{tmp_path}/"))
    said = gimp.run("sh", "-c", command.replace("/tmp/", f"{tmp_path}/"), environment={})
    assert "made the layer Dehaze (din-dehaze-small)" in said
    options = ("--task", "dehaze", "--strength", "0.8")
    expected = restored(tmp_path / "photo.tif", tmp_path / "expected.tif", *options)
    found = tifffile.imread(tmp_path / "restored.tif")[..., :3]
    # GIMP merges layers in linear light, as floats.
    assert np.abs(found.astype(int) - tifffile.imread(expected).astype(int)).max() <= 1
