"""`dinplug train`: teach a network what a recipe says."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dinplug.batch.interrupt import Stop

_PATIENCE = 30.0
"""Seconds a step or a validation may take to end after Ctrl-C, so that nothing is lost."""


@click.command()
@click.argument("recipe")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Clean photos; for paired data the folders degraded/ and clean/.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Where checkpoint, log and plot are kept; a run in it goes on.",
)
@click.option("--minutes", type=click.FloatRange(min=0), help="Stop after so long, resumably.")
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Begin a new run from a run's state.pt or a .safetensors file.",
)
@click.pass_obj
def train(
    stop: Stop, /, recipe: str, data: Path, out: Path, minutes: float | None, start: Path | None
) -> None:
    """Train the network of RECIPE, a TOML file or the name of a recipe that comes along.

    The same command goes on where the last one ended. Ctrl-C ends it after the present step, a
    second one at once. Several GPUs or machines: torchrun, see docs/training.md.

    \b
    Examples:
      dinplug train imdn-x2 --data photos --out run
      dinplug train mine.toml --data photos --out run --minutes 60
    """
    from dinplug.training.loop import Limits
    from dinplug.training.progress import view_for
    from dinplug.training.run import Wish
    from dinplug.training.run import train as train_as_wished

    def should_stop() -> bool:
        """Tell whether to stop; from the first step on there is something to save by then."""
        stop.grace = _PATIENCE
        return stop()

    wish = Wish(recipe, data, out, start, Limits(minutes, should_stop))
    train_as_wished(wish, lambda: view_for(sys.stderr))
