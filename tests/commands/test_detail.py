"""`--quiet` and `--verbose`, from the outside."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinplug.batch.events import PhotoDone, PhotoStarted, RunFinished, RunStarted, from_json
from dinplug.cli import main

LASTING = (RunStarted, PhotoStarted, PhotoDone, RunFinished)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Image.new("RGB", (20, 16), (9, 90, 200)).save("photos/a.png")
    Image.new("RGB", (20, 16), (9, 90, 200)).save("photos/a.tif")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, [*arguments, "--model", "tiny-derain"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize(
    "command", [["batch", "photos", "--format", "png"], ["restore", "photos/a.png", "b.png"]]
)
@pytest.mark.parametrize("flag", ["--quiet", "-q"])
def test_quiet_says_nothing_where_all_is_well(command: list[str], flag: str) -> None:
    result = run(*command, flag)
    assert (result.exit_code, result.output) == (0, "")


def test_quiet_names_what_failed() -> None:
    Path("photos/b.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    result = run("batch", "photos", "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("failed: photos/b.png: ")
    result = run("restore", "photos/b.png", "c.png", "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: photos/b.png: ")


def test_verbose_says_with_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("strength = 0.5")
    for command in (["batch", "photos"], ["restore", "photos/a.png", "b.png"]):
        result = run(*command, "-v")
        assert result.exit_code == 0, result.output
        for part in (
            "tiny-derain for derain, weights SHA-256 ", "device ", "strength=0.5",
            "settings from config.toml: strength = 0.5", "begun: photos/a.png",
        ):  # fmt: skip
            assert part in result.stderr
    assert "begun" not in run("restore", "photos/a.png", "c.png").stderr


def test_json_is_the_same_in_any_detail() -> None:
    kinds = []
    for number, flags in enumerate(([], ["-q"], ["-v"])):
        result = run("batch", "photos", "--json", "--out", f"out{number}", *flags)
        assert result.exit_code == 0
        events = [from_json(line) for line in result.stdout.splitlines()]
        # How much of the progress is told, and which photo is first, depends on time.
        kinds.append(sorted(type(event).__name__ for event in events if type(event) in LASTING))
    assert len(kinds[0]) == 6
    assert kinds[0] == kinds[1] == kinds[2]
