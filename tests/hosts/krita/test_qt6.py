"""The dialog works with PyQt6, as Krita 6 brings it: a stand-in for Krita, a real worker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.conftest import ROOT

FOLDER = Path(__file__).parent


def test_the_dialog_works_with_pyqt6(tiny_models: Path) -> None:
    found = subprocess.run([sys.executable, "-c", "import PyQt6.QtWidgets"], capture_output=True)
    if found.returncode:
        pytest.skip(f"no PyQt6: {found.stderr.decode().strip().splitlines()[-1]}")
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(FOLDER / "stand_in")]),
        "DINPLUG_DATA_HOME": str(tiny_models),
    }
    done = subprocess.run(
        [sys.executable, FOLDER / "qt6_dialog.py"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr
