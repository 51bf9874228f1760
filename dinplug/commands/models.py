"""`dinplug models`: list them, show a card, import and export weights."""

from __future__ import annotations

from pathlib import Path

import click

from dinplug.batch.completion import complete_models
from dinplug.commands.models_export import export_model


@click.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """List the models: task, network, scale, parameters, weights, licence.

    \b
    Examples:
      dinplug models
      dinplug models show imdn-x2
      dinplug models import ~/Downloads/IMDN_x2.pth
    """
    if ctx.invoked_subcommand is None:
        from dinplug.checkpoints import list_models
        from dinplug.listing import model_table

        click.echo(model_table(list_models()))


@models.command()
@click.argument("name", shell_complete=complete_models)
def show(name: str) -> None:
    """Show the card of the model NAME: paper, data, licence, source, hashes.

    \b
    Example:
      dinplug models show imdn-x2
    """
    from dinplug.checkpoints import model_card
    from dinplug.listing import card_text

    click.echo(card_text(model_card(name)))


@models.command(name="import")
@click.argument("checkpoint", type=click.Path(exists=True, path_type=Path))
@click.option("--name", metavar="NAME", help="Name of the model. Default: that of its network.")
def import_(checkpoint: Path, name: str | None) -> None:
    """Import the authors' file CHECKPOINT of a network dinplug knows.

    It is recognised by its contents, never run, and kept in the user's data folder.

    \b
    Example:
      dinplug models import ~/Downloads/IMDN_x2.pth
    """
    from dinplug.checkpoints.importing import import_checkpoint
    from dinplug.listing import import_text

    click.echo(import_text(import_checkpoint(checkpoint, name)))


models.add_command(export_model)
