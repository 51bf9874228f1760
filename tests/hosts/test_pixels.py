"""Pixel files are private, lose their names at once, and nothing else is opened or removed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dinplug.hosts import pixels
from dinplug.hosts.pixels import PixelFolder, PixelShape
from dinplug.hosts.protocol import ProtocolError

NAME = "0" * 32 + ".pixels"
ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> PixelFolder:
    """A folder of this test's own."""
    return PixelFolder.make(str(tmp_path))


def test_bytes_arrive_and_the_file_is_gone(folder: PixelFolder) -> None:
    name = folder.write(b"samples", b"", bytearray(b"profile"))
    assert folder.read(name, 14) == b"samplesprofile"
    assert os.listdir(folder.path) == ["lock"]
    with pytest.raises(ProtocolError, match="cannot be opened"):
        folder.read(name, 14)


def test_a_mapping_outlives_its_file(folder: PixelFolder) -> None:
    name = folder.write(b"samples")
    view = folder.mapped(name, 7)
    folder.close()
    assert not os.path.exists(folder.path)
    assert view[:] == b"samples"


@posix
def test_only_this_user_can_enter_and_read(folder: PixelFolder) -> None:
    before = os.umask(0)
    try:
        name = folder.write(b"samples")
        other = PixelFolder.make(os.path.dirname(folder.path))
    finally:
        os.umask(before)
    assert os.stat(folder.path).st_mode & 0o777 == 0o700
    assert os.stat(other.path).st_mode & 0o777 == 0o700
    assert os.stat(os.path.join(folder.path, name)).st_mode & 0o777 == 0o600
    assert other.path != folder.path


@pytest.mark.parametrize(
    "name",
    ["", "lock", "../" + NAME, "/etc/passwd", NAME + "/..", NAME + "\n", NAME.upper(), "x" * 5000,
     "\0" * 39, "a/" + NAME],
)  # fmt: skip
def test_other_names_are_refused(folder: PixelFolder, name: str) -> None:
    with pytest.raises(ProtocolError, match="name of a pixel file"):
        folder.read(name, 1)
    with pytest.raises(ProtocolError, match="name of a pixel file"):
        folder.discard(name)
    assert os.listdir(folder.path) == ["lock"]


@posix
def test_links_pipes_and_folders_are_refused(folder: PixelFolder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    secret.chmod(0o600)
    path = os.path.join(folder.path, NAME)
    os.symlink(secret, path)
    with pytest.raises(ProtocolError, match="cannot be opened"):
        folder.read(NAME, 6)
    os.unlink(path)
    os.link(secret, path)
    with pytest.raises(ProtocolError, match="no private file"):
        folder.read(NAME, 6)
    os.unlink(path)
    os.mkfifo(path, 0o600)
    with pytest.raises(ProtocolError, match="no private file"):
        folder.read(NAME, 6)
    os.unlink(path)
    os.mkdir(path, 0o700)
    with pytest.raises(ProtocolError):
        folder.read(NAME, 6)
    os.rmdir(path)
    Path(path).write_bytes(b"secret")
    os.chmod(path, 0o644)
    with pytest.raises(ProtocolError, match="no private file"):
        folder.read(NAME, 6)
    assert secret.read_bytes() == b"secret"


def test_the_size_must_be_as_stated(folder: PixelFolder) -> None:
    for size in (6, 8):
        with pytest.raises(ProtocolError, match="7 bytes and not"):
            folder.read(folder.write(b"samples"), size)
    assert os.listdir(folder.path) == ["lock"]


def test_a_folder_must_be_ours(tmp_path: Path) -> None:
    good = PixelFolder.make(str(tmp_path))
    for path in ("relative", str(tmp_path), str(tmp_path / (pixels.PREFIX + "none"))):
        with pytest.raises(ProtocolError):
            PixelFolder(path)
    if os.name == "posix":
        link = tmp_path / (pixels.PREFIX + "link")
        link.symlink_to(good.path)
        open_to_all = tmp_path / (pixels.PREFIX + "open")
        open_to_all.mkdir(mode=0o700)
        open_to_all.chmod(0o755)
        for wrong in (link, open_to_all):
            with pytest.raises(ProtocolError, match="no private folder"):
                PixelFolder(str(wrong))


def test_closing_leaves_what_is_not_ours(folder: PixelFolder) -> None:
    folder.write(b"samples")
    stranger = os.path.join(folder.path, "holiday.jpg")
    Path(stranger).write_bytes(b"photo")
    folder.close()
    assert os.listdir(folder.path) == ["holiday.jpg"]
    with pytest.raises(OSError, match="closed"):
        folder.write(b"more")


def test_a_write_that_fails_leaves_nothing(folder: PixelFolder) -> None:
    with pytest.raises(TypeError):
        folder.write(b"samples", "no bytes")
    assert os.listdir(folder.path) == ["lock"]


@posix
def test_what_a_killed_run_left_is_swept_up(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from dinplug.hosts.pixels import PixelFolder;"
        f"folder = PixelFolder.make({str(tmp_path)!r}); folder.write(b'samples');"
        "print(folder.path, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    left = Path(done.stdout.strip())
    assert len(list(left.iterdir())) == 2
    alive = PixelFolder.make(str(tmp_path))
    assert left.exists()  # it may just be being made
    long_ago = time.time() - 3600
    for path in (left, Path(alive.path)):
        os.utime(path, (long_ago, long_ago))
    PixelFolder.make(str(tmp_path))
    assert not left.exists()
    assert os.path.exists(alive.path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0}, {"height": -1}, {"width": 2**31}, {"channels": 5}, {"channels": 0},
        {"dtype": "int16"}, {"dtype": None}, {"profile_bytes": -1}, {"profile_bytes": 2**40},
        {"width": 300000, "height": 300000}, {"width": 1.5}, {"width": True},
    ],
    ids=repr,
)  # fmt: skip
def test_impossible_shapes_are_refused(wrong: dict[str, object]) -> None:
    good = PixelShape(30, 20, 4, "uint16", 7)._asdict()
    assert PixelShape.of(good).file_bytes == 30 * 20 * 8 + 7
    with pytest.raises(ProtocolError):
        PixelShape.of({**good, **wrong})
