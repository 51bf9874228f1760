"""`dinplug plugin`: put the plugins into Krita and GIMP, remove them, say how they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

import dinplug
from dinplug.batch.summary import printable
from dinplug.errors import DinplugError, SetupError, UsageError
from dinplug.hosts import kritarc, sandbox
from dinplug.hosts.condition import examine_plugin, install_command, sandbox_faults
from dinplug.hosts.installation import LAYOUTS, remove_plugin, write_plugin
from dinplug.hosts.places import TITLES, Place, User, find_places, place_at

_MENUS = {"krita": "Filter > Enhance", "gimp": "Filters > Enhance"}
_HOST = click.argument(
    "host", type=click.Choice([*LAYOUTS, "all"]), metavar="{" + "|".join([*LAYOUTS, "all"]) + "}"
)
_FOLDER = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Krita's resource folder (it holds pykrita), or GIMP's plug-ins folder. Default: all "
    "that are found.",
)


@click.group()
def plugin() -> None:
    """Put dinplug into the filter menus of Krita and GIMP 3.

    \b
    Examples:
      dinplug plugin install krita
      dinplug plugin status
      dinplug plugin uninstall all
    """


@plugin.command()
@_HOST
@_FOLDER
def install(host: str, folder: Path | None) -> None:
    """Install the plugin of Krita, GIMP or both, or bring it up to date.

    It goes to every Krita and GIMP 3 of this user, also those from Flatpak, and remembers this
    dinplug. Krita is told to load it. Start the program again afterwards.

    \b
    Examples:
      dinplug plugin install all
      dinplug plugin install gimp --folder ~/.config/GIMP/3.0/plug-ins
    """
    for_each(chosen_places(host, folder), install_at)


@plugin.command()
@_HOST
@_FOLDER
def uninstall(host: str, folder: Path | None) -> None:
    """Remove the plugin of Krita, GIMP or both: what was installed, and nothing else.

    \b
    Example:
      dinplug plugin uninstall krita
    """
    for_each(chosen_places(host, folder), uninstall_at)


@plugin.command()
def status() -> None:
    """Say for every Krita and GIMP 3 found whether the plugin is there and works.

    Exit code 3 says that an installed plugin does not work, and the lines why.

    \b
    Example:
      dinplug plugin status
    """
    user = User.present()
    for host in LAYOUTS:
        if not find_places(user, host):
            click.echo(not_found(host))
    for_each(find_places(user), status_of)


def install_at(place: Place) -> Iterator[str]:
    """Install, and tell of it."""
    if place.folder is None:
        raise SetupError(sandbox.NO_SNAP)
    write_plugin(place.host, place.folder)
    yield f"{place.title}: dinplug {dinplug.__version__} installed in {place.folder}"
    if place.settings is not None:
        kritarc.enable(place.settings)
    elif place.host == "krita":
        yield "  switch it on in Settings > Configure Krita > Python Plugin Manager"
    if place.packaging == "Flatpak":
        yield from (f"  {fault}" for fault in sandbox_faults(place.host))
    yield f"  start {TITLES[place.host]} again: dinplug is in {_MENUS[place.host]}"


def uninstall_at(place: Place) -> Iterator[str]:
    """Uninstall, and tell of it."""
    if place.folder is None or not remove_plugin(place.host, place.folder):
        yield f"{place.title}: no plugin of dinplug's"
        return
    if place.settings is not None:
        kritarc.disable(place.settings)
    yield f"{place.title}: dinplug removed from {place.folder}"


def status_of(place: Place) -> Iterator[str]:
    """Tell of a plugin's condition; raises SetupError if it has faults."""
    if place.folder is None:
        yield f"{place.title}: {sandbox.NO_SNAP}"
        return
    found = examine_plugin(place)
    if found.faults:
        raise SetupError(f"{place.folder}: {'; '.join(found.faults)}")
    if found.version:
        yield f"{place.title}: dinplug {found.version} in {place.folder} works"
    else:
        yield f"{place.title}: no plugin in {place.folder}; run `{install_command(place)}`"


def chosen_places(host: str, folder: Path | None) -> list[Place]:
    """Where to act: in the folder named, or in all that are found.

    Raises UsageError for a folder without a single host, SetupError if nothing is found.
    """
    user = User.present()
    if folder is not None:
        if host == "all":
            raise UsageError("--folder is of one program: name krita or gimp")
        return [place_at(folder.absolute(), host, user)]
    places = find_places(user, None if host == "all" else host)
    if not places:
        raise SetupError("; ".join(not_found(name) for name in LAYOUTS if host in (name, "all")))
    return places


def not_found(host: str) -> str:
    """What to say of a host that this user does not have."""
    return (
        f"{TITLES[host]}: not found; start it once, or name its folder with --folder "
        f"(`dinplug plugin install {host} --help`)"
    )


def for_each(places: Iterable[Place], act: Callable[[Place], Iterator[str]]) -> None:
    """Act on every place and show what is said; one that fails does not stop the others.

    Raises the last error, when all is done.
    """
    failed: DinplugError | None = None
    for place in places:
        try:
            for line in act(place):
                click.echo(printable(line))
        except DinplugError as error:
            if failed is not None:
                click.echo(printable(f"Error: {failed}"), err=True)
            failed = type(error)(f"{place.title}: {error}")
    if failed is not None:
        raise failed
