"""Programs that begin anew without glibc's thread cache, and the memory that saves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dinplug.thread_cache import NO_CACHE, SETTINGS, has_glibc

pytestmark = pytest.mark.skipif(not has_glibc(), reason="a setting of glibc")

ROOT = Path(__file__).parents[1]
BEGIN = """
import json, os, sys
from dinplug.thread_cache import restart_without_thread_cache
{before}
print(json.dumps([os.getpid(), os.environ.get("GLIBC_TUNABLES"), sys.argv[1:]]), flush=True)
restart_without_thread_cache()
print("under way", flush=True)
"""
MEMORY = """
import re
from pathlib import Path
import torch
torch.set_num_threads(1)  # several share heaps differently each time
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.networks.msfin import MSFIN, MSFINSpec

def heap():
    maps = Path("/proc/self/smaps").read_text("utf-8", "replace")
    return int(re.search(r"\\[heap\\]\\n(?:.+\\n)*?Rss: +(\\d+) kB", maps)[1])

runner = NetworkRunner(MSFIN(MSFINSpec(16, 4, 4, 0)), RunOptions(device="cpu"))
runner.run(torch.rand(1, 3, 32, 32))
before = heap()
runner.run(torch.rand(1, 3, 248, 248))
print(heap() - before)
"""


def outcome(code: str, *arguments: str, **environment: str) -> list[str]:
    """What a program says, with no settings of glibc but those given."""
    inherited = {name: value for name, value in os.environ.items() if name != SETTINGS}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**inherited, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_program_begins_anew_once_as_the_same_process_with_the_same_arguments() -> None:
    first, second, *rest = outcome(BEGIN.format(before=""), "a b", "\u00e9\udcff")
    assert rest == ["under way"]
    (number, settings, arguments), again = json.loads(first), json.loads(second)
    assert settings is None and arguments == ["a b", "\u00e9\udcff"]
    assert again == [number, NO_CACHE, arguments]


def test_settings_of_the_user_stay() -> None:
    said = outcome(BEGIN.format(before=""), GLIBC_TUNABLES="glibc.malloc.perturb=1")
    assert [json.loads(said[0])[1], *said[1:]] == ["glibc.malloc.perturb=1", "under way"]


@pytest.mark.parametrize("executable", ["", "/nowhere/python"])
def test_a_program_that_cannot_begin_anew_goes_on(executable: str) -> None:
    said = outcome(BEGIN.format(before=f"sys.executable = {executable!r}"))
    assert len(said) == 2 and said[1] == "under way"


@pytest.mark.parametrize("module", ["dinplug", "dinplug.hosts.worker"])
def test_the_programs_do_so(module: str) -> None:
    """Seen by what they import, which each does twice."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", module, "--help"],
        env={name: value for name, value in os.environ.items() if name != SETTINGS},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("dinplug.thread_cache") == 2
    assert done.stdout.lower().count("usage:") == 1


def test_the_heap_of_a_run_is_smaller() -> None:
    without, with_cache = (
        int(outcome(MEMORY, GLIBC_TUNABLES=settings)[-1]) for settings in (NO_CACHE, "")
    )
    assert without < with_cache
