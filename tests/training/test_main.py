"""`python -m dinplug.training`: trains, goes on, and says what is wrong in one line."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dinplug.training.__main__ import main
from dinplug.training.state import load_state


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    bundled = resources.files("dinplug.training") / "recipes" / "dehaze.toml"
    text = bundled.read_text(encoding="utf-8")
    small = {
        "steps": 50,
        "batch": 1,
        "crop": 32,
        "classes": "[]",
        "landscapes": 1,
        "checkpoint_every": 25,
        "validate_every": 50,
        "depth": 1,
        "features": 8,
        "growth": 4,
    }
    lines = [
        f"{key} = {small[key]}" if (key := line.split(" ")[0]) in small else line
        for line in text.splitlines()
    ]
    file = tmp_path / "recipe.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(24):
        rng = np.random.default_rng(number)
        picture = Image.fromarray(rng.integers(0, 255, (40, 48, 3), np.uint8))
        picture.save(folder / f"p{number:02d}_v.png")
    return folder


def test_it_trains_and_logs_and_goes_on(tmp_path: Path, recipe: Path, photos: Path) -> None:
    out = tmp_path / "run"
    command = [str(recipe), "--data", str(photos), "--out", str(out)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.output.splitlines()]
    assert [sorted(line.keys() - {"step", "seconds", "rate"}) for line in lines] == [
        ["loss"],
        ["psnr_hazy", "psnr_restored"],
    ]
    assert load_state(out / "state.pt").step == 50
    # The schedule is over: nothing is left to do.
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 0
    assert again.output == ""


def test_a_mistake_is_one_line(tmp_path: Path, photos: Path) -> None:
    result = CliRunner().invoke(
        main, [str(tmp_path / "none.toml"), "--data", str(photos), "--out", str(tmp_path / "run")]
    )
    assert result.exit_code == 2
    assert result.stderr.startswith("error: cannot read the recipe")
    assert result.stderr.count("\n") == 1
