"""Read a photo of a batch, and make sure that it stayed the same meanwhile."""

from dataclasses import dataclass

from dinplug.batch.journal import Fingerprint
from dinplug.batch.plan import Job
from dinplug.errors import ReadError
from dinplug.imaging import Photo, read_photo


@dataclass(frozen=True)
class Loaded:
    """A photo, and what its file was."""

    photo: Photo
    fingerprint: Fingerprint


def load_photo(job: Job) -> Loaded:
    """Read the photo of `job`. Raises ReadError, also if another program changed it meanwhile."""
    try:
        before = job.source.stat()
        photo = read_photo(job.source)
        fingerprint = Fingerprint.of(job.source)
        after = job.source.stat()
    except OSError as error:
        raise ReadError(f"{job.source}: cannot be read ({error.strerror})") from error
    known = (fingerprint.size, fingerprint.mtime_ns)
    if any((state.st_size, state.st_mtime_ns) != known for state in (before, after)):
        raise ReadError(f"{job.source}: changed while it was read; run again once it is complete")
    return Loaded(photo, fingerprint)
