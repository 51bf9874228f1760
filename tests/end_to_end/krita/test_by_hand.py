"""A person restores a photo with pointer and keyboard; the screenshots are kept."""

from pathlib import Path

import pytest
from PIL import Image

from tests.end_to_end.krita.conftest import RunKrita
from tests.test_imports import ROOT

pytestmark = pytest.mark.hosts


def test_pointer_and_keyboard(run_krita: RunKrita, artefacts: Path, tmp_path: Path) -> None:
    job = {
        "photo": str(ROOT / "examples" / "photos" / "lake.jpg"),
        "menus": ["Filter", "Enhance", "Dehaze..."],
        "task": "dehaze",
        "screenshots": str(artefacts),
    }
    report = run_krita("by_hand", tmp_path, job)
    assert report["strength"] == 0.9
    assert 0.1 < report["divider"] < 0.4
    assert report["moved"] == [40, -30]
    assert report["layers"][1:] == ["Dehaze (din-dehaze-small)"]
    assert report["undone"] == report["layers"][:1]
    for name in ("menu", "opened", "preview", "compared", "dialog", "restored"):
        with Image.open(artefacts / f"krita-{name}.png") as shot:
            assert shot.width > 300 and len(shot.convert("L").getcolors() or ()) > 20
    assert "Traceback" not in report["stderr"]
