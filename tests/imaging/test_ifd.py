"""Tag directories survive being written and read, whatever the byte order or offset size."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinplug.imaging import ifd
from dinplug.imaging.ifd import Field, TagReader, Tree, write_tree

SIZED = [kind for kind in ifd.TYPE_SIZES if kind != 129]


@st.composite
def fields(draw: st.DrawFn) -> Field:
    kind = draw(st.sampled_from(SIZED))
    count = draw(st.integers(1, 9))
    data = draw(
        st.binary(min_size=count * ifd.TYPE_SIZES[kind], max_size=count * ifd.TYPE_SIZES[kind])
    )
    return Field(kind, count, data)


POINTERS = {ifd.EXIF_POINTER, ifd.GPS_POINTER, ifd.INTEROP_POINTER}
tags = st.dictionaries(
    st.integers(1, 65535).filter(lambda t: t not in POINTERS), fields(), max_size=8
)


def plain(found: ifd.Tags) -> dict[int, tuple[int, int, bytes]]:
    return {tag: (f.type, f.count, f.data) for tag, f in found.items()}


def blob(tree: Tree, *, big: bool, order: str) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, 16)
    else:
        head = mark + struct.pack(order + "HI", 42, 8)
    return head + write_tree(tree, len(head), big=big, order=order)


@given(main=tags, exif=tags, interop=tags, gps=tags, big=st.booleans(), order=st.sampled_from("<>"))
def test_round_trip(
    main: ifd.Tags, exif: ifd.Tags, interop: ifd.Tags, gps: ifd.Tags, big: bool, order: str
) -> None:
    inner = Tree(exif, {ifd.INTEROP_POINTER: Tree(interop)})
    tree = Tree(main, {ifd.EXIF_POINTER: inner, ifd.GPS_POINTER: Tree(gps)})
    reader = TagReader(blob(tree, big=big, order=order))
    found = reader.directory(reader.first).tags
    found_exif = reader.child(found, ifd.EXIF_POINTER)
    assert plain({t: f for t, f in found.items() if t not in POINTERS}) == plain(main)
    if exif:
        assert plain({t: f for t, f in found_exif.items() if t not in POINTERS}) == plain(exif)
        assert plain(reader.child(found_exif, ifd.INTEROP_POINTER)) == plain(interop)
    assert plain(reader.child(found, ifd.GPS_POINTER)) == plain(gps)


@given(st.binary(max_size=300))
def test_hostile_bytes_raise_value_error_or_give_tags(data: bytes) -> None:
    try:
        reader = TagReader(b"II*\0" + data)
        list(reader.all_directories())
    except ValueError:
        return
    assert reader.order == "<"


def test_damaged_entry_costs_itself() -> None:
    data = bytearray(
        blob(Tree({1: ifd.short_field(7), 2: ifd.ascii_field("long enough")}), big=False, order="<")
    )
    struct.pack_into("<I", data, 10 + 12 + 8, 10**9)  # the second value's offset
    reader = TagReader(bytes(data))
    assert plain(reader.directory(8).tags) == {1: (3, 1, b"\x07\0")}


def test_directories_that_point_in_a_circle_end() -> None:
    data = bytearray(blob(Tree({1: ifd.short_field(7)}), big=False, order="<"))
    struct.pack_into("<I", data, 8 + 2 + 12, 8)
    assert len(list(TagReader(bytes(data)).all_directories())) == 1


def test_numbers() -> None:
    assert Field(5, 2, struct.pack("<4I", 1, 2, 3, 0)).numbers() == (0.5,)
    assert Field(12, 1, struct.pack("<d", 2.5)).numbers() == (2.5,)
    assert ifd.short_field(9).numbers() == (9.0,)
    assert ifd.ascii_field("a").integers() == ()


@pytest.mark.parametrize("data", [b"", b"II*\0", b"XX*\0\0\0\0\0", b"II\1\0\0\0\0\0"])
def test_no_tiff_structure(data: bytes) -> None:
    with pytest.raises(ValueError, match="TIFF"):
        TagReader(data)
