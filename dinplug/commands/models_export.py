"""`dinplug models export`: write a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from dinplug.batch.completion import complete_models


@click.command(name="export")
@click.argument("name", shell_complete=complete_models)
@click.option(
    "--onnx",
    "target",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The ONNX file to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def export_model(name: str, target: Path, overwrite: bool) -> None:
    """Export the model NAME, with its weights, for other programs.

    It takes one picture of any size, 1 x 3 x height x width in 0..1. Needs the packages of
    `pip install 'dinplug[onnx]'`.

    \b
    Example:
      dinplug models export din-dehaze-small --onnx dehaze.onnx
    """
    from dinplug.checkpoints import load_model
    from dinplug.checkpoints.onnx_export import check_free, export_onnx

    check_free(target, overwrite=overwrite)
    digest = export_onnx(load_model(name), target, overwrite=overwrite)
    click.echo(f"{target}: {name}, {target.stat().st_size / 1e6:.1f} MB, SHA-256 {digest}")
