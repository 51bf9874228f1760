"""`dinplug batch`: what it says and writes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import dinplug
from dinplug.batch.events import (
    PhotoDone,
    PhotoFailed,
    PhotoPlanned,
    PhotoProgress,
    RunFinished,
    from_json,
)
from dinplug.batch.journal import JOURNAL_NAME
from tests.commands.shell import dinplug_says, photo


class TestBatch:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> None:
        monkeypatch.chdir(tmp_path)

    def test_a_folder_with_a_broken_photo(self) -> None:
        photo(Path("photos/a.png"), 1)
        photo(Path("photos/trip/c.png"), 2)
        Path("photos/b.png").write_bytes(Path("photos/a.png").read_bytes()[:60])
        result = dinplug_says("batch", "--model", "tiny-derain", "photos")
        assert result.exit_code == 1
        assert "2 restored, 0 skipped, 1 failed; results in photos-derain" in result.stdout
        assert "failed: photos/b.png: " in result.stdout
        assert len(result.stderr.splitlines()) == 3
        written = {path.as_posix() for path in Path("photos-derain").rglob("*") if path.is_file()}
        folder = "photos-derain"
        assert written == {f"{folder}/a.png", f"{folder}/trip/c.png", f"{folder}/{JOURNAL_NAME}"}

    def test_all_done_and_again_and_overwritten(self) -> None:
        photo(Path("photos/a.png"))
        command = ["batch", "--model", "tiny-derain", "photos", "--json"]
        for more, done, skipped in (([], 1, 0), ([], 0, 1), (["--overwrite"], 1, 0)):
            result = dinplug_says(*command, *more)
            assert result.exit_code == 0
            events = [from_json(line) for line in result.stdout.splitlines()]
            end = events[-1]
            assert isinstance(end, RunFinished)
            assert (end.done, end.skipped, end.failed) == (done, skipped, 0)
            assert sum(isinstance(event, PhotoDone) for event in events) == done
            assert any(isinstance(event, PhotoProgress) for event in events) == bool(done)

    def test_the_result_is_the_restorers(self) -> None:
        source = photo(Path("photos/a.png"), 3)
        dinplug_says("batch", "--model", "tiny-dehaze", "photos", "--out", "out")
        pixels = np.asarray(Image.open(source).convert("RGB"))
        expected = dinplug.restore(pixels, model="tiny-dehaze")
        with Image.open("out/a.png") as written:
            np.testing.assert_array_equal(np.asarray(written), expected)

    def test_super_resolution_by_any_factor(self) -> None:
        photo(Path("photos/a.png"), size=(20, 13))
        arguments = ["--task", "sr", "--scale", "2.5", "--name", "{stem}_{model}_x{scale}"]
        assert dinplug_says("batch", "photos", *arguments).exit_code == 0
        with Image.open("photos-sr/a_tiny-as_x2.5.png") as written:
            assert written.size == (50, 32)

    def test_wishes_for_the_file_are_met(self) -> None:
        photo(Path("photos/a.png"))
        photo(Path("photos/b.jpg"))
        result = dinplug_says(
            "batch", "--model", "tiny-derain", "photos",
            "--format", "tiff", "--bit-depth", "16", "--compression", "none", "--strength", "0",
            "--include", "*.png", "--ensemble", "--tile", "16", "--max-memory", "2G",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert sorted(path.name for path in Path("photos-derain").iterdir()) == [
            JOURNAL_NAME,
            "a.tif",
        ]
        with Image.open("photos/a.png") as original:
            # At strength 0 the original is written, 8 bit spread over 16.
            expected = np.asarray(original).astype(np.uint16) * 257
        np.testing.assert_array_equal(tifffile.imread("photos-derain/a.tif"), expected)

    def test_half_precision_is_planned_run_and_noted(self) -> None:
        photo(Path("photos/a.png"), size=(33, 21))
        arguments = ("--model", "tiny-x2", "--precision", "bfloat16", "--device", "cpu")
        planned = dinplug_says("batch", "photos", *arguments, "--dry-run")
        assert "stages in bfloat16" in planned.stdout
        assert "predicted peak on the device" in planned.stdout
        result = dinplug_says("batch", "photos", *arguments)
        assert result.exit_code == 0, result.output
        with Image.open("photos-sr/a.png") as written:
            assert written.size == (66, 42)
        repeated = dinplug_says("info", "photos-sr/a.png")
        assert "--precision bfloat16" in repeated.stdout

    def test_a_dry_run_shows_the_plan_and_writes_nothing(self) -> None:
        photo(Path("photos/a.png"), size=(33, 21))
        Path("photos/b.png").write_bytes(b"no photo")
        result = dinplug_says("batch", "--model", "tiny-x2", "photos", "--dry-run")
        assert result.exit_code == 1
        first, second, last = result.stdout.splitlines()
        assert first.startswith("photos/a.png -> photos-sr/a.png: 33x21 pixels, ")
        assert "tile" in first and "predicted peak" in first
        assert "failed: photos/b.png" in second
        assert last == "Would restore 1, skip 0, fail on 1; nothing was written"
        assert not Path("photos-sr").exists()
        as_json = dinplug_says("batch", "--model", "tiny-x2", "photos", "--dry-run", "--json")
        kinds = [type(from_json(line)) for line in as_json.stdout.splitlines()]
        assert kinds == [PhotoPlanned, PhotoFailed]

    def test_originals_are_never_replaced(self) -> None:
        source = photo(Path("photos/a.png"))
        before = source.read_bytes()
        arguments = ["batch", "--model", "tiny-derain", "photos", "--out", "photos"]
        result = dinplug_says(*arguments, "--overwrite")
        assert result.exit_code == 2
        assert "would replace the original" in result.stderr
        assert source.read_bytes() == before

    def test_missing_weights_are_exit_code_3_with_advice(self) -> None:
        photo(Path("photos/a.png"))
        result = dinplug_says("batch", "--model", "din-deblur", "photos")
        assert result.exit_code == 3
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: no weights for the model din-deblur")
        assert "models import" in line

    def test_a_place_that_takes_no_results_is_exit_code_3(self) -> None:
        photo(Path("photos/a.png"))
        Path("out").write_text("in the way")
        result = dinplug_says("batch", "--model", "tiny-derain", "photos", "--out", "out")
        assert result.exit_code == 3
        assert "results cannot be written there" in result.stderr

    @pytest.mark.skipif(
        sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere"
    )
    def test_a_read_only_place_is_exit_code_3(self) -> None:
        photo(Path("photos/a.png"))
        Path("out").mkdir(mode=0o555)
        result = dinplug_says("batch", "--model", "tiny-derain", "photos", "--out", "out")
        assert result.exit_code == 3

    def test_collisions_are_told(self) -> None:
        photo(Path("photos/a.png"))
        photo(Path("photos/a.jpg"))
        arguments = ["batch", "--model", "tiny-derain", "photos", "--format", "png"]
        result = dinplug_says(*arguments)
        assert result.exit_code == 0
        assert "a.jpg: written as a_jpg.png, another photo has that name already" in result.stderr

    def test_any_name_is_restored(self, shared: Path) -> None:
        names_folder = shared / "data" / "files" / "names"
        names = (names_folder / "names.txt").read_text(encoding="utf-8").splitlines()
        folder = Path("photos")
        folder.mkdir()
        for name in names:
            (folder / name).write_bytes((names_folder / "base.png").read_bytes())
        result = dinplug_says("batch", "--model", "tiny-derain", "photos")
        assert result.exit_code == 0, result.output
        walked = {name for name in names if name.lower().endswith(".png")}
        assert walked <= set(os.listdir("photos-derain"))
        assert "no_extension" not in " ".join(os.listdir("photos-derain"))
        explicit = dinplug_says("batch", "--model", "tiny-derain", "photos/no_extension")
        assert explicit.exit_code == 0
        assert Path("photos-derain/no_extension.png").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_leaves_whole_files_only(
    tiny_models: Path, tmp_path: Path, number: signal.Signals
) -> None:
    photo(tmp_path / "photos" / "a.png")
    big = np.zeros((1500, 2000, 3), np.uint16)
    tifffile.imwrite(tmp_path / "photos" / "b.tif", big)
    photo(tmp_path / "photos" / "c.png")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "dinplug.cli", "batch", "--model", "tiny-derain"),
            *(str(tmp_path / "photos"), "--json", "--tile", "64", "--device", "cpu"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(dinplug.__file__).parents[1],
    )
    assert process.stdout is not None
    for line in process.stdout:
        event = from_json(line)
        if isinstance(event, PhotoProgress) and event.index == 1 and event.done > 1:
            break
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    end = from_json(output.splitlines()[-1])
    assert isinstance(end, RunFinished) and end.interrupted and end.done == 1
    assert sorted(os.listdir(tmp_path / "photos-derain")) == [JOURNAL_NAME, "a.png"]
