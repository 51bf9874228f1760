"""Run something in a real host."""

import subprocess
from collections.abc import Mapping, Sequence

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
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == NOT_SET_UP:
        pytest.fail(f"the host could not be set up:\n{done.stderr[-3000:]}", pytrace=False)
    return done
