"""Where weights and a user's files lie."""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path


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
    return _platform_data_folder() / "dinplug"


def _platform_data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
