"""Run something in a real host."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

NOT_SET_UP = 69
"""The status of krita-env and gimp3-env when the host cannot be had."""


def run_in_host(
    command: Sequence[object], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run krita-env or gimp3-env with its arguments; return its status and what it printed.

    A host that could not be set up fails the test: where the scripts are, they must run.
    """
    done = subprocess.run(
        [str(word) for word in command],
        env=outside_our_environment(os.environ if environment is None else environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == NOT_SET_UP:
        pytest.fail(f"the host could not be set up:\n{done.stderr[-3000:]}", pytrace=False)
    return done


def outside_our_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a shell in which no virtual environment of ours is active.

    Krita takes its Python's libraries from where the `python3` in PATH has its own.
    """
    ours = Path(sys.executable).parent
    outside = {name: value for name, value in environment.items() if name != "VIRTUAL_ENV"}
    folders = outside.get("PATH", os.defpath).split(os.pathsep)
    outside["PATH"] = os.pathsep.join(folder for folder in folders if Path(folder) != ours)
    return outside
