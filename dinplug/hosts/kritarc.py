"""Krita's settings: switch the plugin on and off, and leave every other line as it is.

The file is KDE's kind of INI: groups in brackets, `key=value`. Krita reads it when it starts, and
writes back only what was changed in it, so that a change made meanwhile stays.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

from dinplug.atomic import write_atomically
from dinplug.errors import SetupError

_GROUP = "[python]"
_KEY = "enable_dinplug"
_OURS = re.compile(rf"\s*{_KEY}\s*=")
_TRUE = ("true", "on", "yes", "1")
_FOLDER = re.compile(r"ResourceDirectory\s*=(.*)")
_ESCAPED = {r"\s": " ", r"\t": "\t", r"\\": "\\"}
_LARGEST = 16 << 20


def resource_folder(settings: Path) -> Path | None:
    """The folder that a user chose for Krita's resources, plugins among them, if any."""
    try:
        lines = _lines(_read(settings))
    except SetupError:
        return None
    for line in lines:
        if line.lstrip().startswith("["):
            return None  # it stands before all groups
        if named := _FOLDER.match(line.strip()):
            folder = re.sub(r"\\[st\\]", lambda escape: _ESCAPED[escape[0]], named[1].strip())
            return Path(folder) if os.path.isabs(folder) and os.path.isdir(folder) else None
    return None


def is_enabled(settings: Path) -> bool:
    """Whether Krita loads the plugin; raises SetupError if the file cannot be read."""
    lines = _lines(_read(settings))
    ours = _entries(lines)
    return bool(ours) and lines[ours[-1]].partition("=")[2].strip().lower() in _TRUE


def enable(settings: Path) -> None:
    """Have Krita load the plugin; raises SetupError if the file cannot be read or written."""
    _change(settings, enabled)


def disable(settings: Path) -> None:
    """Take the plugin's line away; raises SetupError if the file cannot be read or written."""
    if settings.exists():
        _change(settings, disabled)


def enabled(text: str) -> str:
    """The file's text with the plugin switched on."""
    lines = _lines(text)
    end = _line_end(lines)
    ours = _entries(lines)
    if ours:
        for number in ours:
            lines[number] = f"{_KEY}=true{end}"
        return "".join(lines)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += end
    groups = [number for number, line in enumerate(lines) if line.strip() == _GROUP]
    if groups:
        lines.insert(groups[0] + 1, f"{_KEY}=true{end}")
    else:
        lines += [*([end] if lines else []), f"{_GROUP}{end}", f"{_KEY}=true{end}"]
    return "".join(lines)


def disabled(text: str) -> str:
    """The file's text without the plugin's line, and without a group that it leaves empty."""
    lines = _lines(text)
    for number in reversed(_entries(lines)):
        del lines[number]
        header = number - 1
        rest = "".join(lines[number:]).lstrip()
        if lines[header].strip() == _GROUP and (not rest or rest.startswith("[")):
            del lines[header]
            if header and not lines[header - 1].strip("\r\n"):
                del lines[header - 1]
    return "".join(lines)


def _entries(lines: list[str]) -> list[int]:
    """The numbers of the lines that are the plugin's, in all groups of Python plugins."""
    group, found = "", []
    for number, line in enumerate(lines):
        if line.lstrip().startswith("["):
            group = line.strip()
        elif group == _GROUP and _OURS.match(line):
            found.append(number)
    return found


def _lines(text: str) -> list[str]:
    """The lines of a text, each with its own end."""
    return list(io.StringIO(text, newline=""))


def _line_end(lines: list[str]) -> str:
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"


def _change(settings: Path, change: Callable[[str], str]) -> None:
    text = _read(settings)
    changed = change(text)
    if changed != text:
        # Through a link, so that it stays one.
        write_atomically(changed.encode("utf-8", "surrogateescape"), settings.resolve())


def _read(settings: Path) -> str:
    """The text, byte by byte as it is; nothing if there is no such file."""
    try:
        if settings.stat().st_size > _LARGEST:
            raise SetupError(f"{settings} is too large for a file of settings")
        return settings.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SetupError(f"cannot read {settings}: {error.strerror or error}") from error
