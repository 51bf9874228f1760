"""Metadata lose what is bound to the old pixels and keep the rest."""

import struct

import pytest

from dinplug.imaging import ifd, metadata
from dinplug.imaging.metadata import Metadata


def resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    label = bytes([len(name)]) + name
    label += bytes(len(label) % 2)
    body = data + bytes(len(data) % 2)
    return b"8BIM" + struct.pack(">H", number) + label + struct.pack(">I", len(data)) + body


def test_resources_are_split_and_joined() -> None:
    path, thumbnail = resource(2000, b"path", b"outline"), resource(0x040C, b"old")
    iptc = resource(0x0404, b"\x1c\x02\x05")
    found, kept = metadata.parse_resources(b"Photoshop 3.0\0" + path + thumbnail + iptc)
    assert (found, kept) == (b"\x1c\x02\x05", path)
    assert metadata.build_resources(Metadata(iptc=found, resources=kept)) == path + iptc
    assert metadata.build_resources(Metadata()) is None


@pytest.mark.parametrize("cut", range(1, 24))
def test_cut_resources_give_what_is_whole(cut: int) -> None:
    whole = resource(2000, b"path") + resource(0x0404, b"\x1c\x02\x05\x00")
    found, kept = metadata.parse_resources(whole[:-cut])
    assert found is None
    assert kept == (resource(2000, b"path") if cut <= 16 else None)


@pytest.mark.parametrize("order", ["<", ">"])
def test_maker_note_keeps_its_place_and_byte_order(order: str) -> None:
    note = ifd.Field(7, 300, bytes(range(250)) + bytes(50), offset=1234)
    about = Metadata(
        main={0x010F: ifd.ascii_field("Maker of cameras")},
        exif={ifd.MAKER_NOTE: note, 0x829A: ifd.rational_field(1, 60)},
        gps={1: ifd.ascii_field("N")},
        order=order,
    )
    block = metadata.exif_block(about)
    again, orientation = metadata.parse_exif(block)
    assert orientation == 1
    assert again.exif[ifd.MAKER_NOTE] == note
    assert block[1234:1534] == note.data
    assert again.order == order
    assert again.exif[0x829A].data == about.exif[0x829A].data
    assert again.gps[1].data == b"N\0"


def test_maker_note_far_back_costs_no_empty_room() -> None:
    note = ifd.Field(7, 300, bytes(300), offset=5_000_000)
    block = metadata.exif_block(Metadata(exif={ifd.MAKER_NOTE: note}))
    assert len(block) < 600
    assert metadata.parse_exif(block)[0].exif[ifd.MAKER_NOTE].data == note.data


def test_storage_tags_and_thumbnail_are_left_out() -> None:
    thumbnail = ifd.Tree({0x0201: ifd.long_field(8), 0x0202: ifd.long_field(8)})
    main = {0x0100: ifd.long_field(5), 0x0111: ifd.long_field(8), 0x0110: ifd.ascii_field("Model")}
    data = b"II*\0" + struct.pack("<I", 8) + ifd.write_tree(ifd.Tree(main), 8)
    at = len(data)
    data = data + ifd.write_tree(thumbnail, at)
    found, _ = metadata.parse_exif(b"Exif\0\0" + data)
    assert found.main.keys() == {0x0110}


def test_result_states_its_own_size_and_space() -> None:
    about = Metadata(
        main={metadata.SOFTWARE: ifd.ascii_field("camera")},
        exif={
            metadata.PIXEL_X: ifd.short_field(10),
            metadata.PIXEL_Y: ifd.short_field(20),
            metadata.COLOUR_SPACE: ifd.short_field(65535),
            0xA20E: ifd.rational_field(1, 1),
        },
    )
    same = metadata.for_result(about, 10, 20, None, {}, resized=False)
    assert same == about or same.exif[metadata.PIXEL_X].integers() == (10,)
    assert 0xA20E in same.exif and same.main[metadata.SOFTWARE].data == b"camera\0"
    new = metadata.for_result(
        about, 40, 80, "dinplug 1", {"Task": "sr"}, resized=True, colour_space=1
    )
    assert new.exif[metadata.PIXEL_X].integers() == (40,)
    assert new.exif[metadata.PIXEL_Y].integers() == (80,)
    assert new.exif[metadata.COLOUR_SPACE].integers() == (1,)
    assert 0xA20E not in new.exif
    assert new.main[metadata.SOFTWARE].data == b"dinplug 1\0"
    assert new.xmp is not None and b"<dinplug:Task>sr</dinplug:Task>" in new.xmp


@pytest.mark.parametrize(
    ("unit", "expected"), [(2, (300.0, 300.0)), (3, (762.0, 762.0)), (1, None)]
)
def test_resolution_in_inches(unit: int, expected: tuple[float, float] | None) -> None:
    main = {
        metadata.X_RESOLUTION: ifd.rational_field(300, 1),
        metadata.Y_RESOLUTION: ifd.rational_field(300, 1),
        metadata.RESOLUTION_UNIT: ifd.short_field(unit),
    }
    data = b"II*\0" + struct.pack("<I", 8) + ifd.write_tree(ifd.Tree(main), 8)
    assert metadata.parse_exif(data)[0].dpi == expected
