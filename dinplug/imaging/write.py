"""Write a result whole or not at all: temporary file in the target folder, sync, rename."""

from __future__ import annotations

import errno
import os
import secrets
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dinplug.errors import WriteError
from dinplug.imaging import encode, metadata, profiles, provenance, sidecar
from dinplug.imaging.compose import Composed, compose
from dinplug.imaging.options import WriteOptions
from dinplug.imaging.photo import Photo
from dinplug.imaging.quiet import one_line

_ENCODERS = {
    "tiff": encode.encode_tiff,
    "jpeg": encode.encode_jpeg,
    "png": encode.encode_png,
    "webp": encode.encode_webp,
}
_NO_MEMORY = "not enough memory to encode it"
_TAKEN = "exists already; choose another name or allow overwriting"


def write_photo(
    photo: Photo, path: Path, options: WriteOptions | None = None, *, overwrite: bool = False
) -> tuple[str, ...]:
    """Write a photo to `path` in the wished format (by default its own), never half.

    Something that exists is replaced only with `overwrite`, the photo's own file never. The
    photo's `.xmp` sidecars are copied first, and never replace anything. Returns notes on what
    the format could not hold. Raises WriteError.
    """
    path = Path(path)
    options = options or WriteOptions()
    _check_place(path, photo.source.path, overwrite=overwrite)
    try:
        composed = compose(photo, options)
    except MemoryError as error:
        raise WriteError(f"{path}: {_NO_MEMORY}") from error
    sidecars, sidecar_notes = sidecar.sidecars_for(photo, path)
    about = metadata.for_result(
        sidecar.with_packet_of(photo, sidecars),
        photo.width,
        photo.height,
        _software(photo),
        provenance.note_for(photo, options),
        resized=(photo.width, photo.height) != (photo.source.width, photo.source.height),
        developed=photo.source.kind == "raw",
        colour_space=_colour_space(photo, composed),
    )
    notes: list[str] = []

    def encode_into(part: Path) -> None:
        notes.extend(_ENCODERS[composed.format](part, photo, composed, about, options))

    copied = _write_whole(path, encode_into, sidecars, overwrite=overwrite)
    return (*composed.notes, *notes, *sidecar_notes, *copied)


def write_encoded(
    content: bytes,
    sidecars: Mapping[str, bytes],
    path: Path,
    *,
    original: Path,
    overwrite: bool = False,
) -> tuple[str, ...]:
    """Write a result that was encoded elsewhere, and its sidecars by name, as `write_photo` does.

    `original` is the photo it was made from. Returns notes; raises WriteError.
    """
    _check_place(path, original, overwrite=overwrite)
    copies = [sidecar.Sidecar(path.with_name(name), data) for name, data in sidecars.items()]

    def copy_into(part: Path) -> None:
        part.write_bytes(content)

    return tuple(_write_whole(path, copy_into, copies, overwrite=overwrite))


def _write_whole(
    path: Path,
    fill: Callable[[Path], None],
    sidecars: list[sidecar.Sidecar],
    *,
    overwrite: bool,
) -> list[str]:
    """Let `fill` write a temporary file, and give it its name once it is on the disk."""
    try:
        with _new_part(path) as part:
            fill(part)
            _sync(part)
            # Before the result: a run that ends in between makes the same copies again.
            notes = _copy_sidecars(sidecars)
            _publish(part, path, overwrite=overwrite)
        _sync_folder(path.parent)
    except OSError as error:
        # numpy, which writes for tifffile, reports a short write without a number.
        cause = error if error.errno is not None else OSError(errno.ENOSPC, one_line(error))
        raise WriteError(f"{path}: {_reason(cause)}") from cause
    except MemoryError as error:
        raise WriteError(f"{path}: {_NO_MEMORY}") from error
    except (ValueError, RuntimeError, struct.error) as error:
        raise WriteError(f"{path}: cannot be encoded ({one_line(error)})") from error
    return notes


@contextmanager
def _new_part(path: Path) -> Iterator[Path]:
    """Make a temporary file beside `path`, and remove it if it is still there in the end."""
    part = path.with_name(f".dinplug-{secrets.token_hex(8)}.part")
    # Creating it here gives it the permissions of any new file of this user.
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _copy_sidecars(copies: list[sidecar.Sidecar]) -> list[str]:
    """Write sidecars where there are none yet; return a note for each that is there and differs."""
    notes = []
    for copy in copies:
        with _new_part(copy.path) as part:
            part.write_bytes(copy.content)
            _sync(part)
            try:
                _publish(part, copy.path, overwrite=False)
            except FileExistsError:
                if copy.path.read_bytes() != copy.content:
                    notes.append(f"{copy.path.name} exists already and is left as it is")
    return notes


def _check_place(path: Path, original: Path, *, overwrite: bool) -> None:
    """Raise WriteError where something at `path` must stay."""
    try:
        if not path.exists():
            return
        is_original = original.exists() and path.samefile(original)
    except OSError as error:
        raise WriteError(f"{path}: {_reason(error)}") from error
    if is_original:
        raise WriteError(f"{path}: this is the original photo; choose another name")
    if not overwrite:
        raise WriteError(f"{path}: {_TAKEN}")


def _colour_space(photo: Photo, composed: Composed) -> int | None:
    """Return EXIF's number for the result's colour space, None where it is the photo's own."""
    if composed.same_space and photo.source.kind != "raw":
        return None
    return 1 if composed.profile in (None, profiles.named_profile("srgb")) else 65535


def _software(photo: Photo) -> str | None:
    return f"dinplug {photo.provenance.version}" if photo.provenance else None


def _reason(error: OSError) -> str:
    known = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "the file would be larger than this disk allows",
        errno.EACCES: "no permission to write there",
        errno.EPERM: "no permission to write there",
        errno.EROFS: "the disk is read-only",
        errno.ENOENT: "the folder does not exist",
        errno.ENOTDIR: "its folder is not a folder",
        errno.EEXIST: _TAKEN,
        errno.EINVAL: "this disk does not take it; names on it may lack some characters",
        errno.ENAMETOOLONG: "the name is too long; choose a shorter --name",
    }
    return known.get(error.errno or 0) or f"cannot be written ({one_line(error)})"


def _sync(part: Path) -> None:
    with part.open("rb+") as file:
        os.fsync(file.fileno())


def _publish(part: Path, path: Path, *, overwrite: bool) -> None:
    """Give the finished file its name; without `overwrite` never take one that exists."""
    if overwrite:
        os.replace(part, path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # A file system without hard links (FAT, some network shares): reserve the name first.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        os.replace(part, path)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
