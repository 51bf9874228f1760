"""Where Krita and GIMP keep a user's plugins, on every system and in every packaging."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dinplug.errors import SetupError
from dinplug.hosts import kritarc

TITLES = {"krita": "Krita", "gimp": "GIMP"}
FLATPAKS = {"krita": "org.kde.krita", "gimp": "org.gimp.GIMP"}
"""The names of the hosts in Flatpak."""
_GIMP_VERSION = re.compile(r"3\.\d+")


@dataclass(frozen=True)
class Place:
    """A host of this user.

    `folder` is what a plugin is installed into; None where a plugin could not start dinplug.
    `settings` is Krita's file of settings, where it is known. `packaging` is "", "Flatpak" or
    "Snap".
    """

    host: str
    folder: Path | None
    settings: Path | None = None
    packaging: str = ""
    version: str = ""

    @property
    def title(self) -> str:
        """The host's name for people, like "GIMP 3.0 (Flatpak)"."""
        packaging = f"({self.packaging})" if self.packaging else ""
        return " ".join(word for word in (TITLES[self.host], self.version, packaging) if word)


@dataclass(frozen=True)
class User:
    """What decides where a user's folders are."""

    environment: Mapping[str, str]
    home: Path
    platform: str

    @staticmethod
    def present() -> User:
        """The one who runs this process; raises SetupError if there is no home folder."""
        try:
            return User(os.environ, Path.home(), sys.platform)
        except RuntimeError as error:
            raise SetupError(f"{error}: set HOME") from error

    def folder(self, variable: str, *otherwise: str) -> Path:
        """The folder a variable names, or one below the home; a relative one does not count."""
        named = Path(self.environment.get(variable) or ".")
        return named if named.is_absolute() else self.home.joinpath(*otherwise)


def find_places(user: User, host: str | None = None) -> list[Place]:
    """The hosts (of one kind) whose folders this user has, however they were installed."""
    found = [*_kritas(user), *_gimps(user)]
    return [place for place in found if host in (None, place.host)]


def place_at(folder: Path, host: str, user: User) -> Place:
    """The place that has this folder; a folder of the user's own has no settings."""
    for place in find_places(user, host):
        if place.folder is not None and _same(place.folder, folder):
            return place
    return Place(host, folder)


def _kritas(user: User) -> Iterator[Place]:
    if user.platform == "win32":
        roaming = user.folder("APPDATA", "AppData", "Roaming")
        local = user.folder("LOCALAPPDATA", "AppData", "Local")
        kritas = [(roaming / "krita", local / "kritarc", "")]
    elif user.platform == "darwin":
        library = user.home / "Library"
        resources = library / "Application Support" / "krita"
        kritas = [(resources, library / "Preferences" / "kritarc", "")]
    else:
        data = user.folder("XDG_DATA_HOME", ".local", "share")
        config = user.folder("XDG_CONFIG_HOME", ".config")
        app = user.home / ".var" / "app" / FLATPAKS["krita"]
        kritas = [
            (data / "krita", config / "kritarc", ""),
            (app / "data" / "krita", app / "config" / "kritarc", "Flatpak"),
        ]
        yield from _snap(user, "krita")
    for resources, settings, packaging in kritas:
        folder = kritarc.resource_folder(settings) or resources
        if folder.is_dir():
            yield Place("krita", folder, settings, packaging)


def _gimps(user: User) -> Iterator[Place]:
    named = user.environment.get("GIMP3_DIRECTORY")
    own = user.home / named if named else None  # as GIMP takes it, relative to the home
    if own is not None:
        yield Place("gimp", own / "plug-ins", version="3")
    if user.platform == "win32":
        bases = [(user.folder("APPDATA", "AppData", "Roaming") / "GIMP", "")]
    elif user.platform == "darwin":
        bases = [(user.home / "Library" / "Application Support" / "GIMP", "")]
    else:
        app = user.home / ".var" / "app" / FLATPAKS["gimp"]
        bases = [
            (user.folder("XDG_CONFIG_HOME", ".config") / "GIMP", ""),
            (app / "config" / "GIMP", "Flatpak"),
        ]
        yield from _snap(user, "gimp")
    for base, packaging in bases:
        for folder in sorted(base.glob("3.*"), key=_version):
            is_user_folder = _GIMP_VERSION.fullmatch(folder.name) and folder.is_dir()
            if is_user_folder and not (own and _same(folder, own)):
                yield Place("gimp", folder / "plug-ins", None, packaging, folder.name)


def _snap(user: User, host: str) -> Iterator[Place]:
    """Programs from the Snap store are confined: they may not start others."""
    if (user.home / "snap" / host).is_dir():
        yield Place(host, None, None, "Snap")


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", folder.name))


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
