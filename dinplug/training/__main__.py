"""`python -m dinplug.training RECIPE --data DIR --out DIR`: train, or go on training."""

from __future__ import annotations

import json
from pathlib import Path

import click
from torch import nn

from dinplug.errors import DinplugError
from dinplug.training.loop import LogLine, Trainer
from dinplug.training.pairs import HazePairs
from dinplug.training.photos import list_photos, split_held_out
from dinplug.training.recipe import read_recipe
from dinplug.training.scenes.pool import landscape_pool
from dinplug.training.state import load_state
from dinplug.training.validation import validate

_VALIDATION_BATCHES, _VALIDATION_SIZE, _VALIDATION_SEED = 6, 8, 77


@click.command(name="python -m dinplug.training")
@click.argument("recipe", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder of clean photos.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for checkpoint and log; a run in it goes on.",
)
@click.option("--minutes", type=click.FloatRange(min=0), help="Stop after so long, resumably.")
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Begin a new run from the averaged weights of this checkpoint (state.pt).",
)
def main(recipe: Path, data: Path, out: Path, minutes: float | None, start: Path | None) -> None:
    """Train the network of RECIPE (a TOML file) on the photos in a folder.

    Example: python -m dinplug.training dehaze.toml --data photos --out run --minutes 60
    """
    try:
        _train(recipe, data, out, minutes, start)
    except DinplugError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from error


def _train(
    recipe_file: Path, data: Path, out: Path, minutes: float | None, start: Path | None
) -> None:
    recipe = read_recipe(recipe_file)
    photos, held_out = split_held_out(list_photos(data, recipe.classes))
    pool = None
    if recipe.landscape_share > 0:
        out.mkdir(parents=True, exist_ok=True)
        pool = landscape_pool(out / "landscapes.npz", recipe.landscapes, recipe.seed)
    pairs = HazePairs(
        photos,
        recipe.crop,
        recipe.seed,
        recipe.interiors,
        recipe.skies,
        pool,
        recipe.landscape_share,
    )
    unseen = HazePairs(held_out, recipe.crop, _VALIDATION_SEED, skies=recipe.skies)

    def score(network: nn.Module) -> LogLine:
        result = validate(network, unseen, _VALIDATION_BATCHES, _VALIDATION_SIZE)
        return {"psnr_hazy": result.hazy, "psnr_restored": result.restored}

    weights = load_state(start).average if start is not None else None
    trainer = Trainer(recipe, out, weights)
    trainer.run(
        pairs,
        minutes,
        score if held_out else None,
        lambda line: click.echo(json.dumps(line)),
    )


if __name__ == "__main__":
    main()
