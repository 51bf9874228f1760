"""The quality tables are written between a document's marks, a row for each way to restore."""

from pathlib import Path

import numpy as np
import pytest
from click import ClickException
from click.testing import CliRunner
from PIL import Image

from benchmarks.quality import DOCUMENT, filled, main
from dinplug.specs import Task

MARKS = "before\n<!-- tables of derain -->\nold\n<!-- end of derain -->\nafter\n"


def picture(file: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(file)


@pytest.mark.usefixtures("tiny_models")
def test_tables_replace_the_old_ones(tmp_path: Path) -> None:
    for seed, side in enumerate(("gt", "in")):
        picture(tmp_path / f"rain/rain100h/{side}/1.png", seed)
    picture(tmp_path / "sr/cc0/city.png", 3)
    document = tmp_path / "quality.md"
    document.write_text(MARKS)
    options = ["--bench", tmp_path, "--task", "derain", "--document", document]
    result = CliRunner().invoke(main, [str(option) for option in options])
    assert result.exit_code == 0, result.output
    written = document.read_text()
    assert written.startswith("before\n") and written.endswith("\nafter\n")
    assert "\nold\n" not in written
    rows = [line.split(" | ")[0] for line in written.splitlines() if line.startswith("| ")]
    assert rows[1] == "| input"
    for name in ("| median 3x3", "| `tiny-derain`"):
        assert rows.count(name) == 2  # of the set and of clean photos
    assert "| DDN | quoted: DIN paper (100 pairs) | 21.92 |" in written
    assert "2 undegraded pictures" in written


def test_a_document_without_marks_is_told() -> None:
    with pytest.raises(ClickException, match="no marks <!-- tables of sr -->"):
        filled(MARKS, Task.SR, [])


@pytest.mark.parametrize("task", list(Task))
def test_the_document_has_a_place_for_every_task(task: Task) -> None:
    assert "some rows" in filled(DOCUMENT.read_text("utf-8"), task, ["some rows"])
