"""Folders with files and names that no photographer would make: each costs itself, and no more."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from PIL import Image

from dinplug.batch.lock import LOCK_NAME
from tests.batch.forked_runs import ForkedRuns
from tests.batch.test_faults import COMMAND, contents, noise

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names, links and limits of Unix")
ROOT = Path(__file__).parents[2]


def good(folder: Path, *names: str) -> Path:
    """Put good photos into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(noise(number, 40, 30)).save(folder / name)
    return folder


def failures(said: str) -> dict[str, str]:
    """The reasons by the names of photos, as the summary at the end tells them."""
    found = [line.removeprefix("  failed: ") for line in said.splitlines() if line[:4] == "  fa"]
    return {Path(line.split(": ", 1)[0]).name: line.split(": ", 1)[1] for line in found}


def png_chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + check


def png_claiming(width: int, height: int, *, lines: int = 0) -> bytes:
    """A PNG of so many RGB pixels, of which `lines` lines of zeros are there, well compressed."""
    sizes = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(1 + 3 * width)) for _ in range(lines)) + rows.flush()
    head = png_chunk(b"IHDR", sizes + b"\x08\x02\0\0\0")
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def jpeg_claiming(width: int, height: int, like: Path) -> bytes:
    """A JPEG whose header claims another size."""
    content = bytearray(like.read_bytes())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(content)


def tiff_claiming(width: int, height: int, file: Path) -> None:
    """A TIFF of a few bytes that claims a size."""
    tifffile.imwrite(file, noise(0, 8, 8))
    with tifffile.TiffFile(file, mode="r+") as tiff:
        tiff.pages[0].tags["ImageWidth"].overwrite(width)  # type: ignore[union-attr]
        tiff.pages[0].tags["ImageLength"].overwrite(height)  # type: ignore[union-attr]


PEAK = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps([done.returncode, done.stdout + done.stderr, peak]))
"""
"""Runs a command in a process small enough not to count itself; children of it count too."""


def run_with_peak(source: Path, out: Path, tiny_data_home: Path) -> tuple[int, str, int]:
    """Restore `source` and return exit code, what was said, and the largest process's peak."""
    command = [sys.executable, "-c", PEAK, sys.executable, "-m", "dinplug", *COMMAND]
    done = subprocess.run(
        [*command, str(source), "--out", str(out)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        timeout=300,
        env={**os.environ, "DINPLUG_DATA_HOME": str(tiny_data_home)},
    )
    code, said, peak = json.loads(done.stdout)
    return code, said, peak


def test_bombs_and_absurd_sizes_cost_themselves(tiny_data_home: Path, tmp_path: Path) -> None:
    """Eight of them among five good photos; none is given memory for its pixels."""
    names = ("0.jpg", "b.jpg", "m.tif", "q.png", "z.webp")
    source = good(tmp_path / "photos", *names)
    before = run_with_peak(source, tmp_path / "good", tiny_data_home)
    assert before[0] == 0, before[1]
    (source / "a_largest.png").write_bytes(png_claiming(2**31 - 1, 2**31 - 1))
    (source / "c_bomb.png").write_bytes(png_claiming(60000, 60000, lines=3000))
    (source / "d_strip.png").write_bytes(png_claiming(2**31 - 1, 1))
    (source / "e_none.png").write_bytes(png_claiming(0, 10))
    (source / "f.jpg").write_bytes(jpeg_claiming(65500, 65500, source / "b.jpg"))
    tiff_claiming(60000, 60000, source / "n.tif")
    tiff_claiming(2**31, 2, source / "o.tif")
    tiff_claiming(0, 5, source / "p.tif")
    code, said, peak = run_with_peak(source, tmp_path / "all", tiny_data_home)
    assert code == 1
    assert "5 restored, 0 skipped, 8 failed" in said
    found = failures(said)
    assert set(found) == {path.name for path in source.iterdir()} - set(names)
    assert all(found.values())
    assert contents(tmp_path / "all") == contents(tmp_path / "good")
    # The least of these claims, 65500 x 65500 in 8 bits, is 12 GiB.
    assert peak < before[2] + (100 << 20)


def decoders_of(pid: int) -> list[psutil.Process]:
    """The processes in which a run decodes TIFF and RAW."""
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if any("_decoder.py" in word for word in child.cmdline())]


@pytest.mark.parametrize("kind", ["tiff", "raw"])
def test_a_decoder_that_is_killed_costs_its_photo(
    kind: str, runs: ForkedRuns, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """SIGKILL as soon as it is there: as the system does to a process that takes too much."""
    source = good(tmp_path / "photos", "a.jpg", "z.png")
    if kind == "tiff":
        victim = source / "m.tif"
        tifffile.imwrite(victim, noise(0, 1500, 1500), compression="lzw")
    else:
        shared: Path = request.getfixturevalue("shared")
        raw = shared / "data" / "files" / "raw" / "synthetic_rggb_14bit.dng"
        victim = source / "m.dng"
        victim.write_bytes(raw.read_bytes())
    pid = runs.start(*COMMAND, source, "--out", tmp_path / "out")
    ended = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not killed and not ended.wait(0.001):
            for decoder in decoders_of(pid):
                decoder.kill()
                killed.append(decoder.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        code, said = runs.wait(pid)
    finally:
        ended.set()
        killer.join()
    assert killed
    assert code == 1, said
    assert "2 restored, 0 skipped, 1 failed" in said
    assert failures(said) == {victim.name: "damaged file: its decoder broke off (-9)"}
    assert set(contents(tmp_path / "out")) == {"a.jpg", "z.png"}
    assert runs.run(*COMMAND, source, "--out", tmp_path / "out")[0] == 0
    assert len(contents(tmp_path / "out")) == 3


def test_links_in_circles_do_not_end_the_run(runs: ForkedRuns, tmp_path: Path) -> None:
    source = good(tmp_path / "photos", "a.jpg")
    good(source / "trip", "b.jpg")
    (source / "trip" / "up").symlink_to(source)
    (source / "itself").symlink_to(source / "itself")
    (source / "one.jpg").symlink_to("two.jpg")
    (source / "two.jpg").symlink_to("one.jpg")
    (source / "again.jpg").symlink_to("a.jpg")
    (source / "gone.jpg").symlink_to("nowhere.jpg")
    code, said = runs.run(*COMMAND, source, "--out", tmp_path / "out")
    assert code == 1
    assert set(contents(tmp_path / "out")) == {"a.jpg", "trip/b.jpg"}
    assert failures(said) == {
        "one.jpg": f"cannot be read ({os.strerror(errno.ELOOP)})",
        "two.jpg": f"cannot be read ({os.strerror(errno.ELOOP)})",
        "gone.jpg": f"cannot be read ({os.strerror(errno.ENOENT)})",
    }


def test_a_name_with_no_room_for_more_costs_itself(runs: ForkedRuns, tmp_path: Path) -> None:
    """255 bytes are the longest name: as it is it is kept, with more in it nobody can write it."""
    longest = "x" * 251 + ".jpg"
    source = good(tmp_path / "photos", "a.jpg", longest, "z.jpg")
    command = (*COMMAND, source, "--out")
    assert runs.run(*command, tmp_path / "same")[0] == 0
    assert set(contents(tmp_path / "same")) == {"a.jpg", longest, "z.jpg"}
    code, said = runs.run(*command, tmp_path / "more", "--name", "{stem}_{task}")
    assert code == 1
    assert set(contents(tmp_path / "more")) == {"a_derain.jpg", "z_derain.jpg"}
    assert failures(said)[longest].endswith("the name is too long; choose a shorter --name")
    assert not (tmp_path / "more" / LOCK_NAME).exists()


ODD_NAMES = (
    "CON.jpg",
    "nul.jpg",
    "AUX.jpg",
    "com1.jpg",
    "dots...jpg",
    "space .jpg",
    " before.jpg",
    "a:b.jpg",
    'q"?*.jpg',
    "back\\slash.jpg",
    "line\nbreak.jpg",
    "-rf.jpg",
    "{stem}.jpg",
    "%s.jpg",
    "ü.jpg",
    "\u202egpj.jpg",
)


def test_odd_names_are_kept(runs: ForkedRuns, tmp_path: Path) -> None:
    """What this system takes as a name it gets as one; also folders, and bytes of no encoding."""
    source = good(tmp_path / "photos", *ODD_NAMES)
    good(source / "CON", "a.jpg")
    good(source / "trip. ", "a.jpg")
    undecodable = os.fsdecode(b"\xff\xfe.jpg")
    (source / undecodable).write_bytes((source / "CON.jpg").read_bytes())
    code, said = runs.run(*COMMAND, source, "--out", tmp_path / "out")
    assert code == 0, said
    expected = {*ODD_NAMES, "CON/a.jpg", "trip. /a.jpg", undecodable}
    assert set(contents(tmp_path / "out")) == expected
    assert len(said.splitlines()) == len(expected) + 1  # no name makes lines of its own
    code, said = runs.run(*COMMAND, source, "--out", tmp_path / "out")
    assert f"0 restored, {len(expected)} skipped" in said


def test_names_that_are_alike_get_results_of_their_own(runs: ForkedRuns, tmp_path: Path) -> None:
    """In another case, another Unicode form, or with another extension."""
    names = ("a.jpg", "A.jpg", "a.JPG", "a.png", "a.tif", "\u00e9.jpg", "e\u0301.jpg")
    source = good(tmp_path / "photos", *names)
    command = (*COMMAND, source, "--out", tmp_path / "out", "--format", "png")
    code, said = runs.run(*command)
    assert code == 0, said
    assert said.count("another photo has that name already") == len(names) - 2
    results = contents(tmp_path / "out")
    assert len(results) == len({name.casefold() for name in results}) == len(names)
    pixels = {tuple(np.asarray(Image.open(tmp_path / "out" / name)).ravel()) for name in results}
    assert len(pixels) == len(names)
    code, said = runs.run(*command)
    assert f"0 restored, {len(names)} skipped" in said


WITHOUT_ROOTS_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def test_what_may_not_be_read_costs_itself(tiny_data_home: Path, tmp_path: Path) -> None:
    source = good(tmp_path / "photos", "a.jpg", "m.jpg", "z.jpg")
    good(source / "closed", "b.jpg")
    is_root = os.geteuid() == 0
    if is_root and shutil.which(WITHOUT_ROOTS_RIGHTS[0]) is None:
        pytest.skip("root may read everything")
    command = [sys.executable, "-m", "dinplug", *COMMAND, str(source), "--out"]
    (source / "m.jpg").chmod(0)
    (source / "closed").chmod(0)
    try:
        done = subprocess.run(
            [*(WITHOUT_ROOTS_RIGHTS if is_root else ()), *command, str(tmp_path / "out")],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "DINPLUG_DATA_HOME": str(tiny_data_home)},
        )
    finally:
        (source / "closed").chmod(0o700)
    assert done.returncode == 1, done.stdout + done.stderr
    assert failures(done.stdout) == {"m.jpg": "no permission to read it"}
    assert f"{source}/closed: cannot be listed" in done.stderr
    assert set(contents(tmp_path / "out")) == {"a.jpg", "z.jpg"}


def test_under_a_limit_on_memory_a_photo_that_does_not_fit_costs_itself(
    tiny_data_home: Path, tmp_path: Path
) -> None:
    """`ulimit -d`, as on shared machines: the others are what they are without it."""
    source = good(tmp_path / "photos", "a.jpg", "z.png")
    free = run_with_peak(source, tmp_path / "free", tiny_data_home)
    assert free[0] == 0, free[1]
    Image.fromarray(np.zeros((9000, 9000, 3), np.uint8)).save(source / "m.png", compress_level=1)
    script = 'ulimit -d 900000 && exec "$0" -m dinplug "$@"'
    done = subprocess.run(
        ["sh", "-c", script, sys.executable, *COMMAND, str(source), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        env={**os.environ, "DINPLUG_DATA_HOME": str(tiny_data_home)},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 restored, 0 skipped, 1 failed" in done.stdout
    reason = failures(done.stdout)["m.png"]
    assert "not enough memory" in reason or "do not fit into memory" in reason
    assert contents(tmp_path / "out") == contents(tmp_path / "free")
