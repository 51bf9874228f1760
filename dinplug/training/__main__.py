"""`python -m dinplug.training RECIPE --data DIR --out DIR`: train, or go on training."""

from __future__ import annotations

import json
from pathlib import Path

import click
from torch import nn

from dinplug.errors import DinplugError
from dinplug.training.loop import LogLine, Trainer
from dinplug.training.pairs.sources import pairs_of
from dinplug.training.recipe import read_recipe
from dinplug.training.state import load_state
from dinplug.training.validation import validate

_VALIDATION_BATCHES, _VALIDATION_SIZE = 6, 8


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
    pairs, unseen = pairs_of(recipe, data, out)

    def score(network: nn.Module) -> LogLine:
        assert unseen is not None
        return vars(validate(network, unseen, _VALIDATION_BATCHES, _VALIDATION_SIZE))

    weights = load_state(start).average if start is not None else None
    trainer = Trainer(recipe, out, weights)
    trainer.run(
        pairs,
        minutes,
        score if unseen is not None else None,
        lambda line: click.echo(json.dumps(line)),
    )


if __name__ == "__main__":
    main()
