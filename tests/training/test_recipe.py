"""Recipes: the bundled one is sound, and mistakes are named."""

from importlib import resources
from pathlib import Path

import pytest

from dinplug.errors import UsageError
from dinplug.networks.din import DIN
from dinplug.training.recipe import read_recipe

BUNDLED = Path(str(resources.files("dinplug.training") / "recipes" / "dehaze.toml"))


def test_the_bundled_recipe_trains_at_most_two_million_parameters() -> None:
    recipe = read_recipe(BUNDLED)
    assert recipe.task == "dehaze"
    assert recipe.network.strided
    assert sum(p.numel() for p in DIN(recipe.network).parameters()) <= 2_000_000
    assert "D" not in recipe.classes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = ", "sead = ", "lacks seed"),
        ("[network]", "extra = 1\n[network]", "unknown fields extra"),
        ("crop = 224", "crop = 30", "crop = 30"),
        ("features = 48", "width = 48", r"\[network\]"),
        ("features = 48", "features = [", "no TOML"),
        ('task = "dehaze"', 'task = "cook"', "task = 'cook'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = BUNDLED.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "recipe.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_recipe(file)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        read_recipe(tmp_path / "none.toml")
