"""The command line as a whole: help, usage, streams."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from PIL import Image

import dinplug
from dinplug.cli import main
from dinplug.errors import SetupError
from tests.commands.shell import dinplug_says, photo


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
