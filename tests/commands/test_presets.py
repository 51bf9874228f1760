"""Presets and defaults from files, from the outside."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinplug.batch.journal import Journal
from dinplug.batch.options import SETTINGS
from dinplug.cli import main


def dinplug_says(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> Path:
    """A configuration folder of its own, beside a photo in the present folder."""
    folder = tmp_path / "config"
    (folder / "presets").mkdir(parents=True)
    monkeypatch.setenv("DINPLUG_CONFIG_HOME", str(folder))
    monkeypatch.delenv("DINPLUG_KERNELS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (20, 16), (90, 120, 40)).save(tmp_path / "photos" / "a.png")
    return folder


def keep(config: Path, text: str, preset: str | None = None) -> Path:
    path = config / "presets" / f"{preset}.toml" if preset else config / "config.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_command_line_goes_before_the_preset_before_the_config(config: Path) -> None:
    keep(config, 'model = "tiny-derain"\nstrength = 0.25\nquality = 88\nformat = "jpeg"')
    keep(config, 'strength = 0.5\nname = "{stem}_web"\nformat = "png"', "web")
    assert dinplug_says("batch", "photos").exit_code == 0
    result = dinplug_says("batch", "photos", "--preset", "web", "--strength", "1")
    assert result.exit_code == 0, result.output
    result = dinplug_says("batch", "photos", "--preset", "web", "--out", "third")
    assert result.exit_code == 0, result.output
    journal = Journal.read(Path("photos-derain").absolute())
    third = Journal.read(Path("third").absolute())
    found = [
        journal.find(journal.folder / "a.jpg"),
        journal.find(journal.folder / "a_web.png"),
        third.find(third.folder / "a_web.png"),
    ]
    options = [record and record.recipe.options for record in found]
    assert [made and made["strength"] for made in options] == [0.25, 1.0, 0.5]
    # A quality from below means nothing to PNG, and is no contradiction.
    assert [made and made["quality"] for made in options] == [88, None, None]


@pytest.mark.parametrize(
    ("arguments", "used"),
    [
        ([], "tile = 64, ensemble = true, compression = zstd"),
        (["--no-ensemble", "--tile", "32"], "compression = zstd"),
        (["--format", "png"], "tile = 64, ensemble = true"),
        (["--reference"], "ensemble = true, compression = zstd"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_dry_run_says_what_comes_from_where(
    config: Path, arguments: list[str], used: str
) -> None:
    defaults = keep(config, 'tile = 64\nensemble = true\ncompression = "zstd"\nscale = 4')
    preset = keep(config, 'model = "tiny-derain"\nname = "{stem}_web"', "web")
    result = dinplug_says("batch", "photos", "--preset", "web", "--dry-run", *arguments)
    assert result.exit_code == 0, result.output
    assert [line.removeprefix("settings from ") for line in result.stderr.splitlines()] == [
        f"{preset.relative_to(config.parent)}: model = tiny-derain, name = {{stem}}_web",
        f"{defaults.relative_to(config.parent)}: {used}",
    ]
    assert "photos-derain/a_web." in result.stdout


def test_another_task_takes_no_model_from_below(config: Path) -> None:
    keep(config, 'model = "tiny-x2"\nscale = 2')
    result = dinplug_says("batch", "photos", "--model", "tiny-dehaze", "--dry-run")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "photos-dehaze/a.png" in result.stdout


def test_the_environment_goes_before_a_preset(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(config, 'model = "tiny-derain"\nkernels = "on"', "web")
    arguments = ["batch", "photos", "--preset", "web", "--dry-run"]
    assert "kernels = on" in dinplug_says(*arguments).stderr
    monkeypatch.setenv("DINPLUG_KERNELS", "off")
    assert "kernels" not in dinplug_says(*arguments).stderr


def test_restore_takes_the_format_from_the_name_of_the_result(config: Path) -> None:
    keep(config, 'model = "tiny-derain"\nformat = "jpeg"\nquality = 50\nexclude = ["*"]', "web")
    arguments = ["restore", "--preset", "web", "photos/a.png"]
    assert dinplug_says(*arguments, "b.tif").exit_code == 0
    assert dinplug_says(*arguments, "b.jpg").exit_code == 0
    with Image.open("b.tif") as tiff, Image.open("b.jpg") as jpeg:
        assert (tiff.format, jpeg.format) == ("TIFF", "JPEG")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sharpness = 3", "unknown setting 'sharpness'; there are "),
        ("overwrite = true", "unknown setting 'overwrite'"),
        ("max_memory = '1G'", "unknown setting 'max_memory'"),
        ("[batch]\ntile = 3", "unknown setting 'batch'"),
        ("strength = true", "strength = True is not a text or number"),
        ("strength = [0.5]", "strength = [0.5] is not a text or number"),
        ("strength = 1.5", "strength: 1.5 is not in the range"),
        ("ensemble = 'yes'", "ensemble = 'yes' is not true or false"),
        ("include = ['*.tif', 3]", "is not a text"),
        ("task = 'denoise'", "task: 'denoise' is not one of"),
        ("tile = 'large'", "tile: 'large' is not a valid integer"),
        ("max-memory = 'lots'", "max-memory: 'lots' is no amount of memory"),
        ("scale = 2026-11-21", "is not a text or number"),
        ("task dehaze", "not TOML in UTF-8"),
        ("a = " + "[" * 20000, "not TOML in UTF-8"),
        ("#" * 70000, "too large for a file of settings"),
    ],
    ids=lambda value: value[:24],
)
def test_what_is_no_setting_is_one_line_and_exit_code_2(
    config: Path, text: str, complaint: str
) -> None:
    path = keep(config, text, "bad")
    result = dinplug_says("batch", "photos", "--preset", "bad")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {path}: ") and complaint in line
    path.rename(config / "config.toml")
    assert dinplug_says("batch", "photos", "--model", "tiny-derain").exit_code == 2
    assert dinplug_says("batch", "--help").exit_code == 0


@pytest.mark.parametrize("content", [b"name = '\xff'", b"\xff\xfet\0a\0"])
def test_other_encodings_are_refused(config: Path, content: bytes) -> None:
    (config / "presets" / "bad.toml").write_bytes(content)
    result = dinplug_says("batch", "photos", "--preset", "bad")
    assert result.exit_code == 2 and "not TOML in UTF-8" in result.stderr


@pytest.mark.parametrize(
    "name",
    ["../secret", "..", "a/../../secret", "/etc/passwd", "", "a\\b", ".hidden", "a\n", "C:x"],
)
def test_names_that_lead_elsewhere_are_refused(config: Path, name: str) -> None:
    (config / "secret.toml").write_text("strength = 0.5")
    (config / "presets" / ".hidden.toml").write_text("strength = 0.5")
    for command in (["batch", "photos", "--preset", name], ["presets", "show", name]):
        result = dinplug_says(*command)
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert "is no name of a preset" in line


def test_a_preset_that_is_not_there_names_those_that_are(config: Path) -> None:
    keep(config, "", "web")
    keep(config, "", "Über Nacht")
    result = dinplug_says("batch", "photos", "--preset", "night")
    assert result.exit_code == 2
    assert "no preset 'night'" in result.stderr and "there are: web, Über Nacht" in result.stderr


@pytest.mark.skipif(os.name != "posix", reason="rights of Unix")
def test_a_file_that_cannot_be_read_is_one_line(config: Path) -> None:
    (config / "config.toml").mkdir()
    result = dinplug_says("batch", "photos", "--model", "tiny-derain")
    assert result.exit_code == 2
    assert f"Error: {config / 'config.toml'}: cannot be read (" in result.stderr


def test_presets_are_listed_and_shown(config: Path) -> None:
    assert ": none yet" in dinplug_says("presets").stdout
    path = keep(config, 'strength = 0.7\ninclude = ["*.tif", "*.cr2"]\nensemble = false', "web")
    listed = dinplug_says("presets")
    assert listed.exit_code == 0
    assert "  web  strength = 0.7, include = *.tif *.cr2, ensemble = false\n" in listed.stdout
    shown = dinplug_says("presets", "show", "web")
    assert shown.stdout.splitlines() == [
        str(path), "  strength = 0.7", "  include = *.tif *.cr2", "  ensemble = false",
    ]  # fmt: skip
    keep(config, "nonsense = 1", "bad")
    result = dinplug_says("presets")
    assert result.exit_code == 2
    assert "  bad  FAULT: " in result.stdout and "  web  strength" in result.stdout


def test_every_setting_is_an_option_of_batch() -> None:
    options = {option for param in main.commands["batch"].params for option in param.opts}
    assert {f"--{name}" for name in SETTINGS} <= options


def test_listing_needs_no_torch(config: Path) -> None:
    keep(config, "tile = 64", "web")
    code = (
        "import sys; from dinplug.cli import main\n"
        "main(['presets'], standalone_mode=False); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
