"""What an IPTC block says goes to XMP where XMP does not say it."""

import struct

import pytest

from dinplug.imaging import iptc, xmp_tree

DC = "http://purl.org/dc/elements/1.1/"


def data_set(number: int, value: bytes, record: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(value)) + value


BLOCK = (
    data_set(90, b"\x1b%G", 1)
    + data_set(25, "Förde".encode())
    + data_set(25, b"A < B & C\x01")
    + data_set(80, "André".encode("latin-1"))
    + data_set(200, b"unknown")
)


def texts(packet: bytes | None, name: str) -> list[str]:
    tree = xmp_tree.parse(packet or b"")
    assert tree is not None
    return [
        item.text for found in tree.root.find(DC, name) for item in found.find(xmp_tree.RDF, "li")
    ]


def test_texts_become_properties() -> None:
    packet = iptc.as_xmp(None, BLOCK)
    assert texts(packet, "subject") == ["Förde", "A < B & C"]
    assert texts(packet, "creator") == ["André"]
    assert packet is not None and b"unknown" not in packet


def test_what_xmp_says_already_is_kept() -> None:
    stated = iptc.as_xmp(None, data_set(25, b"mine"))
    both = iptc.as_xmp(stated, BLOCK)
    assert texts(both, "subject") == ["mine"] and texts(both, "creator") == ["André"]
    assert iptc.as_xmp(both, BLOCK) == both


@pytest.mark.parametrize("cut", range(len(BLOCK)))
def test_a_cut_block_gives_what_is_whole(cut: int) -> None:
    found = iptc.texts_of(BLOCK[:cut])
    whole = iptc.texts_of(BLOCK)
    assert found.keys() <= whole.keys()
    assert all(values == whole[number][: len(values)] for number, values in found.items())


def test_nothing_to_say_leaves_the_packet() -> None:
    assert iptc.as_xmp(None, b"") is None
    assert iptc.as_xmp(b"<x/>", data_set(200, b"unknown")) == b"<x/>"
