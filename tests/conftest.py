"""Fixtures for every test."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the project (DINPLUG_SHARED overrides)."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("DINPLUG_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference data: {folder} does not exist (set DINPLUG_SHARED)")
    return folder
