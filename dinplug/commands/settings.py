"""Give a command its user's presets and defaults, by click's own default map."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from dinplug.batch.options import FORMAT_OF_SUFFIX, SETTINGS
from dinplug.batch.presets import (
    Settings,
    overruled_by,
    preset_names,
    read_config,
    read_preset,
)
from dinplug.batch.summary import for_display

_KEY = "dinplug.commands.settings"


@dataclass(frozen=True)
class _Defaults:
    """The files that a command takes defaults from, without what is overruled."""

    preset: Settings | None
    config: Settings


class ConfigurableCommand(click.Command):
    """A command whose defaults come from `--preset` and config.toml."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look at what is typed first: it decides what the files have to say."""
        typed, _, _ = self.make_parser(ctx).parse_args(list(args))
        help_option = self.get_help_option(ctx)
        asks_help = help_option is not None and help_option.name in typed
        if not (ctx.resilient_parsing or asks_help):  # resilient: it completes a line
            defaults = _defaults(typed)
            ctx.meta[_KEY] = defaults
            stated = {**defaults.config.values, **(defaults.preset or defaults.config).values}
            ctx.default_map = {SETTINGS[key].name or key: value for key, value in stated.items()}
        return super().parse_args(ctx, args)


def _defaults(typed: dict[str, Any]) -> _Defaults:
    higher = {
        key: typed[str(option.name)] for key, option in SETTINGS.items() if option.name in typed
    }
    if isinstance(typed.get("target"), str):  # the name of a file says its format
        suffix = Path(typed["target"]).suffix.lower()
        higher["format"] = FORMAT_OF_SUFFIX.get(suffix, higher.get("format"))
    preset = None
    if typed.get("preset") is not None:
        preset = read_preset(typed["preset"]).without(overruled_by(higher))
        higher |= preset.values
    return _Defaults(preset, read_config().without(overruled_by(higher)))


def complete_presets(
    ctx: click.Context, param: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Offer the user's presets."""
    return [CompletionItem(name) for name in preset_names() if name.startswith(begun)]


preset_option = click.option(
    "--preset",
    metavar="NAME",
    expose_value=False,
    shell_complete=complete_presets,
    help="Options kept under a name; `dinplug presets` lists them.",
)


def tell(text: str, detail: str | None = None) -> None:
    """Say something on standard error, unless all shall be quiet."""
    if detail != "quiet":
        click.echo(for_display(text), err=True)


def tell_how(described: list[str], detail: str | None) -> None:
    """Say, to who wants more detail, what a run is made with and from where that comes."""
    if detail == "verbose":
        for line in (*described, *settings_told()):
            tell(line)


def settings_told() -> list[str]:
    """Say from which files the present command has which of its options."""
    ctx = click.get_current_context()
    defaults: _Defaults = ctx.meta[_KEY]
    lines = []
    for settings in filter(None, (defaults.preset, defaults.config)):
        unused = {
            name
            for name in settings.values
            if ctx.get_parameter_source(SETTINGS[name].name or name) != ParameterSource.DEFAULT_MAP
        }
        if used := settings.without(unused).values:
            lines.append(f"settings from {settings.path}: {Settings(settings.path, used)}")
    return lines
