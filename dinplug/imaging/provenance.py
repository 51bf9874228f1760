"""What a result's XMP says about how it was made, written and read back."""

from __future__ import annotations

import os
from pathlib import Path

from dinplug.errors import ReadError
from dinplug.imaging import history
from dinplug.imaging.options import WriteOptions
from dinplug.imaging.photo import Photo, Provenance
from dinplug.imaging.read import read_xmp

# Not "Model" alone: readers would take that for the camera's.
_NAMES = {
    "task": "Task",
    "model": "Network",
    "weights": "Weights",
    "options": "Options",
    "version": "Version",
    "source": "Source",
}


def note_for(photo: Photo, options: WriteOptions) -> dict[str, str]:
    """Return what a result's XMP shall say; nothing for a photo that was not restored."""
    made = photo.provenance
    if made is None:
        return {}
    described = " ".join(filter(None, (made.options, options.described())))
    name = os.fsencode(made.source or photo.source.path.name).decode("utf-8", "replace")
    values = {field: getattr(made, field) for field in _NAMES}
    values |= {"options": described, "source": name}
    return {_NAMES[field]: value for field, value in values.items()}


def read_provenance(path: Path) -> tuple[Provenance, ...]:
    """Read how a file was made, step by step, the latest last; nothing if dinplug did not.

    The texts come from the file and may be anything. Raises ReadError where the file is no photo
    or its XMP is damaged or beyond what is safe to parse.
    """
    packet = read_xmp(path)
    if packet is None:
        return ()
    notes = history.read_history(packet)
    if notes is None:
        raise ReadError(f"{path}: its XMP is damaged, or larger or deeper than XMP is")
    return tuple(
        Provenance(**{field: note.get(name, "") for field, name in _NAMES.items()})
        for note in notes
    )
