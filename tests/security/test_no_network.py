"""Nothing that restores, imports or examines asks for the network."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dinplug.hosts.client import Client
from dinplug.hosts.launch import Launch
from tests.checkpoints.checkpoint_files import released_imdn
from tests.hosts.conftest import worker_launch
from tests.hosts.test_worker import restored
from tests.imaging.test_samples import random_samples
from tests.security.no_internet import IS_POSSIBLE

pytestmark = pytest.mark.skipif(not IS_POSSIBLE, reason="needs seccomp of Linux")
ROOT = Path(__file__).resolve().parents[2]
NO_INTERNET = (sys.executable, "-m", "tests.security.no_internet")


def run(*arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python under the filter."""
    return subprocess.run(
        [*NO_INTERNET, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=300,
    )


@pytest.fixture(scope="module", autouse=True)
def _filter() -> None:
    if run("-c", "pass").returncode != 0:
        pytest.skip("this system takes no seccomp filter")


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket(socket.AF_INET)",
        "import socket; socket.getaddrinfo('example.invalid', 80)",
        "import subprocess, sys; c = 'import socket; socket.socket(socket.AF_INET6)';"
        "sys.exit(-subprocess.run([sys.executable, '-c', c]).returncode)",
        "import ctypes; ctypes.CDLL(None).socket(2, 1, 0)",
    ],
    ids=["python", "name", "child", "c"],
)
def test_the_guard_sees_every_way_out(code: str) -> None:
    assert run("-c", code).returncode in (-signal.SIGSYS, signal.SIGSYS)  # the latter: its child
    assert run("-c", "import socket; socket.socketpair()").returncode == 0


SEVERAL = """
import json, sys
from dinplug.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        print("exit", end.code, *arguments, flush=True)
"""


def test_no_command_uses_the_network(tiny_models: Path, tmp_path: Path) -> None:
    import torch

    photos = tmp_path / "photos"
    photos.mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(photos / "a.jpg")
    tifffile.imwrite(photos / "b.tif", pixels, photometric="rgb", compression="lzw")
    Image.fromarray(pixels.repeat(2, 0).repeat(2, 1)).save(photos / "c.png")
    torch.save(released_imdn(), tmp_path / "IMDN_x2.pth")
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    for file in (tiny_models / "models").iterdir():
        (home / "models" / file.name).write_bytes(file.read_bytes())
    model = ["--model", "tiny-derain", "--device", "cpu"]
    commands: list[list[str]] = [
        ["batch", str(photos), *model, "--dry-run"],
        ["batch", str(photos), *model, "--report", str(tmp_path / "report.html")],
        ["batch", str(photos), *model, "--out", str(tmp_path / "two"), "--max-memory", "1G"],
        ["restore", *model, str(photos / "a.jpg"), str(tmp_path / "one.tif")],
        ["info", str(tmp_path / "one.tif")],
        ["verify", str(photos / "a.jpg"), str(tmp_path / "one.tif")],
        ["presets"],
        ["schema"],
        ["completion", "bash"],
        ["models"],
        ["models", "show", "tiny-derain"],
        ["models", "import", str(tmp_path / "IMDN_x2.pth"), "--name", "mine"],
        ["evaluate", "--model", "tiny-x2", "--hr", str(photos), "--device", "cpu"],
        ["doctor"],
    ]
    ended = run("-c", SEVERAL, json.dumps(commands), DINPLUG_DATA_HOME=str(home))
    codes = [line.split()[1:3] for line in ended.stdout.splitlines() if line.startswith("exit ")]
    assert codes == [["0", command[0]] for command in commands], ended.stderr
    assert ended.returncode == 0 and (tmp_path / "report.html").exists()


def test_watching_uses_no_network(tiny_models: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    words = ("-m", "dinplug", "watch", str(tmp_path / "in"), "--model", "tiny-derain")
    environment = {**os.environ, "DINPLUG_DATA_HOME": str(tiny_models)}
    with subprocess.Popen([*NO_INTERNET, *words], cwd=ROOT, env=environment) as watching:
        Image.new("RGB", (12, 9), (1, 2, 3)).save(tmp_path / "in" / "a.png")
        while watching.poll() is None and not (tmp_path / "in-derain" / "a.png").exists():
            time.sleep(0.1)
        watching.send_signal(signal.SIGTERM)
    assert watching.returncode == 130


def test_the_worker_uses_no_network(tiny_models: Path, tmp_path: Path) -> None:
    launch = worker_launch(tiny_models)
    guarded = Launch((*NO_INTERNET, *launch.command[1:]), launch.environment)
    with Client(guarded, "test", "0.1.0", parent=str(tmp_path)) as client:
        samples = random_samples("uint16", 3)
        assert restored(client, samples).shape == samples.shape
