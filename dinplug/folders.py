"""Where weights and a user's files lie."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import platformdirs


def bundled_folder() -> Path:
    """The folder of the weights that come with dinplug."""
    return Path(str(resources.files("dinplug"))) / "weights"


def imported_folder() -> Path:
    """The folder of imported weights; it may not exist yet."""
    return user_data_folder() / "models"


def user_data_folder() -> Path:
    """The user's data folder of dinplug; DINPLUG_DATA_HOME overrides it. It may not exist yet."""
    if override := os.environ.get("DINPLUG_DATA_HOME"):
        return Path(override)
    return platformdirs.user_data_path("dinplug", appauthor=False)


def user_config_folder() -> Path:
    """The folder of settings and presets; DINPLUG_CONFIG_HOME overrides it. It may not exist."""
    if override := os.environ.get("DINPLUG_CONFIG_HOME"):
        return Path(override)
    return platformdirs.user_config_path("dinplug", appauthor=False)
