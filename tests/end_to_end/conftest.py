"""Fixtures for tests in real hosts; see `host_runs` for running something in one."""

import os
from pathlib import Path

import pytest

from tests.test_imports import ROOT


@pytest.fixture(scope="session")
def host_scripts(shared: Path) -> Path:
    """The folder with krita-env and gimp3-env.

    Without it the tests are skipped. Where it is, they must run: a host that cannot be set up
    is a failure (`host_runs.run_in_host`).
    """
    folder = shared / "hosts"
    if not folder.is_dir():
        pytest.skip(f"no real hosts: {folder} does not exist")
    return folder


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """The folder where screenshots are kept (DINPLUG_ARTEFACTS overrides)."""
    folder = Path(os.environ.get("DINPLUG_ARTEFACTS", ROOT / "build" / "host-artefacts"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
