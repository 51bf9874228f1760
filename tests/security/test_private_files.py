"""Temporary files are this user's alone, and gone in the end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

ROOT = Path(__file__).resolve().parents[2]
# A hook of Python's own hears of every file that is opened, and of much else: many moments at which
# to look at what lies in the folder for temporary files.
WATCHED = """
import json, os, sys
folder, command = sys.argv[1], sys.argv[2:]
seen, looking = {}, False

def look(event, arguments):
    global looking
    if looking:
        return
    looking = True
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            try:
                seen[name] = os.lstat(os.path.join(base, name)).st_mode & 0o777
            except OSError:
                pass
    looking = False

sys.addaudithook(look)
os.umask(0)
from dinplug.cli import main
try:
    main(command)
except SystemExit as end:
    print(json.dumps({"code": end.code, "seen": seen}))
"""


pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of Unix")


def watch(code: str, temporary: Path, *words: str | Path) -> dict[str, Any]:
    """Run `code` with all permissions allowed; tell how it ended and what lay in `temporary`."""
    ended = subprocess.run(
        [sys.executable, "-c", code, temporary, *words],
        env={**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["code"] == 0, ended.stderr
    return dict(told["seen"])


def test_a_file_for_others_would_be_noticed(tmp_path: Path) -> None:
    careless = "open(folder + '/careless', 'w').close(); os.remove(folder + '/careless'); exit(0)"
    seen = watch(WATCHED.replace("main(command)", careless), tmp_path)
    assert seen == {"careless": 0o666}


@pytest.mark.usefixtures("tiny_models")
def test_nothing_in_the_temporary_folder_is_for_others(tmp_path: Path) -> None:
    """With so little memory feature maps go to the disk; a decoder's messages go there anyway."""
    temporary, source = tmp_path / "tmp", tmp_path / "a.tif"
    temporary.mkdir()
    pixels = np.random.default_rng(2).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    tifffile.imwrite(source, pixels, photometric="rgb")
    words = ["restore", "--model", "tiny-derain", "--max-memory", "8M", "--device", "cpu"]
    seen = watch(WATCHED, temporary, *words, source, tmp_path / "b.tif")
    assert {name: mode for name, mode in seen.items() if mode & 0o077} == {}
    assert list(temporary.iterdir()) == []
