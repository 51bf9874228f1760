"""A host that cannot be had where its scripts are is a failure, not a reason to skip."""

import sys
from pathlib import Path

import pytest

from tests.end_to_end.host_runs import run_in_host


def test_a_host_that_cannot_be_set_up_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"could not be set up:\nno root"):
        run_in_host(["sh", "-c", "echo no root >&2; exit 69"])


def test_other_failures_are_the_tests_affair() -> None:
    done = run_in_host(["sh", "-c", "echo said; exit 3"])
    assert (done.returncode, done.stdout) == (3, "said\n")


def test_hosts_do_not_see_our_virtual_environment() -> None:
    ours = str(Path(sys.executable).parent)
    variables = {"VIRTUAL_ENV": "/ours", "PATH": f"{ours}:/usr/bin", "HOME": "/home"}
    done = run_in_host(["/usr/bin/env"], variables)
    assert sorted(done.stdout.split()) == ["HOME=/home", "PATH=/usr/bin"]
