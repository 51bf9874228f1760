"""24 million pixels go through Krita and come back as from the command line."""

from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.krita import pictures
from tests.end_to_end.krita.conftest import RunKrita
from tests.end_to_end.krita.pictures import SRGB

WIDTH, HEIGHT = 6000, 4000


@pytest.mark.hosts
@pytest.mark.slow
def test_24_million_pixels(run_krita: RunKrita, tmp_path: Path, tiny_models: Path) -> None:
    # A small network: it is the way of the pixels that is large here.
    samples = np.tile(pictures.picture("U16", 4, 600, 400), (10, 10, 1))
    path = tmp_path / "large.pixels"
    path.write_bytes(pictures.swapped(samples).tobytes())
    job = {
        "size": [WIDTH, HEIGHT],
        "colours": ["RGBA", "U16", SRGB],
        "pixels": str(path),
        "task": "dehaze",
        "model": "tiny-dehaze",
    }
    report = run_krita("large", tmp_path, job, DINPLUG_DATA_HOME=str(tiny_models))
    assert report["name"] == "Dehaze (tiny-dehaze)"
    assert "tiny-dehaze" in report["words"]
    result = pictures.read(tmp_path / "large.result", "U16", 4, (WIDTH, HEIGHT))
    wish = ["--task", "dehaze", "--model", "tiny-dehaze"]
    np.testing.assert_array_equal(result, pictures.restored(samples, SRGB, tmp_path, *wish))
    assert "Traceback" not in report["stderr"]
