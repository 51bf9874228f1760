"""`dinplug completion`: print the script that completes commands in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes SHELL complete dinplug's commands, options, models and presets.

    \b
    Examples:
      dinplug completion bash >> ~/.bashrc
      dinplug completion zsh >> ~/.zshrc
      dinplug completion fish > ~/.config/fish/completions/dinplug.fish
    """
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(ctx.find_root().command, {}, "dinplug", "_DINPLUG_COMPLETE").source())
