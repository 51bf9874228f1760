"""What cannot be done is said in one sentence, as an error of GIMP's, and changes nothing."""

from typing import Any

import pytest

from tests.end_to_end.gimp.conftest import Gimp
from tests.end_to_end.gimp.test_pixels import SIZE, Photo

pytestmark = [pytest.mark.hosts]

PHOTO = Photo("dehaze", "U8_NON_LINEAR")
CALLING, EXECUTION = "GIMP_PDB_CALLING_ERROR", "GIMP_PDB_EXECUTION_ERROR"
SAID = {
    "indexed": (CALLING, "Image > Mode > RGB"),
    "nothing": (CALLING, "no layer is selected"),
    "several": (CALLING, "2 layers are selected"),
    "channel": (CALLING, "a channel or mask is selected"),
    "mask": (CALLING, "a channel or mask is selected"),
    "enlarged_mask": (CALLING, "the layer has a mask"),
    "floating": (CALLING, "floating selection"),
    "growing_filter": (CALLING, "a filter reaches beyond the layer"),
    "elsewhere": (CALLING, "the selection does not touch the layer"),
    "unknown_model": (CALLING, "no model is named 'no-such-model'"),
    "misspelt_device": (CALLING, "device is no name of a device"),
    "missing_worker": (EXECUTION, "run `dinplug plugin install gimp` again"),
    "broken_worker": (EXECUTION, "No module named torch"),
    "other_version": (EXECUTION, "9.9.9 (protocol 999)"),
}


@pytest.fixture(scope="module")
def answers(gimp: Gimp) -> dict[str, Any]:
    """What GIMP was answered in each case."""
    folder = gimp.new_folder()
    (folder / "photo.samples").write_bytes(PHOTO.samples.tobytes())
    order = {
        "precision": PHOTO.precision, "channels": 3, "size": SIZE, "samples": "photo.samples",
    }  # fmt: skip
    return gimp.batch("refuse", folder, {"photo": order})


@pytest.mark.parametrize("case", SAID)
def test_it_is_said_and_nothing_changes(case: str, answers: dict[str, Any]) -> None:
    status, words = SAID[case]
    found = answers[case]
    assert found["status"] == status
    assert words in found["message"]
    assert "\n" not in found["message"]
    assert found["unchanged"] and not found["made"]
