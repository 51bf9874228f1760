"""Every recipe in the tree: it reads, its network is the paper's, and it trains."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinplug.checkpoints.fitting import count_parameters
from dinplug.specs import MODELS, build_network
from dinplug.training.loop import Trainer
from dinplug.training.pairs.sources import pairs_of
from dinplug.training.recipe import HazeData, PairedData, Recipe, read_recipe

FOLDER = Path(str(resources.files("dinplug.training") / "recipes"))
PAPER = FOLDER / "paper"
FILES = sorted(FOLDER.rglob("*.toml"))
NAMES = [str(file.relative_to(FOLDER).with_suffix("")) for file in FILES]
LARGEST_TRAINED = 2_000_000
"""Networks of more parameters are only built: a step of DIN takes seconds and 300 MB of state."""

SHORT, LONG = (0.9, 0.99), (0.9, 0.999)
DIN = (1e-4, 8, "l1", SHORT, "halving", 200_000)
IMDN = (2e-4, 16, "l1", LONG, "halving", 200_000)
SETTINGS = {
    # name: parameters, crop, and rate, batch, loss, betas, and halve_every or final_rate
    "din-sr-x2": (19_884_603, 50, *DIN),
    "din-sr-x3": (20_069_243, 50, *DIN),
    "din-sr-x4": (20_032_315, 50, *DIN),
    "din-x2": (19_928_307, 48, *DIN),
    "din-x3": (20_112_947, 48, *DIN),
    "din-x4": (20_076_019, 48, *DIN),
    "din-x8": (20_223_731, 48, *DIN),
    "din-bd-x3": (20_112_947, 48, *DIN),
    "din-dn-x3": (20_112_947, 48, *DIN),
    "din-derain": (19_780_595, 48, *DIN),
    "din-deblur": (20_338_227, 256, *DIN),
    "din-dehaze": (20_338_227, 256, *DIN),
    "imdn-x2": (694_404, 96, *IMDN),
    "imdn-x3": (703_059, 64, *IMDN),
    "imdn-x4": (715_176, 48, *IMDN),
    "imdn-as": (752_104, 192, *IMDN),
    "imdn-as-any-factor": (752_104, 192, *IMDN),
    "aidn-x2": (323_262, 128, 2e-4, 32, "l1", LONG, "cosine", 2e-6),
    "aidn-x3": (330_027, 85, 2e-4, 32, "l1", LONG, "cosine", 2e-6),
    "aidn-x4": (339_498, 64, 2e-4, 32, "l1", LONG, "cosine", 2e-6),
    "aidn-x2-l2": (323_262, 128, 2e-5, 32, "l2", LONG, "cosine", 2e-6),
    "aidn-x3-l2": (330_027, 85, 2e-5, 32, "l2", LONG, "cosine", 2e-6),
    "aidn-x4-l2": (339_498, 64, 2e-5, 32, "l2", LONG, "cosine", 2e-6),
    "msfin-x4": (682_159, 48, 1e-4, 16, "l1", LONG, "cosine", 6.25e-6),
    "msfin-s-x4": (351_851, 48, 1e-4, 16, "l1", LONG, "cosine", 6.25e-6),
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos, and three pairs of one size, of coloured noise."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for side in (folder, folder / "degraded", folder / "clean"):
        side.mkdir(exist_ok=True)
        for name in ("ash", "elm", "oak"):  # none of them is held out
            Image.fromarray(rng.integers(0, 256, (272, 288, 3), np.uint8)).save(
                side / f"{name}.png"
            )
    return folder


def small(recipe: Recipe) -> Recipe:
    """The recipe on tiny crops, one batch long, of photos of any licence."""
    data = recipe.data
    if isinstance(data, HazeData):
        data = replace(data, landscapes=0, landscape_share=0.0)
    return replace(recipe, data=data, classes=(), crop=16, batch=1, steps=1, precision="float32")


def test_every_recipe_of_the_papers_is_in_the_table() -> None:
    assert {file.stem for file in PAPER.glob("*.toml")} == SETTINGS.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_are_the_papers(name: str) -> None:
    recipe = read_recipe(PAPER / f"{name}.toml")
    last = recipe.halve_every if recipe.schedule == "halving" else recipe.final_rate
    stated = (recipe.rate, recipe.batch, recipe.loss, recipe.betas, recipe.schedule, last)
    assert (count_parameters(recipe.network), recipe.crop, *stated) == SETTINGS[name]
    # What the papers know nothing of is off.
    assert (recipe.ema, recipe.clip, recipe.warmup, recipe.classes) == (0, float("inf"), 0, ())


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() & MODELS.keys()))
def test_networks_are_those_of_the_models(name: str) -> None:
    recipe = read_recipe(PAPER / f"{name}.toml")
    assert (recipe.task, recipe.network) == (MODELS[name].task, MODELS[name].network)


def test_all_models_that_the_papers_train_have_a_recipe() -> None:
    # ARFDN's and RFDN's own training is not in the five papers; small models are no paper's.
    others = {"arfdn-x4", "rfdn-x4"} | {name for name in MODELS if "small" in name}
    assert MODELS.keys() - others <= SETTINGS.keys()


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_recipes_build_and_train(file: Path, pictures: Path, tmp_path: Path) -> None:
    recipe = small(read_recipe(file))
    if count_parameters(recipe.network) > LARGEST_TRAINED:
        with torch.device("meta"):
            network = build_network(recipe.network)
        assert network.scale == recipe.network.scale
        return
    trainer = Trainer(recipe, tmp_path / "run")
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    pairs, held_out = pairs_of(recipe, pictures, tmp_path)
    assert held_out is None
    trainer.run(pairs)
    assert trainer.step == 1
    after = trainer.network.state_dict()
    assert all(bool(value.isfinite().all()) for value in after.values())
    assert any(not torch.equal(before[name], value) for name, value in after.items())


def test_ablations_differ_in_their_networks_alone() -> None:
    files = sorted((FOLDER / "ablation").glob("*.toml"))
    recipes = [read_recipe(file) for file in files]
    assert len({recipe.network for recipe in recipes}) == len(recipes)
    assert {replace(recipe, network=recipes[0].network) for recipe in recipes} == {recipes[0]}
    assert {recipe.network.scale for recipe in recipes} == {2}


def test_the_second_stage_begins_from_the_first(pictures: Path, tmp_path: Path) -> None:
    first = Trainer(small(read_recipe(PAPER / "aidn-x4.toml")), tmp_path / "first")
    first.run(pairs_of(first.recipe, pictures, tmp_path)[0])
    second = Trainer(
        small(read_recipe(PAPER / "aidn-x4-l2.toml")), tmp_path / "second", first.average
    )
    for name, value in second.network.state_dict().items():
        assert torch.equal(value, first.average[name]), name


def test_paired_recipes_say_how_their_folder_looks() -> None:
    for file in PAPER.glob("*.toml"):
        if isinstance(read_recipe(file).data, PairedData):
            assert "degraded/" in file.read_text("utf-8"), file.name
