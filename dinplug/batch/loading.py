"""Read a photo of a batch, and make sure that it stayed the same meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from dinplug.batch.journal import Fingerprint
from dinplug.batch.plan import Job
from dinplug.batch.remote import Order
from dinplug.errors import ReadError
from dinplug.imaging import Photo, read_photo
from dinplug.imaging.read import photo_kind
from dinplug.imaging.sidecar import read_sidecars

Content = TypeVar("Content")


@dataclass(frozen=True)
class Loaded:
    """A photo, and what its file was."""

    photo: Photo
    fingerprint: Fingerprint


def load_photo(job: Job) -> Loaded:
    """Read the photo of `job`. Raises ReadError, also if another program changed it meanwhile."""
    return Loaded(*_unchanged(job, lambda: read_photo(job.source)))


def read_order(job: Job) -> tuple[Order, Fingerprint, list[str]]:
    """Read the files of `job` for another process, what the photo was, and notes for the user.

    Raises ReadError as `load_photo` does; that its content is damaged shows in the other process.
    """

    def read() -> tuple[bytes, dict[str, bytes], list[str]]:
        kind = photo_kind(job.source)  # refuses pipes and devices, which might never end
        sidecars, notes = read_sidecars(job.source, kind)
        named = {path.name: content for path, content in sidecars.items()}
        return job.source.read_bytes(), named, notes

    (content, sidecars, notes), fingerprint = _unchanged(job, read)
    return Order(job.source, job.target, content, sidecars), fingerprint, notes


def _unchanged(job: Job, read: Callable[[], Content]) -> tuple[Content, Fingerprint]:
    try:
        before = job.source.stat()
        content = read()
        fingerprint = Fingerprint.of(job.source)
        after = job.source.stat()
    except OSError as error:
        raise ReadError(f"{job.source}: cannot be read ({error.strerror})") from error
    known = (fingerprint.size, fingerprint.mtime_ns)
    if any((state.st_size, state.st_mtime_ns) != known for state in (before, after)):
        raise ReadError(f"{job.source}: changed while it was read; run again once it is complete")
    return content, fingerprint
