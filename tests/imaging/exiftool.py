"""exiftool, the independent reader and writer of metadata, where it is installed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def exiftool(*arguments: str | Path) -> str:
    """Run exiftool and return what it prints; the test is skipped where there is none."""
    program = shutil.which("exiftool")
    if program is None:
        pytest.skip("no exiftool here (Debian: apt-get install libimage-exiftool-perl)")
    command = [program, "-config", "", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def tags_of(path: Path) -> dict[str, Any]:
    """Every tag as "Group:Name", as numbers rather than words."""
    (tags,) = json.loads(exiftool("-j", "-G1", "-n", "-struct", "-a", path))
    assert isinstance(tags, dict) and "ExifTool:Warning" not in tags, tags
    return tags
