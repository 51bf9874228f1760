"""`dinplug train`, from the outside: trains, goes on, stops, is killed, in one process or two."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import save_file

from dinplug.cli import main
from dinplug.training.log import LINES, PLOT, TABLE
from dinplug.training.loop import STATE_FILE
from dinplug.training.run import RECIPE_FILE
from dinplug.training.state import load_state

RECIPE = """
task = "sr"
crop = 16
batch = 2
steps = {steps}
rate = 1e-3
checkpoint_every = 1
validate_every = {steps}
[network]
family = "imdn"
features = 16
blocks = 1
[data]
kind = "reduced"
"""
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals of Unix")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(24):
        rng = np.random.default_rng(number)
        picture = Image.fromarray(rng.integers(0, 255, (72, 80, 3), np.uint8))
        picture.save(folder / f"p{number:02d}_v.png")
    return folder


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return written(tmp_path, steps=50)


def written(folder: Path, steps: int) -> Path:
    file = folder / "recipe.toml"
    file.write_text(RECIPE.format(steps=steps), encoding="utf-8")
    return file


def train(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    """`dinplug train` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dinplug.cli", "train", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(process: subprocess.Popen[str], state: Path, step: int) -> int:
    """Wait until the checkpoint holds at least `step`; return what it holds."""
    while True:
        assert process.poll() is None, process.communicate()
        if state.is_file() and (seen := load_state(state).step) >= step:
            return seen
        time.sleep(0.05)


def test_it_trains_and_logs_and_goes_on(tmp_path: Path, recipe: Path, photos: Path) -> None:
    out = tmp_path / "run"
    command = (recipe, "--data", photos, "--out", out)
    result = train(*command)
    assert result.exit_code == 0, result.output
    loss, scores = result.stderr.splitlines()
    assert loss.startswith("step 50/50: loss 0.")
    assert scores.startswith("step 50/50: PSNR ")
    lines = [json.loads(line) for line in (out / LINES).read_text("utf-8").splitlines()]
    assert [sorted(line.keys() - {"step", "seconds", "rate"}) for line in lines] == [
        ["loss"],
        ["input_psnr", "psnr", "ssim"],
    ]
    assert load_state(out / STATE_FILE).step == 50
    assert (out / RECIPE_FILE).read_bytes() == recipe.read_bytes()
    assert {TABLE, PLOT} <= {file.name for file in out.iterdir()}
    # The schedule is over: nothing is left to do.
    again = train(*command)
    assert again.exit_code == 0
    assert again.stderr == "going on after step 50 of 50\n"


def test_it_begins_from_a_run_or_from_exported_weights(
    tmp_path: Path, recipe: Path, photos: Path
) -> None:
    data = (recipe, "--data", photos, "--minutes", "0", "--out")
    assert train(*data, tmp_path / "first").exit_code == 0
    state = tmp_path / "first" / STATE_FILE
    weights = {name: value + 0.25 for name, value in load_state(state).average.items()}
    exported = tmp_path / "weights.safetensors"
    save_file({name: value.half() for name, value in weights.items()}, exported)
    for file, shift in ((state, 0.0), (exported, 0.25)):
        out = tmp_path / file.stem
        assert train(*data, out, "--start", file).exit_code == 0
        begun = load_state(out / STATE_FILE).average
        for name, value in load_state(state).average.items():
            # float16 keeps 11 bits.
            limit = 2**-11 * (value.abs().max() + 0.25) if shift else 0.0
            assert (begun[name] - value - shift).abs().max() <= limit, name


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["imdn-x7"], "no recipe is named 'imdn-x7': give a TOML file, or one of "),
        (["none.toml"], "cannot read the recipe none.toml"),
        (["imdn-x2", "--start", "cli.py"], "neither a run's state.pt nor a .safetensors file"),
        (["imdn-x2", "--minutes", "-1"], "--minutes"),
        (["imdn-x2"], "manifest.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line(
    tmp_path: Path,
    photos: Path,
    arguments: list[str],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cli.py").touch()
    result = train(*arguments, "--data", photos, "--out", tmp_path / "run")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ") and complaint in line


@POSIX
def test_a_kill_loses_nothing_older_than_the_last_checkpoint(tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "run"
    recipe = written(tmp_path, steps=100_000)
    process = started(recipe, "--data", photos, "--out", out)
    seen = wait_for_step(process, out / STATE_FILE, 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    result = train(recipe, "--data", photos, "--out", out, "--minutes", "0")
    assert result.exit_code == 0
    step = int(result.stderr.split()[4])
    assert step >= seen
    assert result.stderr.splitlines() == [
        f"going on after step {step} of 100000",
        f"stopped after step {step}; the same command goes on from {out}",
    ]


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_saved_where_it_stood(
    tmp_path: Path, photos: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    process = started(written(tmp_path, steps=100_000), "--data", photos, "--out", out)
    wait_for_step(process, out / STATE_FILE, 3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    stopped, interrupted = errors.splitlines()
    step = load_state(out / STATE_FILE).step
    assert stopped == f"stopped after step {step}; the same command goes on from {out}"
    assert interrupted == "Interrupted."


@POSIX
def test_torchrun_trains_the_same_in_two_processes(tmp_path: Path, photos: Path) -> None:
    recipe = written(tmp_path, steps=5)
    alone, two = tmp_path / "alone", tmp_path / "two"
    assert train(recipe, "--data", photos, "--out", alone).exit_code == 0
    finished = subprocess.run(
        shlex.split(
            f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node=2 "
            f"-m dinplug.cli train {recipe} --data {photos} --out {two}"
        ),
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.count("step 5/5: PSNR") == 1
    one, other = (load_state(folder / STATE_FILE) for folder in (alone, two))
    assert one.step == other.step == 5
    # As derived in tests/training/test_ranks.py, for batches of two crops of 32 x 32.
    for name, value in one.network.items():
        rounding = 2**-23 * float(value.abs().max())
        tolerance = 5 * (1e-3 * 2 * 32 * 32 * 2**-24 + rounding)
        assert torch.allclose(other.network[name], value, rtol=0, atol=tolerance), name
