"""Settings kept in files: presets by name, and defaults for every run.

Both are TOML files in the user's configuration folder, `presets/NAME.toml` and `config.toml`. They
hold options of the command line by their long names. The command line goes before the environment,
that before a preset, that before config.toml, and that before what is built in.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from dinplug.batch.options import SETTINGS
from dinplug.errors import UsageError
from dinplug.folders import user_config_folder

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Value = str | bool | list[str]
_NAME = re.compile(r"\w[\w .+-]{0,99}")
_LARGEST_FILE = 64 << 10
_NOT_FOR_FORMAT = {
    "tiff": {"quality"},
    "png": {"quality", "compression"},
    "jpeg": {"compression", "bit-depth"},
    "webp": {"compression", "bit-depth"},
}


@dataclass(frozen=True)
class Settings:
    """What one file states, by the names of SETTINGS; texts are as typed on the command line."""

    path: Path
    values: Mapping[str, Value] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> Settings:
        """Read and check a file; UsageError, in one line, for anything that is no setting."""
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST_FILE + 1)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
        if len(content) > _LARGEST_FILE:
            raise UsageError(f"{path}: too large for a file of settings")
        try:
            stated = tomllib.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{path}: not TOML in UTF-8 ({error})") from error
        return Settings(path, {name: _checked(path, name, stated[name]) for name in stated})

    def without(self, names: set[str]) -> Settings:
        """Leave out settings by name."""
        kept = {name: value for name, value in self.values.items() if name not in names}
        return Settings(self.path, kept)

    def __str__(self) -> str:
        """The settings for a person, in one line."""
        stated = [f"{name} = {as_text(value)}" for name, value in self.values.items()]
        return ", ".join(stated) or "nothing"


def config_path() -> Path:
    """Where the user's defaults are; the file may not exist."""
    return user_config_folder() / "config.toml"


def presets_folder() -> Path:
    """Where the user's presets are; the folder may not exist."""
    return user_config_folder() / "presets"


def read_config() -> Settings:
    """Read config.toml; nothing is stated where it does not exist."""
    path = config_path()
    return Settings.read(path) if path.exists() else Settings(path)


def read_preset(name: str) -> Settings:
    """Read a preset by name; UsageError where it does not exist or its name is a path."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a preset: letters, digits, spaces and -._+ only")
    path = presets_folder() / f"{name}.toml"
    if not path.is_file():
        names = ", ".join(preset_names()) or "none yet"
        raise UsageError(f"no preset {name!r} ({path}); there are: {names}")
    return Settings.read(path)


def preset_names() -> list[str]:
    """Return the names of the user's presets, in order."""
    return sorted(
        path.stem
        for path in presets_folder().glob("*.toml")
        if _NAME.fullmatch(path.stem) and path.is_file()
    )


def overruled_by(stated: Mapping[str, Any]) -> set[str]:
    """Return the settings of lower rank that those of higher rank in `stated` leave no room for.

    Besides those of the same name: another task or model takes no model or scale from below, a
    format no quality, compression or depth that it cannot have, a reference no tiles.
    """
    names = set(stated)
    if {"task", "model"} & names:
        names |= {"task", "model", "scale"}
    if stated.get("reference"):
        names |= {"tile", "max-memory"}
    if {"tile", "max-memory"} & names:
        names.add("reference")
    names |= _NOT_FOR_FORMAT.get(str(stated.get("format")), set())
    return names


def _checked(path: Path, name: str, value: object) -> Value:
    """Return a value as click takes it; UsageError where the option would refuse it."""
    option = SETTINGS.get(name)
    if option is None:
        raise UsageError(f"{path}: unknown setting {name!r}; there are {', '.join(SETTINGS)}")
    typed = _as_typed(option, value)
    if typed is None:
        wanted = (
            "true or false" if option.is_flag else "a text" + " or number" * (not option.multiple)
        )
        raise UsageError(f"{path}: {name} = {value!r} is not {wanted}")
    try:
        option.process_value(click.Context(click.Command("settings")), typed)
    except click.BadParameter as error:
        raise UsageError(f"{path}: {name}: {error.message.rstrip('.')}") from error
    return typed


def _as_typed(option: click.Option, value: object) -> Value | None:
    """Return a value of TOML as the command line has it, or None where it is of another type."""
    if option.is_flag:
        return value if isinstance(value, bool) else None
    if option.multiple:
        texts = value if isinstance(value, list) else [value]
        strings = [text for text in texts if isinstance(text, str)]
        return strings if len(strings) == len(texts) else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value)


def as_text(value: Value) -> str:
    """Return a value for a person."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else " ".join(value)
