"""What programs set before they import anything large."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dinplug.startup import IDLE_THREADS, NEW_OBJECTS

ROOT = Path(__file__).parents[1]
START = """
import atexit, gc, json, os, sys
from dinplug.startup import start_up
atexit.register(lambda: print(gc.get_freeze_count()))  # called after those registered later
start_up()
print(json.dumps([dict(os.environ), gc.get_threshold()[0]]))
import numpy
print(len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1)
"""


def started(**environment: str) -> tuple[dict[str, str], int, int, int]:
    """The environment, the collector's threshold, numpy's threads and what is frozen at the end."""
    inherited = {name: value for name, value in os.environ.items() if name not in IDLE_THREADS}
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={**inherited, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    settings, threads, frozen = (json.loads(line) for line in done.stdout.splitlines())
    return settings[0], settings[1], threads, frozen


def test_threads_that_wait_sleep_and_garbage_is_looked_for_rarely() -> None:
    environment, threshold, threads, frozen = started()
    assert IDLE_THREADS.items() <= environment.items()
    assert threshold == NEW_OBJECTS
    assert threads == 1  # numpy's alone would be one for each processor
    assert frozen > 1000  # all there is, so that the end has nothing to look through


@pytest.mark.parametrize(("name", "value"), [(name, "active") for name in IDLE_THREADS])
def test_what_the_user_has_set_stays(name: str, value: str) -> None:
    environment, *_ = started(**{name: value})
    assert environment[name] == value
    assert IDLE_THREADS.keys() <= environment.keys()
