"""Real faults in the midst of real runs: kills, full disks, folders and photos that vanish.

docs/reliability.md says what each test shows.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dinplug.batch.journal import JOURNAL_NAME, Fingerprint, Journal
from dinplug.batch.lock import LOCK_NAME
from tests.batch.forked_runs import ForkedRuns

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills, limits and mounts of Unix")
ROOT = Path(__file__).parents[2]
COMMAND = ("batch", "--model", "tiny-derain", "--device", "cpu")


def noise(seed: int, width: int, height: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def photos(folder: Path, count: int = 4, size: tuple[int, int] = (60, 40)) -> Path:
    """Make photos of three kinds of files, in two folders."""
    (folder / "trip").mkdir(parents=True)
    for number in range(count):
        pixels = noise(number, *size)
        if number % 4 == 1:
            Image.fromarray(pixels).save(folder / "trip" / f"{number}.jpg", quality=95)
        elif number % 4 == 2:
            tifffile.imwrite(folder / f"{number}.tif", pixels.astype(np.uint16) * 257)
        else:
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` except the journal, which tells times."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != JOURNAL_NAME
    }


def check_journal(source: Path, out: Path) -> None:
    """The journal knows every result, and from what it was made."""
    journal = Journal.read(out)
    originals = {path for path in source.rglob("*") if path.is_file()}
    for original in originals:
        target = out / original.relative_to(source)
        record = journal.find(target) or journal.find_begun(target)
        assert record is not None and record.fingerprint == Fingerprint.of(original)
    assert len(journal.outputs()) == len(originals)


KILLS = [
    pytest.param(signal.SIGKILL, 4),
    pytest.param(signal.SIGTERM, 2),
    pytest.param(signal.SIGKILL, 50, marks=pytest.mark.slow),
    pytest.param(signal.SIGTERM, 20, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("number", "times"), KILLS)
def test_killed_anywhere_and_resumed_is_as_if_nothing_had_been(
    runs: ForkedRuns, tmp_path: Path, number: signal.Signals, times: int
) -> None:
    """Each time one kill at a random moment of a new run, then the same command once more."""
    source = photos(tmp_path / "photos")
    command = (*COMMAND, source, "--out")
    began = time.monotonic()
    assert runs.run(*command, tmp_path / "whole")[0] == 0
    lasts = time.monotonic() - began
    whole = contents(tmp_path / "whole")
    assert len(whole) == 4
    moments = random.Random(f"{number}{times}")
    tally: Counter[str] = Counter()
    for turn in range(times):
        out = tmp_path / f"{turn}"
        pid = runs.start(*command, out)
        time.sleep(moments.uniform(0, lasts))
        os.kill(pid, number)
        code, said = runs.wait(pid)
        assert code in (0, 130, -number), said
        left = contents(out) if out.exists() else {}
        tally["ended by the signal"] += code != 0
        tally["results written before"] += len(set(left) & set(whole))
        tally["unfinished files left"] += sum(name.endswith(".part") for name in left)
        tally["begun, not recorded"] += len(Journal.read(out).outputs()) - sum(
            Journal.read(out).find(out / name) is not None for name in whole
        )
        assert {name: left[name] for name in set(left) & set(whole)}.items() <= whole.items()
        code, said = runs.run(*command, out)
        assert code == 0, said
        assert contents(out) == whole
        check_journal(source, out)
    sys.stdout.write(f"{number.name} {times} times in {lasts:.2f} s: {dict(tally)}\n")
    assert tally["ended by the signal"] >= times / 4


def test_two_runs_on_one_folder(runs: ForkedRuns, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos")
    Image.fromarray(noise(9, 300, 300)).save(source / "00.png")
    out = tmp_path / "out"
    command = (*COMMAND, source, "--out", out, "--tile", "32")
    first = runs.start(*command, "--json")
    runs.wait_for(first, '"photo-started"')
    os.kill(first, signal.SIGSTOP)
    code, said = runs.run(*command)
    assert code == 4
    (line,) = said.splitlines()
    assert line.startswith(f"Error: {out}: another run of dinplug (process {first} on ")
    assert runs.run(*command, "--dry-run")[0] == 0
    assert runs.run(*COMMAND, source, "--out", tmp_path / "another", "--include", "*.jpg")[0] == 0
    os.kill(first, signal.SIGKILL)
    assert runs.wait(first)[0] == -signal.SIGKILL
    code, said = runs.run(*command)
    assert code == 0, said
    assert len(contents(out)) == 5 and not (out / LOCK_NAME).exists()


def test_an_unfinished_file_of_a_killed_run_is_removed_by_the_next(
    runs: ForkedRuns, tmp_path: Path
) -> None:
    """Killed while a large result is encoded, which takes long enough to be seen."""
    source = tmp_path / "photos"
    source.mkdir()
    tifffile.imwrite(source / "large.tif", noise(0, 400, 400).astype(np.uint16) * 257)
    out = tmp_path / "out"
    command = (*COMMAND, source, "--out", out, "--format", "png")
    pid = runs.start(*command)
    while not list(out.glob(".dinplug-*.part")):
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    runs.wait(pid)
    (part,) = out.glob(".dinplug-*.part")
    users = out / ".dinplug-my-own.part"
    users.touch()
    code, said = runs.run(*command)
    assert code == 0, said
    assert not part.exists() and users.exists()
    assert set(contents(out)) == {"large.png", users.name}


def test_an_unfinished_file_of_a_killed_restore_is_removed_by_the_next(
    runs: ForkedRuns, tmp_path: Path
) -> None:
    source = tmp_path / "large.tif"
    tifffile.imwrite(source, noise(0, 400, 400).astype(np.uint16) * 257)
    command = ("restore", *COMMAND[1:], source, tmp_path / "large.png")
    pid = runs.start(*command)
    while not list(tmp_path.glob(".dinplug-*.part")):
        time.sleep(0.0005)
    os.kill(pid, signal.SIGKILL)
    assert runs.wait(pid)[0] == -signal.SIGKILL
    assert len(list(tmp_path.glob(".dinplug-*.part"))) == 1
    code, said = runs.run(*command)
    assert code == 0, said
    assert set(contents(tmp_path)) == {"large.tif", "large.png"}


def test_the_folder_for_results_vanishes(runs: ForkedRuns, tmp_path: Path) -> None:
    """A medium taken out in mid-run: no second folder is made in its place."""
    source = photos(tmp_path / "photos", 8, (120, 90))
    out, away = tmp_path / "out", tmp_path / "away"
    command = (*COMMAND, source, "--out", out)
    pid = runs.start(*command)
    while not (out / "0.png").exists():
        time.sleep(0.001)
    out.rename(away)
    code, said = runs.wait(pid)
    assert code == 3, said
    assert not out.exists()
    assert f"Error: {out}: the folder for results vanished during the run" in said
    assert said.count("vanished during the run") <= 3  # as it happens, in the summary, at the end
    assert " not tried; results in" in said
    away.rename(out)
    assert runs.run(*command)[0] == 0
    assert len(contents(out)) == 8


def test_photos_that_vanish_cost_themselves(runs: ForkedRuns, tmp_path: Path) -> None:
    source = photos(tmp_path / "photos", 8, (120, 90))
    pid = runs.start(*COMMAND, source, "--out", tmp_path / "out")
    runs.wait_for(pid, "0.png -> ")
    (source / "trip" / "5.jpg").unlink()
    code, said = runs.wait(pid)
    assert code == 1, said
    assert "7 restored, 0 skipped, 1 failed" in said
    assert f"failed: {source}/trip/5.jpg" in said
    assert len(contents(tmp_path / "out")) == 7


def test_a_photo_that_changes_while_it_is_read_is_left_for_later(
    runs: ForkedRuns, tmp_path: Path
) -> None:
    """Another program is still writing it: what was read is neither the old nor the new photo."""
    source = photos(tmp_path / "photos")
    growing = source / "growing.png"
    Image.fromarray(noise(5, 1500, 1500)).save(growing)
    complete = threading.Event()

    def grow() -> None:
        with growing.open("ab") as file:
            while not complete.wait(0.001):
                file.write(b"\0")
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        code, said = runs.run(*COMMAND, source, "--out", tmp_path / "out", "--include", "g*")
    finally:
        complete.set()
        writer.join()
    assert code == 1, said
    assert f"{growing}: changed while it was read; run again once it is complete" in said
    assert contents(tmp_path / "out") == {}


def test_a_limit_on_the_size_of_files(tiny_data_home: Path, tmp_path: Path) -> None:
    """`ulimit -f`, as on shared machines: what is too large fails, the others are written."""
    source = photos(tmp_path / "photos")
    Image.fromarray(noise(5, 150, 150)).save(source / "large.png")
    script = 'ulimit -f 32 && exec "$0" -m dinplug "$@"'
    result = subprocess.run(
        ["sh", "-c", script, sys.executable, *COMMAND, str(source), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "DINPLUG_DATA_HOME": str(tiny_data_home)},
    )
    assert result.returncode == 1, result.stderr
    assert "4 restored, 0 skipped, 1 failed" in result.stdout
    assert "large.png: the file would be larger than this disk allows" in result.stdout
    assert len(contents(tmp_path / "out")) == 4


def mounting() -> list[str]:
    """The command that lets another one mount file systems for itself, or a reason to skip."""
    for command in (["unshare", "-m"], ["unshare", "-rm"]):
        if shutil.which("unshare"):
            trial = [*command, "sh", "-c", "mount -t tmpfs none /mnt"]
            if subprocess.run(trial, capture_output=True).returncode == 0:
                return command
    pytest.skip("this user may not mount a file system of limited size")


def test_a_full_disk(tiny_data_home: Path, tmp_path: Path) -> None:
    """A file system with room for some of the photos; then it gets more, and the run goes on."""
    source = photos(tmp_path / "photos", 6, (150, 100))
    out = tmp_path / "out"
    out.mkdir()
    script = """
        mount -t tmpfs -o size=128k none "$OUT" || exit 99
        "$@" >"$SAID/full.txt" 2>&1
        echo $? >>"$SAID/full.txt"
        cp -a "$OUT" "$SAID/full"
        mount -o remount,size=10m none "$OUT" || exit 98
        "$@" >"$SAID/again.txt" 2>&1
        echo $? >>"$SAID/again.txt"
        cp -a "$OUT" "$SAID/again"
    """
    said = tmp_path / "said"
    said.mkdir()
    result = subprocess.run(
        [
            *(*mounting(), "sh", "-c", script, "sh", sys.executable, "-m", "dinplug"),
            *(*COMMAND, str(source), "--out", str(out)),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            "DINPLUG_DATA_HOME": str(tiny_data_home),
            "OUT": str(out),
            "SAID": str(said),
        },
    )
    assert result.returncode == 0, result.stderr
    full, again = (said / "full.txt").read_text(), (said / "again.txt").read_text()
    assert full.splitlines()[-1] == "1" and "not tried" in full
    assert full.count(": the disk is full") == 2  # as it happens, and in the summary
    assert again.splitlines()[-1] == "0", again
    before, after = contents(said / "full"), contents(said / "again")
    assert 0 < len(before) < len(after) == 6
    assert before.items() <= after.items()


INTERRUPTED_WHILE_LOADING = """
import os, runpy, signal, sys, threading
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "dinplug.cli":
            os.kill(os.getpid(), signal.{name})
            for _ in range(10 ** 9):
                pass
sys.meta_path.insert(0, Interrupt())
runpy.run_module("dinplug", run_name="__main__")
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted_while_the_program_loads(name: str) -> None:
    """In the midst of the import of the command line, which is most of the first fifth second."""
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_LOADING.replace("{name}", name)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "Interrupted.\n")


def test_a_killed_process_leaves_no_scratch_file(tmp_path: Path) -> None:
    """Feature maps on disk have no name, so that the system frees them with the process."""
    script = (
        "import os, signal\n"
        "from dinplug.inference.store import ScratchMap\n"
        "map = ScratchMap(3, 100, 100)\n"
        "print('made', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert (result.returncode, result.stdout) == (-signal.SIGKILL, "made\n")
    assert list(tmp_path.iterdir()) == []
