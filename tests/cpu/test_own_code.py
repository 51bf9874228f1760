"""dinplug's own code is found where it can run, and missed without harm."""

import gc
import platform
import shutil
import sys
from pathlib import Path

import pytest
import torch

from dinplug.cpu import own_code

pytestmark = pytest.mark.skipif(
    own_code.find_level() is None,
    reason="dinplug's own convolution is for Linux on x86-64 with AVX2 or AVX-512",
)


def code_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> own_code.Code | None:
    """What is found in another folder."""
    monkeypatch.setattr(own_code, "FOLDER", folder)
    return own_code.find_code.__wrapped__()


def test_a_package_without_the_code_is_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_code.FOLDER
    assert code_in(tmp_path / "missing", monkeypatch) is None
    assert code_in(tmp_path, monkeypatch) is None
    for path in own.iterdir():
        # Of other arguments: called with these it would go astray.
        shutil.copy(path, tmp_path / path.name.replace(own_code.LAYOUT, "00000000"))
    assert code_in(tmp_path, monkeypatch) is None
    for path in own.iterdir():
        shutil.copy(path, tmp_path)
    assert code_in(tmp_path, monkeypatch) is not None


@pytest.mark.parametrize("kind", own_code.KINDS)
@pytest.mark.parametrize("fault", ["missing", "folder", "empty", "unreadable"])
def test_code_that_cannot_be_run_is_no_harm(
    fault: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in own_code.FOLDER.iterdir():
        own = tmp_path / path.name
        if not path.name.startswith(kind):
            shutil.copy(path, own)
        elif fault == "folder":
            own.mkdir()
        elif fault == "empty":
            own.touch()
        elif fault == "unreadable":
            own.symlink_to(tmp_path / "missing")
    assert code_in(tmp_path, monkeypatch) is None


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (sys, "platform", "win32"),
        (platform, "machine", lambda: "aarch64"),
        (torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT"),
    ],
    ids=["system", "machine", "processor"],
)
def test_other_computers_are_without_it(
    owner: object, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, value)
    assert own_code.find_code.__wrapped__() is None


def test_a_function_outlives_what_it_was_found_with() -> None:
    # Two threads that look at once find two, and one of both is forgotten.
    found = own_code.find_code.__wrapped__()
    assert found is not None
    function = found.functions["winograd"][0]
    del found
    gc.collect()
    assert not function.memory.closed
