"""`dinplug presets`: list the user's presets, and show one."""

from __future__ import annotations

import click

from dinplug.batch.presets import (
    as_text,
    config_path,
    preset_names,
    presets_folder,
    read_config,
    read_preset,
)
from dinplug.batch.summary import printable
from dinplug.commands.settings import complete_presets
from dinplug.errors import UsageError


@click.group(invoke_without_command=True)
@click.pass_context
def presets(ctx: click.Context) -> None:
    """List the presets: options of batch, restore and watch, kept under a name.

    A preset is a file NAME.toml of options by their long names, such as strength = 0.7, in the
    folder that this command names. A config.toml above it has defaults for every run. Order:
    command line, environment, preset, config.toml, built in.

    \b
    Examples:
      dinplug presets
      dinplug presets show web
      dinplug batch --preset web ./photos
    """
    if ctx.invoked_subcommand is not None:
        return
    names = preset_names()
    click.echo(printable(f"presets in {presets_folder()}") + ("" if names else ": none yet"))
    width = max(map(len, names), default=0)
    damaged = 0
    for name in names:
        try:
            text = str(read_preset(name))
        except UsageError as error:
            damaged += 1
            text = f"FAULT: {error}"
        click.echo(printable(f"  {name:<{width}}  {text}"))
    click.echo(printable(f"defaults in {config_path()}: {read_config()}"))
    if damaged:
        raise UsageError("a preset cannot be used; see the lines marked FAULT")


@presets.command()
@click.argument("name", shell_complete=complete_presets)
def show(name: str) -> None:
    """Show the file and the settings of the preset NAME.

    \b
    Example:
      dinplug presets show web
    """
    preset = read_preset(name)
    click.echo(printable(str(preset.path)))
    for setting, value in preset.values.items():
        click.echo(printable(f"  {setting} = {as_text(value)}"))
