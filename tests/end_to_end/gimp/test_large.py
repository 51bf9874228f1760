"""A photo of 24 megapixels in 16 bits goes there and back, exactly."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from dinplug.cli import main
from tests.end_to_end.gimp.conftest import Gimp, stored
from tests.imaging.test_samples import as_tiff, random_samples

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

WIDTH, HEIGHT = 6000, 4000


def test_24_megapixels(gimp: Gimp, tiny_models: Path, tmp_path: Path) -> None:
    samples = np.tile(random_samples("uint16", 3, (400, 600)), (10, 10, 1))
    folder = gimp.new_folder()
    (folder / "photo.samples").write_bytes(samples.tobytes())
    order = {
        "procedure": "dinplug-derain", "precision": "U16_NON_LINEAR", "channels": 3,
        "size": [WIDTH, HEIGHT], "samples": "photo.samples", "arguments": {"model": "tiny-derain"},
    }  # fmt: skip
    report = gimp.batch(
        "restore_photos", folder, {"photos": {"large": order}, "procedures": []},
        DINPLUG_DATA_HOME=str(tiny_models),
    )["photos"]["large"]  # fmt: skip
    assert report["status"] == "GIMP_PDB_SUCCESS", report["message"]
    assert report["unchanged"]
    found = stored(folder / "large.pixels", samples, [WIDTH, HEIGHT])
    source = as_tiff(tmp_path / "photo.tif", samples, None)
    target = tmp_path / "restored.tif"
    arguments = ["restore", "--task", "derain", "--model", "tiny-derain", str(source), str(target)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert np.array_equal(found, tifffile.imread(target))
