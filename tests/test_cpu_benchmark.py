"""The CPU benchmark runs engines side by side, says why one has no figures, and fills documents."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import cpu, cpu_engines
from benchmarks.cpu import Conditions, Contender, failure, row
from benchmarks.growth import halo_work, plan_of
from benchmarks.performance import DOCUMENT, put_table


@pytest.mark.slow
def test_engines_run_side_by_side() -> None:
    options = ["din-dehaze-small", "--megapixels", "0.01", "--repeats", "1"]
    engines = ["--engine", "released eager", "--engine", "dinplug"]
    result = CliRunner().invoke(cpu.main, [*options, *engines])
    assert result.exit_code == 0, result.output
    line = result.output.splitlines()[2]
    assert line.startswith("| din-dehaze-small, 96 x 96 | 0.") and line.count(" MiB") == 2


@pytest.mark.slow
def test_an_engine_without_memory_says_so(tmp_path: Path) -> None:
    found = Contender.started(
        "released eager", "din-dehaze-small", Conditions(1024, 1024, 64), tmp_path
    )
    assert found.trouble == "out of memory" and not found.costs


def test_an_engine_that_is_not_installed_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = cpu_engines.Engine(cpu_engines.ncnn, ("no_such_package",))
    monkeypatch.setitem(cpu_engines.ENGINES, "ncnn", lacking)
    found = Contender.started("ncnn", "imdn-x2", Conditions(16, 16), tmp_path)
    assert row("imdn-x2", [found]) == "| imdn-x2 | not installed (no_such_package) |"


def test_figures_are_ratios_to_the_first_engine() -> None:
    costs = [{"cpu": 4.0, "wall": 6.0, "peak": 3 << 20}, {"cpu": 2.0, "wall": 2.0, "peak": 1 << 20}]
    contenders = [Contender(cpu.BASE, costs=costs[:1]), Contender("dinplug", costs=costs[1:])]
    assert row("x", contenders) == "| x | 4.00 s, 3 MiB | **2.00** (3.00), 1 MiB |"
    by_wall = Conditions(8, 8, threads=2).measure
    assert row("x", contenders, by_wall) == "| x | 6.00 s, 3 MiB | **3.00** (2.00), 1 MiB |"


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("Traceback\nRuntimeError: DefaultCPUAllocator: can't allocate memory", 1, "out of memory"),
        ("", -9, "out of memory"),
        ("a\nValueError: wrong", 1, "failed: ValueError: wrong"),
        ("Traceback\ntorch.SomeError: no\n\nSet VERBOSE=1", 1, "failed: torch.SomeError: no"),
        ("a\nb", 1, "failed: b"),
    ],
)
def test_failures_are_told_in_a_few_words(said: str, code: int, words: str) -> None:
    assert failure(said, code) == words


def test_work_with_halo_grows_as_tiles_shrink() -> None:
    whole, cut = (halo_work("imdn-x2", plan_of("imdn-x2", 0.1, tile)) for tile in (512, 32))
    assert 1 <= whole < cut < ((32 + 8) / 32) ** 2


def test_tables_go_between_their_marks(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text("a\n<!-- tiles -->\nold\n<!-- end of tiles -->\nb\n")
    put_table("tiles", ["new"], document)
    assert document.read_text() == "a\n<!-- tiles -->\nnew\n<!-- end of tiles -->\nb\n"
    with pytest.raises(ValueError, match="no marks"):
        put_table("photos", [], document)


@pytest.mark.parametrize(
    "name", ["engines", "engines with more threads", "megapixels", "tiles", "photos"]
)
def test_the_document_has_every_table(name: str) -> None:
    text = DOCUMENT.read_text("utf-8")
    table = text.split(f"<!-- {name} -->")[1].split(f"<!-- end of {name} -->")[0]
    assert table.count("\n|") >= 3
