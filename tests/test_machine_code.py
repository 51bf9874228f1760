"""Machine code is complete in itself, and the package has what the script compiles now."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from dinplug import direct
from scripts import machine_code
from scripts.machine_code import PROCESSORS

NAMES = {
    f"x86-64-{level}-{direct.LAYOUT}-{vectors}.bin"
    for level, most in (("v3", 3), ("v4", 4))
    for vectors in range(1, most + 1)
}
COMPLETE = """
define void @direct(ptr %a) {
  store float 1.5, ptr %a
  ret void
}
"""
CONSTANT = """
define void @direct(ptr %a) {
  %x = load float, ptr %a
  %y = fmul float %x, 1.5
  store float %y, ptr %a
  ret void
}
"""
CALL = """
declare void @other(ptr)
define void @direct(ptr %a) {
  call void @other(ptr %a)
  ret void
}
"""
VARIABLE = """
@kept = internal global i64 7
define void @direct(ptr %a) {
  %x = load volatile i64, ptr @kept
  store i64 %x, ptr %a
  ret void
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script compiles now."""
    place = tmp_path_factory.mktemp("machine_code") / "new"
    machine_code.write(place)
    return place


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_level_and_count_of_vectors_has_a_file(folder: Path) -> None:
    found = contents(folder)
    assert set(found) == NAMES
    assert len(set(found.values()) - {b""}) == len(NAMES)  # none is empty, none like another


def test_what_is_written_is_named(tmp_path: Path) -> None:
    assert {path.relative_to(tmp_path).as_posix() for path in machine_code.write(tmp_path)} == NAMES


def test_levels_are_those_that_are_looked_for() -> None:
    assert {(each.level, each.lanes) for each in PROCESSORS} == set(direct.LEVELS.values())
    assert machine_code.LAYOUT == direct.LAYOUT
    assert len(machine_code.ADDED) == direct.MOST_ADDED


def test_the_package_has_what_is_compiled_now(folder: Path) -> None:
    assert direct.FOLDER.exists(), "dinplug is not installed: pip install -e . compiles it"
    found, wanted = contents(direct.FOLDER), contents(folder)
    assert set(found) == set(wanted)
    stale = [name for name in sorted(wanted) if found[name] != wanted[name]]
    assert not stale, "compiled before the last change or by another llvmlite: pip install -e ."


@pytest.mark.usefixtures("folder")  # has LLVM know its targets
@pytest.mark.parametrize("text", [CONSTANT, CALL, VARIABLE], ids=["constant", "call", "variable"])
def test_code_that_refers_to_other_data_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_code, "Convolution", lambda *_: SimpleNamespace(module=COMPLETE))
    assert machine_code.compiled(PROCESSORS[0], 1)
    monkeypatch.setattr(machine_code, "Convolution", lambda *_: SimpleNamespace(module=text))
    with pytest.raises(RuntimeError, match="x86-64-v4, 1 vectors: the code refers to other data"):
        machine_code.compiled(PROCESSORS[0], 1)
