"""Machine code is complete in itself, and the package has what the script compiles now."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from dinplug.cpu import convolution, own_code
from scripts.machine_code import compiler, winograd, writer
from scripts.machine_code.writer import PROCESSORS

NAMES = {
    f"{kind}-x86-64-{level}-{own_code.LAYOUT}-{vectors}.bin"
    for kind in ("direct", "winograd")
    for level, most in (("v3", 3), ("v4", 4))
    for vectors in range(1, most + 1)
}
COMPLETE = """
define void @convolve(ptr %a) {
  store float 1.5, ptr %a
  ret void
}
"""
CONSTANT = """
define void @convolve(ptr %a) {
  %x = load float, ptr %a
  %y = fmul float %x, 1.5
  store float %y, ptr %a
  ret void
}
"""
CALL = """
declare void @other(ptr)
define void @convolve(ptr %a) {
  call void @other(ptr %a)
  ret void
}
"""
VARIABLE = """
@kept = internal global i64 7
define void @convolve(ptr %a) {
  %x = load volatile i64, ptr @kept
  store i64 %x, ptr %a
  ret void
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the script compiles now."""
    place = tmp_path_factory.mktemp("machine_code") / "new"
    compiler.write(place)
    return place


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_level_and_count_of_vectors_has_a_file(folder: Path) -> None:
    found = contents(folder)
    assert set(found) == NAMES
    assert len(set(found.values()) - {b""}) == len(NAMES)  # none is empty, none like another


def test_what_is_written_is_named(tmp_path: Path) -> None:
    assert {path.relative_to(tmp_path).as_posix() for path in compiler.write(tmp_path)} == NAMES


def test_both_sides_of_a_call_agree() -> None:
    assert {(each.level, each.lanes) for each in PROCESSORS} == set(own_code.LEVELS.values())
    assert set(compiler.KINDS) == set(own_code.KINDS)
    assert own_code.LAYOUT == writer.LAYOUT
    assert own_code.FACTORS == winograd.FACTORS
    assert len(writer.ADDED) == convolution.MOST_ADDED
    sides = (convolution.TILE, convolution.WINDOW, convolution.TILES, convolution.LINE)
    assert sides == (winograd.TILE, winograd.WINDOW, winograd.TILES, writer.LINE)


@pytest.mark.parametrize("processor", PROCESSORS, ids=lambda each: each.level)
def test_blocks_are_whole_runs_of_tiles(processor: writer.Processor) -> None:
    # What is computed beyond a block's last tile would be written over the next place's.
    for vectors in range(1, processor.most_vectors + 1):
        most = min(winograd.MOST_TILES, processor.sums // vectors)
        assert winograd.TILES % most == 0


def test_the_package_has_what_is_compiled_now(folder: Path) -> None:
    assert own_code.FOLDER.exists(), "dinplug is not installed: pip install -e . compiles it"
    found, wanted = contents(own_code.FOLDER), contents(folder)
    assert set(found) == set(wanted)
    stale = [name for name in sorted(wanted) if found[name] != wanted[name]]
    assert not stale, "compiled before the last change or by another llvmlite: pip install -e ."


@pytest.mark.usefixtures("folder")  # has LLVM know its targets
@pytest.mark.parametrize("text", [CONSTANT, CALL, VARIABLE], ids=["constant", "call", "variable"])
def test_code_that_refers_to_other_data_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in compiler.KINDS:
        monkeypatch.setitem(compiler.KINDS, kind, lambda *_: SimpleNamespace(module=COMPLETE))
        assert compiler.compiled(kind, PROCESSORS[0], 1)
        monkeypatch.setitem(compiler.KINDS, kind, lambda *_: SimpleNamespace(module=text))
        with pytest.raises(RuntimeError, match=f"{kind}, x86-64-v4, 1 vectors: .* other data"):
            compiler.compiled(kind, PROCESSORS[0], 1)
