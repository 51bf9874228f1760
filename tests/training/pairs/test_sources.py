"""From a recipe and a folder to pairs: of its kind, some held out, scenes rendered once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinplug.errors import UsageError
from dinplug.networks.imdn import IMDNSpec
from dinplug.training.pairs.folders import FolderPairs
from dinplug.training.pairs.haze import HazePairs
from dinplug.training.pairs.motion import MotionPairs
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.pairs.rain import RainPairs
from dinplug.training.pairs.reduced import ReducedPairs
from dinplug.training.pairs.sources import pairs_of
from dinplug.training.recipe import (
    DataSpec,
    HazeData,
    MotionData,
    PairedData,
    RainData,
    Recipe,
    ReducedData,
)
from dinplug.training.scenes import pool
from tests.training.tiny_runs import TINY, recipe_for


def photo(file: Path, seed: int) -> None:
    """Write a photo of coloured noise, 130 x 110 pixels."""
    rng = np.random.default_rng(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (110, 130, 3), np.uint8)).save(file)


def recipe_with(data: DataSpec) -> Recipe:
    base = recipe_for(IMDNSpec(2, features=16, blocks=1)) if type(data) is ReducedData else TINY
    return replace(base, data=data, crop=32)


def test_a_folder_without_the_two_sides_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="degraded/ and clean/"):
        pairs_of(recipe_with(PairedData()), tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (HazeData(), HazePairs),
        (ReducedData("noise"), ReducedPairs),
        (RainData(), RainPairs),
        (MotionData(), MotionPairs),
        (PairedData(), FolderPairs),
    ],
)
def test_a_recipe_and_a_folder_give_pairs_of_its_kind(
    data: DataSpec, kind: type[NumberedPairs], tmp_path: Path
) -> None:
    sides = ("degraded", "clean") if type(data) is PairedData else (".",)
    for number in range(24):
        for side in sides:
            photo(tmp_path / side / f"p{number:02d}_v.png", number)
    pairs, unseen = pairs_of(recipe_with(data), tmp_path, tmp_path / "run")
    assert type(pairs) is type(unseen) is kind
    assert unseen is not None
    # What is held out is never trained on: pictures of noise agree in no crop.
    for number in range(3):
        assert not np.array_equal(pairs.pair(number)[1], unseen.pair(number)[1])
    used = [set(vars(side).get("photos") or vars(side)["files"]) for side in (pairs, unseen)]
    assert len(used[0]) + len(used[1]) == 24
    assert not used[0] & used[1]


def test_rendered_landscapes_are_kept_in_the_runs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[F32] = []

    def render(rng: np.random.Generator, height: int, width: int) -> tuple[F32, F32]:
        rendered.append(rng.uniform(0, 1, (height, width, 3)).astype(np.float32))
        return rendered[-1], np.full((height, width), 500, np.float32)

    monkeypatch.setattr(pool, "render_random", render)
    for number in range(3):
        photo(tmp_path / "photos" / f"{number}.png", number)
    recipe = recipe_with(HazeData(landscapes=2, landscape_share=1.0))
    first, again = (pairs_of(recipe, tmp_path / "photos", tmp_path / "run")[0] for _ in range(2))
    assert len(rendered) == 2
    assert np.array_equal(again.pair(0)[0], first.pair(0)[0])


def test_cuts_lie_in_all_eight_ways(tmp_path: Path) -> None:
    ramp = np.zeros((16, 16, 3), np.uint8)
    ramp[..., 0] = np.arange(16) * 8
    ramp[..., 1] = np.arange(16)[:, None] * 8
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    pairs = FolderPairs([(tmp_path / "ramp.png",) * 2], 16, 1, 0)
    ways = {pairs.pair(number)[1].tobytes() for number in range(60)}
    straight = ramp.astype(np.float32) / np.float32(255)
    eight = {
        np.ascontiguousarray(np.rot90(picture, turns)).tobytes()
        for picture in (straight, straight[:, ::-1])
        for turns in range(4)
    }
    # A way is missed in 60 draws with a probability of (7/8)^60 = 0.03 %, and the seed is fixed.
    assert ways == eight
