"""Read and write the tag directories that TIFF and EXIF share, keeping every value's type.

Exif 2.32, section 4.6; TIFF 6.0, section 2; BigTIFF as libtiff describes it. Values are
held as little-endian bytes, so nothing is lost between files of either byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from mmap import mmap
from types import MappingProxyType

import numpy as np

TYPE_SIZES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
    16: 8, 17: 8, 18: 8, 129: 1,
}  # fmt: skip
_SWAP_UNITS = {3: 2, 8: 2, 4: 4, 9: 4, 5: 4, 10: 4, 11: 4, 13: 4, 12: 8, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MAX_ENTRIES = 4096
# Bytes of all values of a directory together; entries of a hostile file may all name the same
# bytes, and the layers that Photoshop keeps in a TIFF are of no use here.
_MAX_BYTES = 128 * 2**20

EXIF_POINTER, GPS_POINTER, INTEROP_POINTER, SUB_IFDS = 0x8769, 0x8825, 0xA005, 0x014A
MAKER_NOTE = 0x927C


@dataclass(frozen=True)
class Field:
    """One value: TIFF type, count, and `data` in little-endian order."""

    type: int
    count: int
    data: bytes
    offset: int | None = None

    def integers(self) -> tuple[int, ...]:
        """Return the value as integers, or nothing where it is of another type."""
        code = _INTEGERS.get(self.type)
        if code is None:
            return ()
        return struct.unpack(f"<{self.count}{code}", self.data)

    def numbers(self) -> tuple[float, ...]:
        """Return the value as floats; rationals with a zero denominator are left out."""
        if self.type in (5, 10):
            parts = struct.unpack(f"<{2 * self.count}{'I' if self.type == 5 else 'i'}", self.data)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            return tuple(n / d for n, d in pairs if d)
        if self.type in (11, 12):
            return struct.unpack(f"<{self.count}{'f' if self.type == 11 else 'd'}", self.data)
        return tuple(float(v) for v in self.integers())


def ascii_field(text: str) -> Field:
    """Make a text value (UTF-8, ended by a zero byte)."""
    data = text.encode("utf-8").replace(b"\0", b"") + b"\0"
    return Field(2, len(data), data)


def short_field(value: int) -> Field:
    """Make a 16-bit integer value."""
    return Field(3, 1, struct.pack("<H", value))


def long_field(value: int) -> Field:
    """Make a 32-bit integer value."""
    return Field(4, 1, struct.pack("<I", value))


def rational_field(numerator: int, denominator: int) -> Field:
    """Make an unsigned fraction."""
    return Field(5, 1, struct.pack("<II", numerator, denominator))


Tags = dict[int, Field]


@dataclass(frozen=True)
class Directory:
    """One parsed directory and the offset of the next (0: none)."""

    tags: Tags = field(default_factory=dict)
    following: int = 0


def _swapped(data: bytes, kind: int) -> bytes:
    unit = _SWAP_UNITS.get(kind)
    if unit is None:
        return data
    return np.frombuffer(data, dtype=f">u{unit}").astype(f"<u{unit}").tobytes()


class TagReader:
    """Reads directories from a buffer that holds a whole TIFF structure.

    Damaged entries are left out, never fatal: metadata are kept as far as they are sound.
    Raises ValueError where the buffer is no TIFF structure at all.
    """

    _MAGICS = (42, 43, 0x55, 0x4F52, 0x5352)  # TIFF, BigTIFF, Panasonic, two of Olympus

    def __init__(self, buffer: bytes | mmap) -> None:
        self._buffer = buffer
        order = self._buffer[:2]
        if order not in (b"II", b"MM") or len(self._buffer) < 8:
            raise ValueError("no TIFF structure")
        self._mark = "<" if order == b"II" else ">"
        self.order = self._mark
        magic = self._unpack("H", 2)
        if magic not in self._MAGICS:
            raise ValueError("no TIFF structure")
        self.big = magic == 43
        self.first = self._unpack("Q", 8) if self.big else self._unpack("I", 4)

    def _unpack(self, code: str, at: int) -> int:
        size = struct.calcsize(code)
        piece = self._buffer[at : at + size]
        if at < 0 or len(piece) != size:
            raise ValueError("offset outside the file")
        return int(struct.unpack(self._mark + code, piece)[0])

    def directory(self, at: int) -> Directory:
        """Read the directory at offset `at`; raises ValueError where there is none."""
        head, entry, inline, count_code, pointer = (
            (8, 20, 8, "Q", "Q") if self.big else (2, 12, 4, "I", "I")
        )
        if at < 8:
            raise ValueError("offset outside the file")
        entries = self._unpack("Q" if self.big else "H", at)
        if entries > _MAX_ENTRIES:
            raise ValueError("directory too long")
        tags: Tags = {}
        room = _MAX_BYTES
        for start in range(at + head, at + head + entries * entry, entry):
            try:
                tag, kind = self._unpack("H", start), self._unpack("H", start + 2)
                count = self._unpack(count_code, start + 4)
                size = TYPE_SIZES[kind] * count
                where = start + entry - inline
                if size > inline:
                    where = self._unpack(pointer, where)
                if size > room:
                    continue
                data = self._buffer[where : where + size]
            except (ValueError, KeyError):
                continue
            if len(data) == size and count and tag not in tags:
                room -= size
                little = data if self._mark == "<" else _swapped(data, kind)
                tags[tag] = Field(kind, count, little, where)
        try:
            following = self._unpack(pointer, at + head + entries * entry)
        except ValueError:
            following = 0
        return Directory(tags, following)

    def child(self, parent: Tags, pointer: int) -> Tags:
        """Read the directory that a pointer tag of `parent` leads to; empty where it fails."""
        target = parent.get(pointer)
        offsets = target.integers() if target else ()
        try:
            return self.directory(offsets[0]).tags if offsets else {}
        except ValueError:
            return {}

    def all_directories(self) -> Iterator[Tags]:
        """Yield the main chain and every sub-directory (tag 330), each once."""
        seen: set[int] = set()
        pending = [self.first]
        while pending and len(seen) < 64:
            at = pending.pop(0)
            if at in seen or at == 0:
                continue
            seen.add(at)
            try:
                found = self.directory(at)
            except ValueError:
                continue
            yield found.tags
            pending.append(found.following)
            subs = found.tags.get(SUB_IFDS)
            pending.extend(subs.integers() if subs else ())


@dataclass(frozen=True)
class Tree:
    """A directory and the directories its pointer tags lead to."""

    tags: Tags = field(default_factory=dict)
    children: dict[int, Tree] = field(default_factory=dict)


def write_tree(
    tree: Tree,
    start: int,
    *,
    big: bool = False,
    order: str = "<",
    pinned: Mapping[int, int] = MappingProxyType({}),
) -> bytes:
    """Serialise a directory that will lie at offset `start`, with its children after it.

    Offsets inside are absolute; empty children are left out. `order` is "<" or ">". Values
    of `pinned` tags lie at the given offsets already. Returns an even number of bytes.
    """
    children = {pointer: child for pointer, child in tree.children.items() if child.tags}
    kind = 18 if big else 4
    entries = tree.tags | {pointer: Field(kind, 1, b"") for pointer in children}
    head, entry, inline, wide = (8, 20, 8, "Q") if big else (2, 12, 4, "I")
    table = bytearray(struct.pack(order + ("Q" if big else "H"), len(entries)))
    heap = bytearray()
    heap_start = start + head + len(entries) * entry + inline

    for tag in sorted(entries):
        value = entries[tag]
        if tag in children:
            at = heap_start + len(heap)
            heap += write_tree(children[tag], at, big=big, order=order, pinned=pinned)
            data = struct.pack(order + wide, at)
        else:
            data = value.data if order == "<" else _swapped(value.data, value.type)
            if tag in pinned and len(data) > inline:
                data = struct.pack(order + wide, pinned[tag])
            elif len(data) > inline:
                at = heap_start + len(heap)
                heap += data + bytes(len(data) % 2)
                data = struct.pack(order + wide, at)
        table += struct.pack(order + "HH" + wide, tag, value.type, value.count)
        table += data.ljust(inline, b"\0")
    return bytes(table + bytes(inline) + heap)
