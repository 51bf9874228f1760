"""GIMP 3 with the plug-in: scripts that run inside it, and what they report."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.hosts.installation import write_plugin
from tests.end_to_end.host_runs import run_in_host
from tests.test_imports import ROOT

INSIDE = "tests.end_to_end.gimp.inside"
"""The package of scripts that run in GIMP's own Python."""


class Gimp:
    """Runs GIMP 3 with dinplug's plug-in; each run has a folder of its own below `folder`."""

    def __init__(self, script: Path, folder: Path) -> None:
        self.script, self.folder = script, folder
        self.runs = 0
        write_plugin("gimp", folder / "plug-ins")

    def new_folder(self) -> Path:
        """A folder for the files of one run."""
        self.runs += 1
        folder = self.folder / f"run-{self.runs}"
        folder.mkdir()
        return folder

    def run(self, *command: object, environment: Mapping[str, str]) -> str:
        """Run a command beside GIMP; return what it printed. It fails if the command does."""
        done = run_in_host(
            [
                self.script, "--venv", sys.prefix, "--plugin", self.folder / "plug-ins" / "dinplug",
                *command,
            ],
            {**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-5000:]
        return said

    def batch(
        self, script: str, folder: Path, orders: Mapping[str, Any], **environment: str
    ) -> dict[str, Any]:
        """Run one of the scripts in GIMP's Python on orders; return its report."""
        path = folder / "orders.json"
        path.write_text(json.dumps(orders), "utf-8")
        code = (
            f"import runpy, sys; sys.path.insert(0, {str(ROOT)!r}); "
            f"runpy.run_module({f'{INSIDE}.{script}'!r})"
        )
        self.run(
            "gimp-console-3.0", "-i", "-d", "-f",
            "--batch-interpreter=python-fu-eval", "-b", code, "--quit",
            environment={"DINPLUG_TEST_ORDERS": str(path), **environment},
        )  # fmt: skip
        report: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
        return report


@pytest.fixture(scope="session")
def gimp(host_scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> Gimp:
    """GIMP 3 with the plug-in installed."""
    if sys.prefix == sys.base_prefix:
        pytest.fail("the tests in GIMP need a virtual environment (gimp3-env --venv)")
    return Gimp(host_scripts / "gimp3-env", tmp_path_factory.mktemp("gimp"))


def stored(path: Path, like: NDArray[Any], size: list[int]) -> NDArray[Any]:
    """Pixels that a script left in a file: of the type and channels of `like`, (H, W, C)."""
    return np.fromfile(path, like.dtype).reshape(size[1], size[0], like.shape[2])


@pytest.fixture(scope="session")
def _no_imported_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("no-models")
