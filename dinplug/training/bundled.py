"""The recipes that come along, by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from dinplug.errors import UsageError

FOLDER = Path(str(resources.files("dinplug.training") / "recipes"))


def recipe_names() -> list[str]:
    """Names of the recipes that come along, sorted; with their folder if they are in one."""
    files = sorted(FOLDER.rglob("*.toml"), key=lambda file: (len(file.parts), file))
    return [file.relative_to(FOLDER).with_suffix("").as_posix() for file in files]


def find_recipe(wish: str) -> Path:
    """The file of a recipe: a path to a TOML file, or the name of one that comes along.

    Raises:
        UsageError: there is neither.
    """
    path = Path(wish)
    if path.suffix == ".toml" or path.is_file():
        return path
    if wish not in recipe_names():
        raise UsageError(
            f"no recipe is named {wish!r}: give a TOML file, or one of {', '.join(recipe_names())}"
        )
    return FOLDER / f"{wish}.toml"
