"""Runs scenarios of the driver plug-in in a real Krita with dinplug's plugin installed."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dinplug.hosts.installation import write_plugin
from tests.end_to_end.host_runs import run_in_host

DRIVER = Path(__file__).parent / "driver"
LIMIT = 500
"""Seconds a scenario may take; pytest's limit of a test is longer."""
Report = dict[str, Any]
RunKrita = Callable[..., Report]


@pytest.fixture(scope="session")
def krita_options() -> dict[str, list[str]]:
    """The options of krita-env for each version of Krita."""
    # Krita 5.2 lives in a Debian of its own, which has no libraries for our interpreter.
    ours = str(Path(sys.executable).parents[1])
    return {"5.1": [], "5.2": ["--trixie", "--venv", ours]}


@pytest.fixture(scope="session")
def run_krita(host_scripts: Path, tmp_path_factory: pytest.TempPathFactory) -> RunKrita:
    """Run a scenario in Krita: `run_krita(scenario, folder, job)` returns its report."""
    resources = tmp_path_factory.mktemp("krita")
    write_plugin("krita", resources)

    def run(scenario: str, folder: Path, job: object = None, *options: str, **more: str) -> Report:
        (folder / "job.json").write_text(json.dumps(job))
        environment = {
            **os.environ,
            "DINPLUG_SCENARIO": scenario,
            "DINPLUG_RUN": str(folder),
            "DINPLUG_LIMIT": str(LIMIT),
            **more,
        }
        command = [
            host_scripts / "krita-env", *options, "--resources", resources,
            "--resources", DRIVER, "krita", "--nosplash",
        ]  # fmt: skip
        done = run_in_host(command, environment)
        report = folder / "report.json"
        if done.returncode or not report.is_file():
            pytest.fail(f"Krita ended with status {done.returncode}:\n{done.stderr[-4000:]}", False)
        found: Report = json.loads(report.read_text())
        found["stderr"] = done.stderr
        return found

    return run
