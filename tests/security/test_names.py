"""Names are names: no shell reads them, and none leads out of the folder of results."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from PIL import Image

from dinplug.cli import main
from tests.checkpoints.checkpoint_files import released_imdn, saved

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names that Windows does not allow")


def dinplug_says(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(2).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="rgb")
    else:
        Image.fromarray(pixels).save(path, "JPEG" if path.suffix == ".jpg" else "PNG")
    return path


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("tiny_models")
def test_no_shell_reads_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TIFF files go through a decoder in a process of its own, under the name they have."""
    monkeypatch.chdir(tmp_path)
    names = [
        "$(touch pwned).png",
        "`touch pwned`.tif",
        "; touch pwned; #.tif",
        "| touch pwned.jpg",
        "a && touch pwned.tif",
        "--help.tif",
        "-rf.png",
        "%s %n {stem} {0.__class__}.png",
        "line\nbreak.tif",
        "'quotes\" and \\ more'.tif",
    ]
    for name in names:
        photo(tmp_path / "in" / name)
    before = everything(tmp_path)
    report = tmp_path / "report.html"
    result = dinplug_says("batch", "in", "--model", "tiny-derain", "--report", report)
    assert result.exit_code == 0, result.stderr
    made = {name for name in everything(tmp_path) - before if not name.startswith("report")}
    assert made == {f"in-derain/{name}" for name in names} | {"in-derain/.dinplug-journal.jsonl"}


@pytest.mark.usefixtures("tiny_models")
def test_results_stay_in_their_folder(tmp_path: Path) -> None:
    """Folders that are links, and names of dots, give results below the folder of results."""
    photo(tmp_path / "elsewhere" / "deep" / "b.png")
    for name in ("a.png", "..png.png", "...png", ".. .png"):
        photo(tmp_path / "in" / "sub" / name)
    (tmp_path / "in" / "sub" / "link").symlink_to(tmp_path / "elsewhere")
    before = everything(tmp_path)
    out = tmp_path / "results" / "out"
    for template in ("{stem}{suffix}", "..{stem}", "{stem}..{suffix}", "{task}{stem}"):
        words = ("--model", "tiny-derain", "--name", template)
        result = dinplug_says("batch", tmp_path / "in", *words, "--out", out)
        assert result.exit_code == 0, result.stderr
    new = everything(tmp_path) - before
    assert len(new) > 12 and all(name.startswith("results/out/") for name in new)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..", "a/../../b", "tiny-derain\0", "~"])
def test_the_name_of_a_model_is_no_path(tmp_path: Path, name: str) -> None:
    source = photo(tmp_path / "a.png")
    commands: list[list[str | Path]] = [
        ["restore", "--model", name, source, tmp_path / "b.png"],
        ["models", "show", name],
    ]
    for command in commands:
        result = dinplug_says(*command)
        assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1
    assert everything(tmp_path) == {"a.png"}


def test_an_archive_of_weights_unpacks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are zip archives; members that lead elsewhere are never written."""
    monkeypatch.setenv("DINPLUG_DATA_HOME", str(tmp_path / "home"))
    checkpoint = tmp_path / "IMDN_x2.pth"
    checkpoint.write_bytes(saved(released_imdn()))
    with zipfile.ZipFile(checkpoint, "a") as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist()}
        for name in ("../../mark", "/tmp/mark", f"{folder}/../../../mark", f"{folder}/data/../x"):
            archive.writestr(name, b"mark")
    before = everything(tmp_path)
    dinplug_says("models", "import", checkpoint, "--name", "mine")
    made = everything(tmp_path) - before
    assert made <= {"home/models/mine.safetensors", "home/models/mine.json"}


@pytest.mark.usefixtures("tiny_models")
def test_a_strangers_journal_leads_nowhere(tmp_path: Path) -> None:
    """A journal that came with a folder of results neither writes nor removes anything outside."""
    source = photo(tmp_path / "in" / "a.png").parent
    out = tmp_path / "in-derain"
    assert dinplug_says("batch", source, "--model", "tiny-derain").exit_code == 0
    (tmp_path / "empty.png").touch()
    journal = out / ".dinplug-journal.jsonl"
    begun = journal.read_text().splitlines()[0]
    assert '"begun"' in begun
    for output in ("../empty.png", str(tmp_path / "empty.png"), "../../../etc/passwd"):
        with journal.open("a") as stream:
            stream.write(begun.replace('"a.png"', f'"{output}"') + "\n")
    before = everything(tmp_path)
    (out / "a.png").unlink()
    assert dinplug_says("batch", source, "--model", "tiny-derain").exit_code == 0
    assert everything(tmp_path) == before
