"""The dialogs, driven by keyboard and pointer; the screenshots are kept."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.end_to_end.gimp.conftest import INSIDE, Gimp
from tests.test_imports import ROOT

pytestmark = [pytest.mark.hosts]

PHOTO = ROOT / "examples" / "photos" / "lake.jpg"
SIZES = {"lake": (760, 540), "shore": (300, 340)}  # the first takes seconds in 8 orientations


@pytest.fixture(scope="module")
def seen(gimp: Gimp, artefacts: Path) -> dict[str, Any]:
    """What was seen while a user worked."""
    folder = gimp.new_folder()
    photos = []
    with Image.open(PHOTO) as photo:
        for name, (width, height) in SIZES.items():
            photos.append(folder / f"{name}.png")
            photo.crop((200, 100, 200 + width, 100 + height)).save(photos[-1])
    report = folder / "report.json"
    gimp.run(
        "env", f"PYTHONPATH={ROOT}", "python3", "-m", f"{INSIDE}.drive_dialogs",
        report, sys.executable, artefacts, *photos, environment={},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return found


def test_the_preview_can_be_moved(seen: dict[str, Any]) -> None:
    assert seen["moved"] == [True, True]


def test_two_dialogs_work_side_by_side(seen: dict[str, Any]) -> None:
    assert seen["dialogs"] == 2


def test_cancel_comes_back_to_the_dialog_and_adds_nothing(seen: dict[str, Any]) -> None:
    assert seen["dialog after cancel"]
    assert "2 layers" in seen["title after cancel"]


def test_enlarging_shows_a_new_image(seen: dict[str, Any]) -> None:
    width, height = SIZES["shore"]
    assert f"{2 * width}x{2 * height}" in seen["enlarged"]


def test_what_was_chosen_is_remembered(seen: dict[str, Any]) -> None:
    assert re.search(r"\(strength 0?\.50*\)", seen["remembered"])
    assert '(model "din-dehaze-small")' in seen["remembered"]


def test_a_dialog_without_a_worker_stays(seen: dict[str, Any]) -> None:
    assert seen["dialog after trouble"]


@pytest.mark.parametrize(
    "name",
    ["preview", "moved", "strength", "result", "running", "cancelled", "trouble", "enlarge"],
)
def test_there_are_screenshots(name: str, seen: dict[str, Any], artefacts: Path) -> None:
    assert seen
    with Image.open(artefacts / f"gimp-{name}.png") as screen:
        # A screen with nothing on it is of one colour.
        assert len(set(screen.convert("L").tobytes())) > 20
