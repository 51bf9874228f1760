"""The worker is killed, or the run is cancelled, in the middle of the work: GIMP lives on."""

from typing import Any

import numpy as np
import pytest

from tests.end_to_end.gimp.conftest import Gimp

pytestmark = [pytest.mark.hosts]

SIZE = (1440, 960)
"""A run of several seconds, in many tiles."""


@pytest.fixture(scope="module")
def found(gimp: Gimp) -> dict[str, Any]:
    """What became of the runs."""
    folder = gimp.new_folder()
    (folder / "tmp").mkdir()
    samples = np.random.default_rng(0).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    (folder / "photo.samples").write_bytes(samples.tobytes())
    order = {
        "precision": "U8_NON_LINEAR", "channels": 3, "size": SIZE, "samples": "photo.samples",
    }  # fmt: skip
    return gimp.batch("end_processes", folder, {"photo": order}, TMPDIR=str(folder / "tmp"))


def test_a_killed_worker_is_told_of(found: dict[str, Any]) -> None:
    run = found["worker"]
    assert run["status"] == "GIMP_PDB_EXECUTION_ERROR"
    assert "was killed by signal 9 in the middle of its work" in run["message"]
    assert run["unchanged"] and not run["made"] and run["clean"]


def test_gimps_own_cancel_ends_the_worker_with_the_plugin(found: dict[str, Any]) -> None:
    run = found["plugin"]
    assert run["status"] != "GIMP_PDB_SUCCESS"
    assert run["unchanged"] and not run["made"]
    assert run["worker_left"] and run["clean"]


def test_the_next_run_works(found: dict[str, Any]) -> None:
    assert found["afterwards"]["status"] == "GIMP_PDB_SUCCESS"
    assert [layer["name"] for layer in found["layers"]] == ["Dehaze (din-dehaze-small)", "photo"]
