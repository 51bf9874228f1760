"""Tell what kind of file a photo is: by its content when reading, by its name when walking."""

from __future__ import annotations

from pathlib import Path

from dinplug.imaging import ifd
from dinplug.imaging.photo import Kind, PhotoInfo, Source

RAW_SUFFIXES = frozenset(
    (
        ".3fr", ".ari", ".arw", ".bay", ".cap", ".cr2", ".cr3", ".crw", ".dc2", ".dcr", ".dcs",
        ".dng", ".drf", ".eip", ".erf", ".fff", ".gpr", ".iiq", ".k25", ".kc2", ".kdc", ".mdc",
        ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".ori", ".pef", ".ptx", ".qtk", ".raf",
        ".raw", ".rdc", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".sti", ".x3f",
    )
)  # fmt: skip
_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "tiff": (".tif", ".tiff"),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "png": (".png",),
    "webp": (".webp",),
    "gif": (".gif",),
    "bmp": (".bmp",),
    "raw": tuple(sorted(RAW_SUFFIXES)),
}
PHOTO_SUFFIXES = frozenset(suffix for group in _SUFFIXES.values() for suffix in group)
FOREIGN_SUFFIXES = frozenset(
    (
        ".avif", ".bpg", ".dds", ".exr", ".fits", ".hdr", ".heic", ".heif", ".hif", ".ico", ".j2k",
        ".jp2", ".jpx", ".jxl", ".jxr", ".pcx", ".pgm", ".ppm", ".psb", ".psd", ".qoi", ".svg",
        ".tga", ".wdp", ".xcf",
    )
)  # fmt: skip
"""Pictures of kinds that are not read; walking a folder tells of them."""
HEAD_BYTES = 32

_DNG_VERSION, _PHOTOMETRIC = 0xC612, 0x0106
_SENSOR_PHOTOMETRICS = (32803, 34892)  # colour filter array, linear raw


def is_photo_name(path: str | Path) -> bool:
    """Say whether a file's name has the suffix of a photo, in whatever case."""
    return Path(path).suffix.lower() in PHOTO_SUFFIXES


def is_foreign_name(path: str | Path) -> bool:
    """Say whether a file's name has the suffix of a picture that is not read."""
    return Path(path).suffix.lower() in FOREIGN_SUFFIXES


def output_format(kind: Kind, wish: str | None) -> str:
    """Return the format a result is written in: the wish, or the photo's own kind.

    RAW becomes TIFF; GIF and BMP, which are poor homes for a photo, become PNG.
    """
    if wish is not None:
        return wish
    return {"raw": "tiff", "gif": "png", "bmp": "png"}.get(kind, kind)


def output_suffix(photo: PhotoInfo | Source, format: str | None) -> str:
    """Return the suffix of a result's name; the photo's own spelling where the kind stays."""
    target = output_format(photo.kind, format)
    own = photo.path.suffix
    known: dict[str, tuple[str, ...]] = {str(kind): names for kind, names in _SUFFIXES.items()}
    if own.lower() in known[target] and own.lower() != ".mpo":
        return own
    return known[target][0]


def sniff(head: bytes) -> Kind | None:
    """Return the kind that a file's first HEAD_BYTES bytes show, or None.

    A TIFF structure is reported as "tiff"; whether it is a RAW needs its tags.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:2] == b"BM" and len(head) >= 26:
        return "bmp"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "raw" if head[8:10] == b"CR" else "tiff"
    raw_marks = (
        head[6:14] == b"HEAPCCDR",
        head[4:12] == b"ftypcrx ",
        head.startswith((b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR")),
        head.startswith((b"\0MRM", b"FOVb", b"ARRI")),
    )
    return "raw" if any(raw_marks) else None


def holds_sensor_data(reader: ifd.TagReader) -> bool:
    """Say whether a TIFF structure is a camera's RAW: a DNG, or one with a filter array."""
    for tags in reader.all_directories():
        if _DNG_VERSION in tags:
            return True
        photometric = tags.get(_PHOTOMETRIC)
        if photometric and photometric.integers()[:1] in {(v,) for v in _SENSOR_PHOTOMETRICS}:
            return True
    return False
