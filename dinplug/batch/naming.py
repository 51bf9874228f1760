"""Names for results: the `--name` template, and a free name where two inputs want the same."""

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dinplug.errors import UsageError

DEFAULT_TEMPLATE = "{stem}{suffix}"
FIELDS = ("stem", "task", "model", "scale", "suffix")


@dataclass(frozen=True)
class NameTemplate:
    """A template such as `{stem}_{task}{suffix}`; without `{suffix}` at its end it is added.

    `{stem}` is the input's name without its extension, `{suffix}` the result's extension with
    its dot. Raises UsageError where the template cannot give each photo a name of its own.
    """

    text: str = DEFAULT_TEMPLATE

    def __post_init__(self) -> None:
        names = [name for name, _ in self._parts() if name is not None]
        unknown = [name for name in names if name not in FIELDS]
        if unknown:
            allowed = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise UsageError(f"--name {self.text}: no field {{{unknown[0]}}}; there are {allowed}")
        if "stem" not in names:
            raise UsageError(f"--name {self.text}: without {{stem}} all photos get one name")
        if "suffix" in names and not (
            names.count("suffix") == 1 and self.text.endswith("{suffix}")
        ):
            raise UsageError(f"--name {self.text}: {{suffix}} belongs at the end, once")
        if any(character in self.text for character in "/\\\0"):
            raise UsageError(f"--name {self.text}: a name, not a path; see --out for the folder")

    def stem(self, source: Path, task: str, model: str, scale: str) -> str:
        """Return the result's name without its extension."""
        values = {"stem": source.stem, "task": task, "model": model, "scale": scale, "suffix": ""}
        return "".join(literal if name is None else values[name] for name, literal in self._parts())

    def _parts(self) -> Iterator[tuple[str | None, str]]:
        """Yield (field, "") and (None, literal) in order."""
        try:
            parsed = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise UsageError(f"--name {self.text}: {error}") from error
        for literal, name, style, conversion in parsed:
            if literal:
                yield None, literal
            if name is not None:
                if style or conversion:
                    raise UsageError(f"--name {self.text}: fields take no format")
                yield name, ""


_DEVICES = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\..*)?", re.IGNORECASE
)
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\0-\x1f]')


def windows_objection(name: str) -> str | None:
    """Say why Windows takes no file or folder of this name; None if it does."""
    if _DEVICES.fullmatch(name):
        return f"Windows keeps the name {name} for a device"
    if _FORBIDDEN.search(name):
        return f"{name} has a character that Windows allows in no name"
    if name.endswith((".", " ")):
        return f"Windows drops the dots and spaces at the end of {name}"
    return None


@dataclass(frozen=True)
class Wanted:
    """The place an input wants for its result, `folder`/`stem``suffix`, relative to the output.

    `earlier` are the names that results of this input have in `folder` already.
    """

    source: Path
    folder: PurePosixPath
    stem: str
    suffix: str
    earlier: frozenset[str] = frozenset()

    @property
    def kept(self) -> str | None:
        """The earlier name that still fits, if there is one."""
        if not self.earlier:
            return None
        middle = rf"(_{re.escape(_kind(self.source))}|_\d+)?"
        form = re.compile(re.escape(self.stem) + middle + re.escape(self.suffix))
        return next(filter(form.fullmatch, sorted(self.earlier)), None)


def free_names(wanted: Sequence[Wanted]) -> list[str]:
    """Return a name for each, no two alike in one folder, the wanted one wherever possible.

    The name of an earlier result stays, whatever has come since. Then an input that keeps its own
    name goes first; of the others, the first in order gets the plain name, the next the input's
    extension added (`a_cr2.tif`), then a number. Names that differ in case or Unicode form only
    are alike, because many file systems think so.
    """
    names = [""] * len(wanted)
    taken: set[tuple[str, str]] = set()
    kept = [place.kept for place in wanted]
    keeps_own = [place.stem + place.suffix == place.source.name for place in wanted]
    order = sorted(range(len(wanted)), key=lambda n: (kept[n] is None, not keeps_own[n]))
    for number in order:
        place = wanted[number]
        folder = _alike(str(place.folder))
        names[number] = next(
            name for name in _candidates(place, kept[number]) if (folder, _alike(name)) not in taken
        )
        taken.add((folder, _alike(names[number])))
    return names


def _candidates(place: Wanted, kept: str | None) -> Iterator[str]:
    if kept is not None:
        yield kept
    yield place.stem + place.suffix
    kind = _kind(place.source)
    if kind and f".{kind}" != place.suffix.lower():
        yield f"{place.stem}_{kind}{place.suffix}"
    number = 2
    while True:
        yield f"{place.stem}_{number}{place.suffix}"
        number += 1


def _kind(source: Path) -> str:
    return source.suffix.lstrip(".").lower()


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
