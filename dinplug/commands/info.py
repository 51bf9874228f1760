"""`dinplug info`: say how a file was made, and with which command again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import click

import dinplug
from dinplug.batch.noted import is_model_name, noted_options
from dinplug.batch.summary import printable

if TYPE_CHECKING:
    from dinplug.imaging import Provenance


@click.command(name="info")
@click.argument("photo", type=click.Path(exists=True, path_type=Path), metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(photo: Path, as_json: bool) -> None:
    """Say how dinplug made FILE: model, weights, options, and the command that repeats it.

    Nothing is loaded or restored; the file's XMP is read. Of a file that dinplug did not make it
    says so.

    \b
    Example:
      dinplug info photos-dehaze/harbour.jpg
    """
    from dinplug.imaging import read_provenance

    steps = read_provenance(photo)
    commands = repeating_commands(steps, photo.name)
    if as_json:
        made = [
            asdict(step) | {"command": command}
            for step, command in zip(steps, commands, strict=True)
        ]
        click.echo(json.dumps({"file": str(photo), "steps": made}))
        return
    for line in report(photo, steps, commands):
        click.echo(printable(line))


def report(photo: Path, steps: Sequence[Provenance], commands: Sequence[str | None]) -> list[str]:
    """Return what a person reads about a file made in `steps`, each repeated by its command."""
    if not steps:
        return [f"{photo}: not made by dinplug, or its note of that was removed"]
    lines = []
    for number, (step, command) in enumerate(zip(steps, commands, strict=True), 1):
        which = f" (step {number} of {len(steps)})" if len(steps) > 1 else ""
        lines.append(f"{photo}: restored by dinplug {step.version}{which}")
        lines += [
            f"  {name:<8} {value}"
            for name, value in (
                ("task", step.task),
                ("model", step.model),
                ("weights", f"SHA-256 {step.weights}"),
                ("options", step.options),
                ("source", step.source),
            )
            if value
        ]
        if command is None:
            lines.append("  repeat   its note is not one that dinplug writes: no command")
        else:
            lines.append(f"  repeat   {command}")
        if step.version != dinplug.__version__:
            lines.append(f"  note     this is dinplug {dinplug.__version__}: pixels may differ")
    return lines


def repeating_commands(steps: Sequence[Provenance], name: str) -> list[str | None]:
    """Return for each step the command that repeats it, quoted for a POSIX shell.

    What a step wrote is called as the next one's source, the last result `name`.
    """
    targets = [_file_name(step.source, "RESULT") for step in steps]
    return [
        _command(step, target) for step, target in zip(steps, [*targets[1:], name], strict=False)
    ]


def _command(step: Provenance, target: str) -> str | None:
    """Return the command of one step, or None where its note is not one of ours."""
    options = noted_options(step.options)
    if options is None or not is_model_name(step.model):
        return None
    words = ["dinplug", "restore", "--model", step.model]
    for name, value in options:
        if (name, value) != ("strength", "1"):  # what happens without a word
            words += [f"--{name}", *([] if value is None else [value])]
    source, result = _file_name(step.source, "ORIGINAL"), _file_name(target, "RESULT")
    if source.casefold() == result.casefold():  # a batch's result would replace its original here
        result = f"restored-{Path(result).name}"
    return shlex.join([*words, source, result])


def _file_name(text: str, otherwise: str) -> str:
    """Return a note's file name without folders, and so that it cannot be taken for an option."""
    name = PureWindowsPath(text).name
    if not name or not name.isprintable():
        return otherwise
    return f"./{name}" if name.startswith("-") else name
