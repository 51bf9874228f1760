"""`dinplug schema`: print the schema of the events."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON schema of the events that --json writes, one a line.

    \b
    Example:
      dinplug schema > events.schema.json
    """
    from dinplug.batch.events import json_schema

    click.echo(json_schema(), nl=False)
