"""The command line, from the outside."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
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
from dinplug.checkpoints.weights_file import sha256
from dinplug.cli import main
from dinplug.errors import SetupError
from dinplug.specs import MODELS


def dinplug_says(*arguments: str | Path) -> Result:
    """Run a command in this process; anything but our own exits is an error of the test."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (24, 17)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def all_commands() -> Iterator[tuple[str, click.Command]]:
    assert isinstance(main, click.Group)
    todo: list[tuple[str, click.Command]] = [("dinplug", main)]
    while todo:
        name, command = todo.pop()
        yield name, command
        if isinstance(command, click.Group):
            todo += [(f"{name} {part}", child) for part, child in command.commands.items()]


@pytest.mark.parametrize(("name", "command"), list(all_commands()), ids=lambda value: str(value))
def test_every_command_has_help_with_an_example(name: str, command: click.Command) -> None:
    result = dinplug_says(*name.split()[1:], "--help")
    assert result.exit_code == 0
    assert "Example" in result.output and f"\n    {name}" in result.output
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_the_version_is_told() -> None:
    assert dinplug_says("--version").output == f"dinplug, version {dinplug.__version__}\n"


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from dinplug.cli import main; main(['batch', '--help'], standalone_mode=False)"
        "; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["batch"],
        ["batch", "nowhere"],
        ["batch", ".", "--task", "denoise"],
        ["batch", ".", "--task", "sr", "--scale", "0"],
        ["batch", ".", "--task", "dehaze", "--scale", "2"],
        ["batch", ".", "--model", "tiny-as"],
        ["batch", ".", "--task", "dehaze", "--strength", "1.5"],
        ["batch", ".", "--task", "dehaze", "--max-memory", "lots"],
        ["batch", ".", "--task", "dehaze", "--device", "tpu"],
        ["batch", ".", "--task", "dehaze", "--name", "same"],
        ["batch", "."],
        ["batch", ".", "--task", "dehaze", "--model", "nonesuch"],
        ["models", "show", "nonesuch"],
        ["evaluate", "--model", "tiny-x2", "--hr", "nowhere"],
        ["restore", "a.png"],
        ["fly"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("tiny_models")
def test_wrong_usage_is_exit_code_2_and_no_traceback(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = dinplug_says(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and not result.stdout


@pytest.mark.usefixtures("tiny_models")
def test_a_model_of_any_factor_asks_for_one(tmp_path: Path) -> None:
    source = photo(tmp_path / "a.png")
    arguments = ["restore", "--model", "tiny-as", str(source), str(tmp_path / "b.png")]
    result = dinplug_says(*arguments)
    assert result.exit_code == 2
    assert "tiny-as enlarges by any factor: say by which with --scale" in result.stderr
    assert dinplug_says(*arguments, "--scale", "1.5").exit_code == 0


def test_no_arguments_show_the_help() -> None:
    assert "Commands:" in dinplug_says().stderr


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--out", ""], "the name of a folder is empty"),
        (["--format", "tiff", "--quality", "90"], "quality is for JPEG and WebP"),
        (["--format", "jpeg", "--compression", "lzw"], "compression is for TIFF"),
        (["--reference", "--tile", "64"], "--reference runs untiled"),
        (["--reference", "--max-memory", "1G"], "--reference runs untiled"),
        (["--reference", "--max-vram", "1G"], "--reference runs untiled"),
        (["--reference", "--precision", "float16"], "--reference runs in float32"),
        (["--device", "cpu", "--max-vram", "1G"], "--max-vram is for a CUDA device"),
        (["--include", "*.tif"], "fit --include and --exclude"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wishes_that_contradict_are_refused(
    arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    photo(tmp_path / "a.png")
    result = dinplug_says("batch", tmp_path, "--model", "tiny-derain", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


def run_closed(closing: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command with streams closed or full, as the shell says it."""
    script = f'exec "$0" -m dinplug.cli "$@" {closing}'
    return subprocess.run(
        ["sh", "-c", script, sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.name != "posix", reason="the shell of Unix closes streams")
class TestStreams:
    @pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_closed_streams_lead_nowhere(self, closing: str, tmp_path: Path) -> None:
        source = photo(tmp_path / "a.png")
        result = run_closed(closing, "restore", "--task", "dehaze", source, tmp_path / "b.png")
        assert (result.returncode, "Traceback" in result.stderr) == (0, False)
        with Image.open(tmp_path / "b.png") as restored:
            assert restored.size == (24, 17)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
    def test_output_that_cannot_be_written_is_one_line(self) -> None:
        result = run_closed(">/dev/full", "models")
        assert result.returncode == SetupError.exit_code
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: output: ")


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


class TestModels:
    def test_the_list_has_every_model(self, tiny_models: Path) -> None:
        result = dinplug_says("models")
        assert result.exit_code == 0
        heading, *lines = result.stdout.splitlines()
        assert heading.split() == [
            "task", "model", "network", "scale", "parameters", "weights", "licence",
        ]  # fmt: skip
        listed = {line.split()[1]: line for line in lines}
        assert set(MODELS) | {"tiny-x2"} <= set(listed)
        assert "694,404" in listed["imdn-x2"] and "bundled" in listed["imdn-x2"]
        assert "none" in listed["msfin-x4"]
        assert "imported" in listed["tiny-x2"] and "any" in listed["tiny-as"]

    def test_a_card_is_shown(self, tiny_models: Path) -> None:
        result = dinplug_says("models", "show", "tiny-x2")
        assert result.exit_code == 0
        values = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
        assert values["task"] == "sr" and values["licence"] == "Apache-2.0"
        assert len(values["weights_sha256"]) == 64

    def test_authors_files_are_imported_and_used(
        self, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DINPLUG_DATA_HOME", str(tmp_path / "data"))
        checkpoint = shared / "reference" / "checkpoints" / "IMDN_x2.pth"
        result = dinplug_says("models", "import", checkpoint)
        assert result.exit_code == 0
        name = f"imdn-x2-{sha256(checkpoint.read_bytes())[:8]}"  # imdn-x2 is dinplug's own
        assert result.stdout.startswith(f"imported {name}: IMDN for sr, x2, 694,404 parameters")
        named = dinplug_says("models", "import", checkpoint, "--name", "mine")
        assert "--model mine" in named.stdout
        source = photo(tmp_path / "a.png")
        restored = dinplug_says("restore", "--model", "mine", source, tmp_path / "b.png")
        assert restored.exit_code == 0
        with Image.open(tmp_path / "b.png") as written:
            assert written.size == (48, 34)

    def test_a_file_that_is_no_checkpoint_is_one_line(
        self, tiny_models: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "evil.pth").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
        result = dinplug_says("models", "import", tmp_path / "evil.pth")
        assert result.exit_code == SetupError.exit_code
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ") and "evil.pth" in line


class TestEvaluate:
    def test_one_json_object(self, tiny_models: Path, tmp_path: Path) -> None:
        for number, name in enumerate(("b", "a")):
            photo(tmp_path / "hr" / f"{name}.png", number, (35, 33))
        result = dinplug_says("evaluate", "--model", "tiny-x2", "--hr", tmp_path / "hr", "--json")
        assert result.exit_code == 0, result.output
        values = json.loads(result.stdout)
        assert set(values) == {"model", "scale", "psnr", "ssim", "images"}
        assert (values["model"], values["scale"]) == ("tiny-x2", 2)
        assert [image["name"] for image in values["images"]] == ["a", "b"]
        for measure in ("psnr", "ssim"):
            mean = sum(image[measure] for image in values["images"]) / 2
            assert values[measure] == pytest.approx(mean, rel=1e-12)

    def test_a_table(self, tiny_models: Path, tmp_path: Path) -> None:
        photo(tmp_path / "hr" / "a.png", 1, (36, 32))
        photo(tmp_path / "lr" / "ax2.png", 2, (18, 16))
        arguments = ("--model", "tiny-x2", "--hr", tmp_path / "hr", "--lr", tmp_path / "lr")
        result = dinplug_says("evaluate", *arguments, "--ensemble", "--protocol", "whole")
        assert result.exit_code == 0, result.output
        heading, row, mean = result.stdout.splitlines()
        assert heading.split() == ["tiny-x2", "PSNR", "SSIM"]
        assert row.split()[1:] == mean.split()[1:] and mean.split()[0] == "mean"

    def test_pictures_that_do_not_fit_are_exit_code_1(
        self, tiny_models: Path, tmp_path: Path
    ) -> None:
        photo(tmp_path / "hr" / "a.png", 1, (36, 32))
        photo(tmp_path / "lr" / "a.png", 2, (18, 15))
        arguments = ("--model", "tiny-x2", "--hr", tmp_path / "hr", "--lr", tmp_path / "lr")
        result = dinplug_says("evaluate", *arguments)
        assert result.exit_code == 1
        assert "is 18x15, and a.png at scale 2 needs 18x16" in result.stderr


def test_the_doctor_names_what_there_is(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "share" / "krita").mkdir(parents=True)
    (tmp_path / "config" / "GIMP" / "3.0").mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr("sys.platform", "linux")
    result = dinplug_says("doctor")
    assert result.exit_code == 0, result.output
    for part in ("torch", "kernels", "tiny-derain (imported)", str(tiny_models), "cpu"):
        assert part in result.stdout
    hosts = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert str(tmp_path / "share" / "krita") in hosts["Krita"]
    assert str(tmp_path / "config" / "GIMP" / "3.0") in hosts["GIMP"]


def test_a_missing_library_is_exit_code_3(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    result = dinplug_says("doctor")
    assert result.exit_code == 3
    assert "rawpy" in result.stdout and "FAULT" in result.stdout


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
