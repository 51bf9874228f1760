"""Hosts in a sandbox: whether they may start a program outside, and how."""

from __future__ import annotations

import configparser

NO_SNAP = "programs from the Snap store cannot start dinplug: get this one from elsewhere"
INFO = "/.flatpak-info"
"""Where an app in Flatpak's sandbox reads what it is and what it may."""
_BUS_NAME = "org.freedesktop.Flatpak"
SPAWN = ("flatpak-spawn", "--host", "--watch-bus")
"""What stands before a command to run it outside; it ends when flatpak-spawn does."""


def permissions(text: str) -> configparser.ConfigParser:
    """What Flatpak says of an app, in `INFO` or as `flatpak info --show-permissions`."""
    found = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        found.read_string(text)
    except configparser.Error:
        found.clear()
    return found


def may_start_programs(found: configparser.ConfigParser) -> bool:
    """Whether an app with these permissions may start programs outside."""
    return found.get("Session Bus Policy", _BUS_NAME, fallback="none") in ("talk", "own")


def remedy(app: str) -> str:
    """The command that lets an app start programs outside its sandbox."""
    return f"flatpak override --user --talk-name={_BUS_NAME} {app}"
