"""Lists of paths, with any names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from dinplug.batch.path_list import LARGEST_LIST, parse_path_list
from dinplug.cli import main
from dinplug.errors import UsageError

POSIX = pytest.mark.skipif(os.name != "posix", reason="names of Unix")
NAMES = [
    b"plain.png", b" spaces .png", b"line\nbreak.png", b"quote\'\"$(x).png", b"-dash.png",
    "Gr\u00f6\u00dfe.png".encode(), b"latin\xe9\xff.png", b"return\r.png", b"back\\slash.png",
]  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.new("RGB", (16, 12), (90, 120, 40)).save(folder / "plain.png")
    return folder


def batch(listed: bytes, *arguments: str) -> Result:
    command = ["batch", "--model", "tiny-derain", *arguments]
    result = CliRunner().invoke(main, command, input=listed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@POSIX
def test_find_print0_hands_over_any_name(photos: Path) -> None:
    content = (photos / "plain.png").read_bytes()
    for name in NAMES:
        (photos / os.fsdecode(name)).write_bytes(content)
    found = subprocess.run(["find", "photos", "-name", "*.png", "-print0"], capture_output=True)
    result = subprocess.run(
        [
            *(sys.executable, "-m", "dinplug.cli", "batch", "--model", "tiny-derain"),
            *("--from", "-", "--device", "cpu"),
        ],
        input=found.stdout,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert result.returncode == 0, result.stderr
    results = os.listdir(os.fsencode(photos.with_name("photos-derain")))
    assert set(NAMES) <= set(results)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_and_nuls(photos: Path, end: bytes, last: bool) -> None:
    Image.new("RGB", (9, 9)).save(photos / "b c.png")
    listed = b"photos/plain.png" + end + b"photos/b c.png" + end * last
    result = batch(listed, "--from", "-")
    assert result.exit_code == 0, result.output
    assert {"plain.png", "b c.png"} <= set(os.listdir("photos-derain"))


def test_a_list_in_a_file_beside_paths(photos: Path) -> None:
    (photos / "more").mkdir()
    Image.new("RGB", (9, 9)).save(photos / "more" / "b.png")
    Path("list.txt").write_bytes(b"\xef\xbb\xbfphotos/plain.png\n\n")
    result = batch(b"", "photos/more", "--from", "list.txt", "--out", "out")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in Path("out").rglob("*.png")) == ["b.png", "plain.png"]


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        (b"", "standard input: no paths in it"),
        (b"\n\n", "no paths in it"),
        (b"\0\0", "no paths in it"),
        (
            b"photos/plain.png\nnowhere.png\n",
            "of the list standard input, does not exist",
        ),
        ("\ufeffphotos/plain.png\n".encode("utf-16-le"), "is UTF-16; write the list as UTF-8"),
    ],
)
def test_what_is_no_list_is_one_line_and_exit_code_2(
    photos: Path, listed: bytes, complaint: str
) -> None:
    result = batch(listed, "--from", "-")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert complaint in line
    assert os.listdir() == ["photos"]


def test_without_paths_and_list_it_asks_for_paths(photos: Path) -> None:
    result = batch(b"")
    assert result.exit_code == 2 and "Missing argument 'PATHS...'" in result.stderr


def test_a_list_has_a_limit() -> None:
    with pytest.raises(UsageError, match="too long for a list of paths"):
        parse_path_list(b"x" * (LARGEST_LIST + 1), "list")
