"""Find the photos below the paths a user names."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dinplug.batch.journal import JOURNAL_NAME
from dinplug.batch.patterns import Patterns
from dinplug.batch.report.index import INDEX_NAME
from dinplug.errors import UsageError

IsPhotoName = Callable[[str], bool]


@dataclass(frozen=True)
class Found:
    """A photo, and the folder whose tree is mirrored for it."""

    path: Path
    root: Path


@dataclass
class Walk:
    """Walks folders in order of name, following links, each real folder and file once.

    Left out: hidden folders and AppleDouble files (`._x`), names that `is_photo_name` does not
    know (pictures by `is_foreign_name` with a note), what the patterns say, the folder `out`,
    folders of earlier results (they hold a journal), folders of a report's pictures (they hold an
    index), and the paths in `results`. Files that are named explicitly are always taken.
    """

    is_photo_name: IsPhotoName
    include: Patterns = field(default_factory=Patterns)
    exclude: Patterns = field(default_factory=Patterns)
    out: Path | None = None
    results: frozenset[Path] = frozenset()
    is_foreign_name: IsPhotoName = lambda _: False
    notes: list[str] = field(default_factory=list)
    _foreign: Counter[str] = field(default_factory=Counter)
    _folders: set[Path] = field(default_factory=set)
    _files: set[str] = field(default_factory=set)

    def find(self, paths: tuple[Path, ...]) -> list[Found]:
        """Return the photos of all `paths`; UsageError for a path that does not exist."""
        found: list[Found] = []
        for named in paths:
            path = Path(os.path.abspath(named))
            if os.path.isdir(path):
                found += [Found(photo, path) for photo in self._walk(path, path)]
            elif os.path.lexists(path):
                real = os.path.realpath(path)
                found += [Found(path, path.parent)] if self._is_new(path, real) else []
            else:
                raise UsageError(f"{named} does not exist")
        if self._foreign:
            kinds = ", ".join(
                f"{count} {suffix}" for suffix, count in sorted(self._foreign.items())
            )
            self.notes.append(f"left out, dinplug does not read these kinds of pictures: {kinds}")
        return found

    def _walk(self, folder: Path, root: Path) -> Iterator[Path]:
        real = Path(os.path.realpath(folder))
        if real in self._folders:
            return
        self._folders.add(real)
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            self.notes.append(f"{folder}: cannot be listed ({error.strerror}); left out")
            return
        for entry in entries:
            path = folder / entry.name
            if self.exclude and self.exclude.fit(path.relative_to(root)):
                continue
            if os.path.isdir(path):
                if self._may_enter(path, root, entry.is_symlink()):
                    yield from self._walk(path, root)
            elif self._is_photo(entry, path, root):
                real_file = os.path.realpath(path) if entry.is_symlink() else f"{real}/{entry.name}"
                if self._is_new(path, real_file):
                    yield path

    def _may_enter(self, folder: Path, root: Path, is_link: bool) -> bool:
        real = Path(os.path.realpath(folder))
        if folder.name.startswith("."):
            return False
        if is_link and (real.is_relative_to(os.path.realpath(root)) or folder.is_relative_to(real)):
            return False  # inside the tree it is met anyway; above it would be walked in a circle
        if self.out is not None and real == Path(os.path.realpath(self.out)):
            return False
        if os.path.exists(folder / INDEX_NAME):
            return False
        if os.path.exists(folder / JOURNAL_NAME):
            self.notes.append(f"{folder}: results of an earlier run; left out")
            return False
        return True

    def _is_photo(self, entry: "os.DirEntry[str]", path: Path, root: Path) -> bool:
        if entry.name.startswith("._"):
            return False
        if self.include and not self.include.fit(path.relative_to(root)):
            return False
        if not self.is_photo_name(entry.name):
            if self.is_foreign_name(entry.name):
                self._foreign[path.suffix.lower()] += 1
            return False
        # A broken link is taken, and reported when it cannot be read; a pipe would never end.
        # DirEntry's own questions would fail on links in a circle or into forbidden places.
        return os.path.isfile(entry.path) or (entry.is_symlink() and not os.path.exists(entry.path))

    def _is_new(self, path: Path, real: str) -> bool:
        """Take note of a file by its real path; tell whether it is neither known nor a result."""
        key = os.path.normpath(real)
        if key in self._files or path in self.results:
            return False
        self._files.add(key)
        return True
