"""Recipes by name or path."""

from pathlib import Path

import pytest

from dinplug.errors import UsageError
from dinplug.training.bundled import find_recipe, recipe_names
from dinplug.training.recipe import read_recipe


def test_every_name_leads_to_a_recipe() -> None:
    assert "imdn-x2" in recipe_names()
    for name in recipe_names():
        read_recipe(find_recipe(name))


def test_a_wrong_name_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no recipe is named 'imdn-x7': .*imdn-x2"):
        find_recipe("imdn-x7")


def test_a_file_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe("mine.toml") == Path("mine.toml")
    Path("imdn-x2").touch()
    assert find_recipe("imdn-x2") == Path("imdn-x2")
