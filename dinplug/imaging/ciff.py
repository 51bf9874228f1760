"""Read make and model from Canon's CIFF, the container of CRW files.

A CIFF heap ends with the offset of its directory: a count, then records of tag (2 bytes),
size (4) and offset (4). Tags whose data type bits say so are heaps themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap

_MAKE_AND_MODEL = 0x080A
_OWNER = 0x0810
_HEAPS = (0x2800, 0x3000)
_IN_RECORD = 0x4000
_DEEPEST = 8


def texts(view: mmap) -> dict[str, str]:
    """Return "make", "model" and "owner" as far as the file has them; damage ends the search.

    Raises ValueError or struct.error where the header is damaged.
    """
    order = {b"II": "<", b"MM": ">"}.get(view[:2])
    if order is None or view[6:14] != b"HEAPCCDR":
        raise ValueError("no CIFF header")
    start = struct.unpack(order + "I", view[2:6])[0]
    found: dict[str, str] = {}
    for tag, data in _records(view, order, start, len(view), 0):
        parts = [part.decode("latin-1").strip() for part in data.split(b"\0")]
        if tag == _MAKE_AND_MODEL and len(parts) >= 2:
            found["make"], found["model"] = parts[:2]
        elif tag == _OWNER and parts[0]:
            found["owner"] = parts[0]
    return found


def _records(
    view: mmap, order: str, start: int, end: int, depth: int
) -> Iterator[tuple[int, bytes]]:
    if depth > _DEEPEST or not 0 <= start < end - 6 or end > len(view):
        return
    at = start + struct.unpack(order + "I", view[end - 4 : end])[0]
    if at + 2 > end:
        return
    count = struct.unpack(order + "H", view[at : at + 2])[0]
    for record in range(at + 2, min(at + 2 + 10 * count, end - 9), 10):
        tag, size, offset = struct.unpack(order + "HII", view[record : record + 10])
        if tag & 0xC000 == _IN_RECORD:
            continue
        if tag & 0x3800 in _HEAPS:
            yield from _records(view, order, start + offset, start + offset + size, depth + 1)
        elif size < 256:
            yield tag & 0x3FFF, view[start + offset : start + offset + size]
