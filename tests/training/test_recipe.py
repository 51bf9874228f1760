"""Recipes: fields come as stated or by default, and mistakes are named."""

import sys
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from dinplug.errors import UsageError
from dinplug.networks.din import DINSpec
from dinplug.specs import Task
from dinplug.training.recipe import DATA_KINDS, HazeData, Recipe, read_recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]

TEXT = """
task = "dehaze"
crop = 32
batch = 2
steps = 10
rate = 1e-3

[network]
family = "din"
strided = true
features = 48

[data]
kind = "haze"
skies = 0.25
"""


def read(folder: Path, text: str) -> Recipe:
    file = folder / "recipe.toml"
    file.write_text(text, encoding="utf-8")
    return read_recipe(file)


def test_fields_are_as_stated_or_the_default(tmp_path: Path) -> None:
    recipe = read(tmp_path, 'classes = ["A"]\nbetas = [0.8, 0.9]\n' + TEXT)
    assert recipe == Recipe(
        Task.DEHAZE,
        DINSpec(strided=True, features=48),
        HazeData(skies=0.25),
        crop=32,
        batch=2,
        steps=10,
        rate=1e-3,
        classes=("A",),
        betas=(0.8, 0.9),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 10\n", "", "steps"),
        ("steps = 10", "steps = 0", "steps = 0"),
        ("steps", "extra = 1\nsteps", "unknown fields extra"),
        ("crop = 32", "crop = 30", "crop = 30"),
        ("rate = 1e-3", "rate = 1e-9", "rate = 1e-09"),
        ("rate = 1e-3", "rate = 1e-3\nema = 1.0", "ema = 1.0"),
        ("rate = 1e-3", "rate = 1e-3\nclip = 0", "clip = 0"),
        ("rate = 1e-3", "rate = 1e-3\nbetas = [0.9]", "betas"),
        ("rate = 1e-3", 'rate = 1e-3\nloss = "l3"', "loss = 'l3'"),
        ("rate = 1e-3", 'rate = 1e-3\nschedule = "flat"', "schedule = 'flat'"),
        ("rate = 1e-3", 'rate = 1e-3\nprecision = "int8"', "precision = 'int8'"),
        ("features = 48", "width = 48", "no field width"),
        ("features = 48", "features = [", "no TOML"),
        ('family = "din"\n', "", "family is missing"),
        ('"dehaze"', '"cook"', "'cook'"),
        ('"dehaze"', '"sr"', "scale 1 is not for sr"),
        ('"haze"', '"snow"', "'snow' is none of haze"),
        ("skies = 0.25", "skies = 1.5", "between 0 and 1"),
        ("skies = 0.25", "landscape_share = 0.5", "needs landscapes"),
        ("skies = 0.25", "fog = 1", "fog"),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert TEXT.count(old) >= 1
    with pytest.raises(UsageError) as raised:
        read(tmp_path, TEXT.replace(old, new, 1))
    assert message in str(raised.value)
    assert "recipe.toml" in str(raised.value)
    assert message == "no TOML" or "\n" not in str(raised.value)


def rows_of(document: str, heading: str) -> dict[str, list[str]]:
    """The rows below the first table line that begins with `heading`, by their first cell."""
    _, _, table = document.partition(f"\n| {heading} |")
    rows = [line.split("|")[1:-1] for line in table.partition("\n\n")[0].splitlines()[2:]]
    return {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}


def test_the_document_names_every_field_and_default() -> None:
    document = (ROOT / "docs" / "training.md").read_text("utf-8")
    rows = rows_of(document, "field")
    stated = {field.name: field.default for field in fields(Recipe)}
    del stated["network"], stated["data"]
    assert rows.keys() == stated.keys()
    for name, default in stated.items():
        cell = rows[name][0]
        if default is MISSING:
            assert cell == "required", name
        else:
            value = tomllib.loads(f"value = {cell.strip('`')}")["value"]
            assert value == (list(default) if isinstance(default, tuple) else default), name


def test_the_document_names_every_kind_of_data_and_its_fields() -> None:
    document = (ROOT / "docs" / "training.md").read_text("utf-8")
    rows = rows_of(document, "kind")
    assert rows.keys() == DATA_KINDS.keys()
    for kind, spec in DATA_KINDS.items():
        assert all(f"`{field.name}`" in rows[kind][0] for field in fields(spec)), kind


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        read_recipe(tmp_path / "none.toml")
