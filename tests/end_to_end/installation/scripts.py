"""Run a shell script beside a host, as its user would type it."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.end_to_end.host_runs import run_in_host


def run_script(environment: Sequence[object], script: str, folder: Path) -> str:
    """Run a script by krita-env or gimp3-env; return what it printed.

    In it $DINPLUG is the command under test, and $1 is `folder`. The first failure ends it.
    """
    (folder / "script").write_text("set -e\n" + script)
    variables = {**os.environ, "DINPLUG": f"{sys.executable} -m dinplug"}
    done = run_in_host([*environment, "bash", folder / "script", folder], variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Error loading plugin" not in done.stderr
    return done.stdout
