"""`dinplug evaluate`: measure a model as its paper does."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dinplug.batch.completion import complete_models
from dinplug.batch.interrupt import Stop
from dinplug.batch.options import device_option, kernels_option, parse_factor

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option(
    "--model",
    required=True,
    metavar="NAME",
    shell_complete=complete_models,
    help="The model to evaluate.",
)
@click.option("--hr", required=True, type=FOLDER, help="Folder of clean pictures.")
@click.option(
    "--lr",
    type=FOLDER,
    help="Folder of degraded pictures, matched by name; without it (task sr) they are made.",
)
@click.option(
    "--scale", metavar="FACTOR", callback=parse_factor, help="Factor, for models of any factor."
)
@click.option("--ensemble", is_flag=True, help='The papers\' "+": average over 8 orientations.')
@click.option(
    "--protocol",
    type=click.Choice(["published", "whole"]),
    default="published",
    show_default=True,
    help="The way behind the published numbers, or each image whole.",
)
@device_option
@kernels_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def evaluate(
    stop: Stop,
    /,
    model: str,
    hr: Path,
    lr: Path | None,
    scale: float | None,
    ensemble: bool,
    protocol: str,
    device: str,
    kernels: str,
    as_json: bool,
) -> None:
    """Measure PSNR and SSIM of a model on pairs of pictures, as its paper does.

    \b
    Example:
      dinplug evaluate --model imdn-x2 --hr Set5/HR --lr Set5/LRx2
    """
    from dinplug.checkpoints import load_model
    from dinplug.evaluation.evaluate import score_model, table
    from dinplug.evaluation.pairs import find_pairs

    loaded = load_model(model, scale=scale)
    result = score_model(
        loaded,
        find_pairs(hr, lr, scale or loaded.scale),
        scale=scale,
        protocol=None if protocol == "published" else protocol,
        ensemble=ensemble,
        device=device,
        kernels=kernels,
        should_stop=stop,
        on_score=lambda named: click.echo(f"{named.name}: {named.score.psnr:.3f} dB", err=True),
    )
    click.echo(json.dumps(result.as_json()) if as_json else table(result))
