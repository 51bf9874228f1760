"""`dinplug restore`: one photo."""

import os
from pathlib import Path

import pytest
import tifffile
from PIL import Image

from dinplug.batch.events import (
    PhotoFailed,
    RunFinished,
    from_json,
)
from tests.commands.shell import dinplug_says, photo


class TestRestore:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> None:
        monkeypatch.chdir(tmp_path)
        photo(Path("a.png"))

    def test_a_photo_becomes_the_named_file(self) -> None:
        result = dinplug_says("restore", "--model", "tiny-x2", "a.png", "b.tif")
        assert result.exit_code == 0, result.output
        assert tifffile.imread("b.tif").shape == (34, 48, 3)
        assert sorted(os.listdir()) == ["a.png", "b.tif"]

    def test_nothing_is_replaced_unasked(self) -> None:
        Path("b.png").write_bytes(b"precious")
        command = ["restore", "--model", "tiny-derain", "a.png", "b.png"]
        result = dinplug_says(*command)
        assert (result.exit_code, Path("b.png").read_bytes()) == (2, b"precious")
        assert dinplug_says(*command, "--overwrite").exit_code == 0
        assert Path("b.png").read_bytes() != b"precious"

    def test_the_original_is_refused_as_target(self) -> None:
        command = ["restore", "--model", "tiny-derain", "a.png", "a.png", "--overwrite"]
        result = dinplug_says(*command)
        assert result.exit_code == 2
        assert "is the original" in result.stderr

    @pytest.mark.parametrize("as_json", [False, True])
    def test_a_broken_photo_is_one_line_and_exit_code_1(self, as_json: bool) -> None:
        Path("c.png").write_bytes(Path("a.png").read_bytes()[:50])
        result = dinplug_says(
            "restore", "--model", "tiny-derain", "c.png", "d.png", *["--json"] * as_json
        )
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: c.png: ")
        if as_json:
            *_, failed, finished = map(from_json, result.stdout.splitlines())
            assert isinstance(failed, PhotoFailed) and failed.reason.startswith("c.png: ")
            assert isinstance(finished, RunFinished) and finished.failed == 1

    def test_too_little_memory_is_told_to_programs_too(self) -> None:
        result = dinplug_says(
            "restore", "--model", "tiny-x2", "a.png", "b.png", "--max-memory", "1K", "--json"
        )
        assert result.exit_code == 2
        *_, failed, finished = map(from_json, result.stdout.splitlines())
        assert isinstance(failed, PhotoFailed) and "--max-memory" in failed.reason
        assert isinstance(finished, RunFinished)

    def test_what_the_user_should_know_is_shown(self) -> None:
        Image.new("P", (9, 8)).save("p.png")
        result = dinplug_says("restore", "--model", "tiny-derain", "p.png", "q.png")
        assert result.exit_code == 0
        assert "note: p.png: palette colours: the result is RGB" in result.stdout

    def test_names_the_system_refuses_are_one_line(self) -> None:
        Path("circle.png").symlink_to("circle.png")
        for target in ("x" * 300 + ".png", "circle.png", "circle.png/b.png"):
            result = dinplug_says("restore", "--model", "tiny-derain", "a.png", target)
            assert result.exit_code in (1, 2)
            assert len(result.stderr.splitlines()) == 1

    def test_a_dry_run_writes_nothing(self) -> None:
        result = dinplug_says("restore", "--model", "tiny-derain", "a.png", "b.png", "--dry-run")
        assert result.exit_code == 0
        assert "predicted peak" in result.stdout
        assert os.listdir() == ["a.png"]
