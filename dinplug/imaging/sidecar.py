"""Copy a photo's `.xmp` sidecars, where other programs keep ratings, keywords and edits.

Two customs name them: `IMG.xmp` (Adobe's, for RAW) and `IMG.CR2.xmp` (darktable, digiKam).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dinplug.imaging import kinds, xmp, xmp_tree
from dinplug.imaging.metadata import Metadata
from dinplug.imaging.photo import Kind, Photo
from dinplug.imaging.quiet import one_line

LARGEST_SIDECAR = 64 * 2**20


@dataclass(frozen=True)
class Sidecar:
    """What is to be written to `path`, beside a result."""

    path: Path
    content: bytes


def sidecars_for(photo: Photo, result: Path) -> tuple[list[Sidecar], list[str]]:
    """Return copies of the photo's sidecars as they are to lie beside `result`, and notes.

    They say that the picture is upright and how large it is; those of a RAW have lost the
    settings it would be developed with a second time.
    """
    original = photo.source.path
    found, notes = read_sidecars(original, photo.source.kind)
    copies = []
    for source, content in found.items():
        base = result.name if source.stem == original.name else result.stem
        copies.append(Sidecar(result.with_name(base + source.suffix), _changed(content, photo)))
    return copies, notes


def read_sidecars(original: Path, kind: Kind) -> tuple[dict[Path, bytes], list[str]]:
    """Return the content of each sidecar of a photo of some kind, and notes on what is left out.

    Links are not followed: a sidecar from elsewhere could be any file of the user's.
    """
    found, notes = {}, []
    for path in _paths(original, kind):
        try:
            content = _content(path)
        except OSError as error:
            notes.append(f"the sidecar {path.name} cannot be read ({one_line(error)})")
            continue
        if len(content) > LARGEST_SIDECAR:
            notes.append(f"the sidecar {path.name} is too large to be one and is left out")
        else:
            found[path] = content
    return found, notes


def with_packet_of(photo: Photo, copies: list[Sidecar]) -> Metadata:
    """Return the photo's metadata; those of a RAW without XMP take that of its sidecar.

    Lightroom and Bridge read sidecars of RAW files only, so what they have noted there would be
    lost to them beside a TIFF.
    """
    about = photo.source.metadata
    if photo.source.kind != "raw" or about.xmp is not None:
        return about
    packets = [copy.content for copy in copies if xmp_tree.parse(copy.content)]
    return replace(about, xmp=packets[-1]) if packets else about


def _paths(original: Path, kind: Kind) -> Iterator[Path]:
    """Yield the sidecars that lie beside a photo."""
    for suffix in (".xmp", ".XMP"):
        full = original.with_name(original.name + suffix)
        if _is_there(full):
            yield full
            break
    for suffix in (".xmp", ".XMP"):
        short = original.with_name(original.stem + suffix)
        if original.suffix and _is_there(short):
            if kind == "raw" or not _has_namesakes(original):
                yield short
            break


def _is_there(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _has_namesakes(photo: Path) -> bool:
    """Say whether `IMG.xmp` may belong to another photo than this `IMG.jpg`."""
    with os.scandir(photo.parent) as entries:
        return any(
            Path(entry.name).stem == photo.stem
            and entry.name != photo.name
            and kinds.is_photo_name(entry.name)
            for entry in entries
        )


def _content(path: Path) -> bytes:
    """Read a sidecar, no more than a byte beyond what is too large."""
    with path.open("rb") as file:
        return file.read(LARGEST_SIDECAR + 1)


def _changed(content: bytes, photo: Photo) -> bytes:
    packet = xmp.with_size(xmp.as_utf8(content), photo.width, photo.height)
    return xmp.without_development(packet) if photo.source.kind == "raw" else packet
