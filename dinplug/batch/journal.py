"""The append-only record of a run, one JSON line for each photo, in the folder of the results.

A photo counts as done when its result exists and the journal says that it was made from the same
content with the same recipe. That a result is about to get a name that is free is recorded too:
results get their names whole, so if the process was killed between naming and recording, what has
the name is the result. Lines that a crash tore are ignored, so that the worst a torn line costs is
one photo restored again.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from dinplug.errors import WriteError

JOURNAL_NAME = ".dinplug-journal.jsonl"
SCHEMA = 1
Status = Literal["begun", "done", "failed"]
OptionValue = str | int | float | bool | None


@dataclass(frozen=True)
class Recipe:
    """Everything besides the photo that decides the result's pixels."""

    task: str
    model: str
    weights_sha256: str
    options: Mapping[str, OptionValue]
    version: str


@dataclass(frozen=True)
class Fingerprint:
    """What a file was: its size in bytes, modification time in ns, and content hash (hex)."""

    size: int
    mtime_ns: int
    sha256: str

    @staticmethod
    def of(path: Path) -> "Fingerprint":
        """Read `path` once; OSError if that is impossible."""
        state = path.stat()
        with path.open("rb") as stream:
            digest = _sha256(stream)
        return Fingerprint(state.st_size, state.st_mtime_ns, digest)


@dataclass(frozen=True)
class Record:
    """One photo's line. `output` is relative to the journal's folder, with forward slashes.

    `reason` says why it failed, or what to know about the result.
    """

    source: str
    output: str
    status: Status
    recipe: Recipe
    seconds: float
    fingerprint: Fingerprint | None = None
    reason: str = ""
    traceback: str = ""


@dataclass
class Journal:
    """The journal of one folder of results. Reading an absent journal gives an empty one."""

    folder: Path
    _latest: dict[str, Record] = field(default_factory=dict)
    _begun: dict[str, Record] = field(default_factory=dict)
    _of_source: dict[str, set[str]] = field(default_factory=dict)

    @staticmethod
    def read(folder: Path) -> "Journal":
        """Read the journal of `folder`; damaged lines are passed over."""
        journal = Journal(folder)
        try:
            content = (folder / JOURNAL_NAME).read_bytes()
        except OSError:
            return journal
        for record in _parse(content):
            journal._remember(record)
        return journal

    def outputs(self) -> set[Path]:
        """Every result the journal knows as done or begun, as paths inside its folder."""
        return {self.folder / output for output in (*self._latest, *self._begun)}

    def results_of(self, source: Path) -> set[Path]:
        """Every result made of `source`, or begun, whatever `source` was then."""
        return {self.folder / output for output in self._of_source.get(str(source), ())}

    def find(self, target: Path) -> Record | None:
        """The latest record of the result `target` as done, if any."""
        return self._latest.get(self.name_of(target))

    def find_begun(self, target: Path) -> Record | None:
        """The record that `target`, which was not there, would be written, if nothing followed."""
        return self._begun.get(self.name_of(target))

    def name_of(self, target: Path) -> str:
        """How the journal names `target`."""
        return Path(os.path.relpath(target, self.folder)).as_posix()

    def append(self, record: Record) -> None:
        """Write `record` through to the disk. Raises WriteError."""
        path = self.folder / JOURNAL_NAME
        line = json.dumps({"schema": SCHEMA, **asdict(record)}).encode() + b"\n"
        try:
            with path.open("ab+") as stream:
                if stream.tell() > 0:
                    stream.seek(-1, os.SEEK_END)
                    if stream.read(1) != b"\n":
                        line = b"\n" + line  # a crash tore the last line: leave it behind
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise WriteError(f"{path}: cannot be written ({error.strerror})") from error
        self._remember(record)

    def _remember(self, record: Record) -> None:
        self._begun.pop(record.output, None)
        if record.status == "done":
            self._latest[record.output] = record
        elif record.status == "begun":
            self._begun[record.output] = record
        if record.status != "failed":
            self._of_source.setdefault(record.source, set()).add(record.output)


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _parse(content: bytes) -> Iterator[Record]:
    for line in content.split(b"\n"):
        try:
            values = json.loads(line)
            if values.pop("schema") != SCHEMA:
                continue
            recipe = Recipe(**values.pop("recipe"))
            fingerprint = values.pop("fingerprint")
            yield Record(
                recipe=recipe,
                fingerprint=Fingerprint(**fingerprint) if fingerprint else None,
                **values,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
