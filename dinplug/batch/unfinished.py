"""Temporary files of a write in progress, to be removed when the process must leave at once."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PATTERN = ".dinplug-*.part"


class UnfinishedFiles:
    """Knows which temporary files in the folder of a write are ours: those that were not there."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._others: frozenset[Path] = frozenset()

    @contextmanager
    def writing_in(self, folder: Path) -> Iterator[None]:
        """Mark that a result is being written in `folder`."""
        self._others = frozenset(folder.glob(_PATTERN))
        self._folder = folder
        try:
            yield
        finally:
            self._folder = None

    def remove(self) -> None:
        """Remove what the present write has left, if there is one."""
        if self._folder is None:
            return
        with suppress(OSError):
            for part in set(self._folder.glob(_PATTERN)) - self._others:
                part.unlink(missing_ok=True)
