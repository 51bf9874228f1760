"""What happens in a run, as typed events; one JSON object a line for programs (`--json`).

Every line carries `schema` (the version of this vocabulary) and `event` (the kind). Readers may
rely on the fields named here for as long as the version stays the same.
"""

import json
from dataclasses import asdict, dataclass, fields
from importlib import resources
from typing import get_type_hints

from dinplug.errors import UsageError

SCHEMA = 1
NOT_TRIED = "not tried, because the run ended early"
"""The reason of each photo that a run did not come to: what ended it is another photo's reason."""


@dataclass(frozen=True)
class RunStarted:
    """A run begins: `photos` are to be restored, `skipped` need nothing."""

    task: str
    model: str
    photos: int
    skipped: int


@dataclass(frozen=True)
class PhotoPlanned:
    """A dry run would write `target`; `plan` says how (tiles, store, predicted peak)."""

    source: str
    target: str
    plan: str


@dataclass(frozen=True)
class PhotoStarted:
    """Restoring photo number `index` (from 0) begins."""

    index: int
    source: str
    target: str


@dataclass(frozen=True)
class PhotoProgress:
    """`done` of `total` steps of the photo's present stage are finished."""

    index: int
    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class PhotoDone:
    """`target` is written, whole; `note` is what the user should know about it, if anything."""

    index: int
    source: str
    target: str
    seconds: float
    note: str


@dataclass(frozen=True)
class PhotoSkipped:
    """Nothing was done for `source`, and `reason` says why that is all right."""

    source: str
    target: str
    reason: str


@dataclass(frozen=True)
class PhotoFailed:
    """`source` could not be restored; the others go on."""

    source: str
    reason: str


@dataclass(frozen=True)
class RunFinished:
    """The run is over; `interrupted` says that the user stopped it."""

    done: int
    skipped: int
    failed: int
    seconds: float
    interrupted: bool


Event = (
    RunStarted
    | PhotoPlanned
    | PhotoStarted
    | PhotoProgress
    | PhotoDone
    | PhotoSkipped
    | PhotoFailed
    | RunFinished
)

_KINDS: dict[str, type[Event]] = {
    "run-started": RunStarted,
    "photo-planned": PhotoPlanned,
    "photo-started": PhotoStarted,
    "photo-progress": PhotoProgress,
    "photo-done": PhotoDone,
    "photo-skipped": PhotoSkipped,
    "photo-failed": PhotoFailed,
    "run-finished": RunFinished,
}
_KIND_OF = {event_type: kind for kind, event_type in _KINDS.items()}


def json_schema() -> str:
    """Return the JSON schema of the lines, as text."""
    return resources.files("dinplug.batch").joinpath("events.schema.json").read_text("utf-8")


def to_json(event: Event) -> str:
    """Return the event as one line of ASCII JSON, without the line break."""
    return json.dumps({"schema": SCHEMA, "event": _KIND_OF[type(event)], **asdict(event)})


def from_json(line: str) -> Event:
    """Read one line written by `to_json`; UsageError if it is anything else."""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UsageError(f"not an event: {error}") from error
    if not isinstance(record, dict) or record.pop("schema", None) != SCHEMA:
        raise UsageError(f"not an event of schema {SCHEMA}: {line[:80]!r}")
    kind = record.pop("event", None)
    event_type = _KINDS.get(kind) if isinstance(kind, str) else None
    if event_type is None:
        raise UsageError(f"unknown event {kind!r}")
    if set(record) != {field.name for field in fields(event_type)}:
        raise UsageError(f"event {kind} with the fields {', '.join(sorted(record)) or 'none'}")
    for name, expected in get_type_hints(event_type).items():
        if expected is float and type(record[name]) is int:
            record[name] = float(record[name])
        if type(record[name]) is not expected:
            raise UsageError(f"event {kind}: {name} is no {expected.__name__}")
    return event_type(**record)
