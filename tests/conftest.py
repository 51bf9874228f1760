"""Fixtures for every test."""

import os
from pathlib import Path

import pytest

from tests.tiny_models import write_tiny_models


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the project (DINPLUG_SHARED overrides)."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("DINPLUG_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no reference data: {folder} does not exist (set DINPLUG_SHARED)")
    return folder


@pytest.fixture(scope="session")
def tiny_data_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the models of `tests.tiny_models`, for processes of their own."""
    data_home = tmp_path_factory.mktemp("data-home")
    write_tiny_models(data_home)
    return data_home


@pytest.fixture
def tiny_models(tiny_data_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the models of `tests.tiny_models`, in use by this test."""
    monkeypatch.setenv("DINPLUG_DATA_HOME", str(tiny_data_home))
    return tiny_data_home


@pytest.fixture(autouse=True)
def _no_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    monkeypatch.setenv("DINPLUG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-settings"))
