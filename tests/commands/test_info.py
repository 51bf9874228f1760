"""`dinplug info`, from the outside, on files of friends and of strangers."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, PngImagePlugin

import dinplug
from dinplug.cli import main
from dinplug.commands.info import repeating_commands
from dinplug.imaging import Provenance
from dinplug.imaging.history import with_history
from tests.imaging.test_history import HOSTILE


def info(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, ["info", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def picture(path: Path, packet: bytes | None = None) -> Path:
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (9, 8, 3), dtype=np.uint8))
    if packet is None:
        image.save(path)
    elif path.suffix == ".png":
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt("XML:com.adobe.xmp", packet.decode("latin-1"))
        image.save(path, pnginfo=chunks)
    elif path.suffix == ".tif":
        image.save(path, tiffinfo={700: packet})
    else:
        image.save(path, xmp=packet)
    return path


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
def test_its_command_makes_the_same_file_again(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a photo's name.png"))
    wishes = ["--model", "tiny-dehaze", "--strength", "0.3", "--ensemble"]
    wishes += {"jpg": ["--quality", "91"], "tif": ["--compression", "lzw"]}.get(suffix, [])
    wishes += ["--output-profile", "display-p3"]
    target = Path(f"result.{suffix}")
    arguments = ["restore", *wishes, "a photo's name.png", str(target)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    told = info(target)
    assert told.exit_code == 0
    lines = told.output.splitlines()
    assert lines[0] == f"{target}: restored by dinplug {dinplug.__version__}"
    (command,) = [line for line in lines if line.startswith("  repeat   ")]
    words = shlex.split(command.removeprefix("  repeat   "))
    assert words[:2] == ["dinplug", "restore"]
    before = target.read_bytes()
    target.unlink()
    assert CliRunner().invoke(main, words[1:]).exit_code == 0
    assert target.read_bytes() == before


@pytest.mark.usefixtures("tiny_models")
def test_two_steps_are_told_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("a.png"))
    for task, source, target in (("derain", "a.png", "b.png"), ("x2", "b.png", "c.tif")):
        arguments = ["restore", "--model", f"tiny-{task}", source, target]
        assert CliRunner().invoke(main, arguments).exit_code == 0
    steps = json.loads(info("c.tif", "--json").output)["steps"]
    assert [step["model"] for step in steps] == ["tiny-derain", "tiny-x2"]
    assert [step["command"] for step in steps] == [
        "dinplug restore --model tiny-derain a.png b.png",
        "dinplug restore --model tiny-x2 b.png c.tif",
    ]
    assert len(steps[0]["weights"]) == 64
    assert "(step 2 of 2)" in info("c.tif").output


@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp", "gif"])
def test_of_other_files_it_says_so(suffix: str, tmp_path: Path) -> None:
    told = info(picture(tmp_path / f"a.{suffix}"))
    assert (told.exit_code, told.output.count("\n")) == (0, 1)
    assert "not made by dinplug" in told.output
    assert json.loads(info(tmp_path / f"a.{suffix}", "--json").output)["steps"] == []


def test_what_is_no_photo_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no photo")
    told = info(tmp_path / "a.txt")
    assert told.exit_code == 1 and told.stderr.startswith("Error: ")
    assert info(tmp_path / "nowhere.jpg").exit_code == 2


@pytest.mark.parametrize("suffix", ["tif", "png", "webp"])
@pytest.mark.parametrize("case", ["entity bomb", "external entity", "too deep", "half a letter"])
def test_hostile_packets_are_an_error_of_one_line(case: str, suffix: str, tmp_path: Path) -> None:
    told = info(picture(tmp_path / f"a.{suffix}", HOSTILE[case]))
    if case == "half a letter" and suffix == "png":
        assert told.exit_code == 0  # as text of a PNG, this is a whole letter
        return
    assert told.exit_code == 1
    (line,) = told.stderr.splitlines()
    assert "XMP is damaged" in line and "root:" not in line


def test_letters_that_move_a_terminals_cursor_are_shown_as_escapes(tmp_path: Path) -> None:
    note = {"Task": "a\n\x7f\x9b2J\u202egpj", "Network": "m\x85", "Source": "\u2066x\n.jpg"}
    told = info(picture(tmp_path / "a.tif", with_history(None, note)))
    assert told.exit_code == 0
    assert all(letter.isprintable() or letter == "\n" for letter in told.output)
    assert "\\u202e" in told.output and "no command" in told.output


STEP = Provenance("dehaze", "din", "ab", "strength=0.5", "1", "a.jpg")


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "--out"},
        {"model": "a b; rm -rf ~"},
        {"model": ""},
        {"options": "strength=0.5; rm"},
        {"options": "strength=$(id)"},
        {"options": "overwrite"},
        {"options": "device=cuda"},
        {"options": "ensemble=1"},
        {"options": "output-profile=--overwrite"},
        {"options": "output-profile=../../etc/x"},
        {"options": "'open"},
    ],
    ids=str,
)
def test_a_strangers_note_makes_no_command(changed: dict[str, str]) -> None:
    step = Provenance(**{**STEP.__dict__, **changed})
    assert repeating_commands([step], "b.jpg") == [None]


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("$(id) `x`.jpg", "'$(id) `x`.jpg'"),
        ("it's; rm.jpg", "'it'\"'\"'s; rm.jpg'"),
        ("--overwrite", "./--overwrite"),
        ("../../etc/passwd", "passwd"),
        ("c:\\x\\y.jpg", "y.jpg"),
        ("", "ORIGINAL"),
        ("a\nb", "ORIGINAL"),
    ],
)
def test_names_are_quoted_and_lead_nowhere_else(source: str, shown: str) -> None:
    step = Provenance(**{**STEP.__dict__, "source": source})
    expected = f"dinplug restore --model din --strength 0.5 {shown} b.jpg"
    assert repeating_commands([step], "b.jpg") == [expected]


@pytest.mark.parametrize("name", ["b.jpg", "B.jpg", "-b.jpg"])
def test_the_result_of_a_batch_gets_a_name_beside_its_original(name: str) -> None:
    (command,) = repeating_commands([Provenance(**{**STEP.__dict__, "source": name.lower()})], name)
    assert command is not None and command.endswith(f" restored-{name}")


def test_it_needs_no_torch(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    code = (
        "import sys; from dinplug.cli import main\n"
        "main(['info', sys.argv[1]], standalone_mode=False); sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    assert subprocess.run(command, capture_output=True).returncode == 0
