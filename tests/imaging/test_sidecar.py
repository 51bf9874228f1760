"""Sidecars go with a photo, are corrected, and never take the place of anything."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinplug.errors import WriteError
from dinplug.imaging import Photo, read_photo, sidecar, write_photo
from tests.imaging.test_xmp import DEVELOPED, PACKET


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def photo_at(path: Path) -> Photo:
    Image.fromarray(np.full((8, 12, 3), 99, np.uint8)).save(path, "PNG")
    return read_photo(path)


def test_both_customs_are_copied_under_the_new_name(tmp_path: Path, out: Path) -> None:
    photo = photo_at(tmp_path / "a.png")
    (tmp_path / "a.xmp").write_bytes(PACKET)
    (tmp_path / "a.png.xmp").write_bytes(DEVELOPED)
    assert write_photo(photo, out / "b.tif") == ()
    assert sorted(os.listdir(out)) == ["b.tif", "b.tif.xmp", "b.xmp"]
    corrected = PACKET.replace(b"Orientation='6'", b"Orientation='1'")
    corrected = corrected.replace(b'Width="100"', b'Width="12"').replace(b">100<", b">12<")
    assert (out / "b.xmp").read_bytes() == corrected
    # Not a RAW: what another program does to the photo, it does to the result.
    assert (out / "b.tif.xmp").read_bytes() == DEVELOPED
    assert (tmp_path / "a.xmp").read_bytes() == PACKET


def test_the_same_copy_again_is_no_matter_another_file_is_kept(tmp_path: Path, out: Path) -> None:
    photo = photo_at(tmp_path / "a.png")
    (tmp_path / "a.png.xmp").write_bytes(DEVELOPED)
    assert write_photo(photo, out / "a.png") == ()
    assert write_photo(photo, out / "a.png", overwrite=True) == ()
    (out / "a.png.xmp").write_bytes(b"my own notes")
    notes = write_photo(photo, out / "a.png", overwrite=True)
    assert notes == ("a.png.xmp exists already and is left as it is",)
    assert (out / "a.png.xmp").read_bytes() == b"my own notes"


def test_beside_the_original_its_sidecar_stays(tmp_path: Path) -> None:
    photo = photo_at(tmp_path / "a.png")
    (tmp_path / "a.xmp").write_bytes(PACKET)
    (note,) = write_photo(photo, tmp_path / "a.tif")
    assert note == "a.xmp exists already and is left as it is"
    assert (tmp_path / "a.xmp").read_bytes() == PACKET


def test_a_sidecar_of_a_namesake_is_not_taken(tmp_path: Path, out: Path) -> None:
    photo = photo_at(tmp_path / "a.png")
    (tmp_path / "a.xmp").write_bytes(PACKET)
    (tmp_path / "a.nef").write_bytes(b"the RAW it belongs to")
    write_photo(photo, out / "a.png")
    assert os.listdir(out) == ["a.png"]


def test_links_and_folders_are_no_sidecars(tmp_path: Path, out: Path) -> None:
    photo = photo_at(tmp_path / "a.png")
    (tmp_path / "secret").write_bytes(b"a key")
    (tmp_path / "a.png.xmp").symlink_to(tmp_path / "secret")
    (tmp_path / "a.xmp").mkdir()
    write_photo(photo, out / "a.png")
    assert os.listdir(out) == ["a.png"]


def test_what_cannot_be_a_sidecar_is_left_out_with_a_note(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidecar, "LARGEST_SIDECAR", len(PACKET) - 1)
    photo = photo_at(tmp_path / "a.png")
    (tmp_path / "a.xmp").write_bytes(PACKET)
    (note,) = write_photo(photo, out / "a.png")
    assert note == "the sidecar a.xmp is too large to be one and is left out"
    assert os.listdir(out) == ["a.png"]


def test_damaged_sidecars_are_copied_as_they_are(tmp_path: Path, out: Path) -> None:
    photo = photo_at(tmp_path / "a.png")
    content = b"\0\xff<!DOCTYPE a [<!ENTITY b 'c'>]>&b;\r\n" * 3
    (tmp_path / "a.xmp").write_bytes(content)
    write_photo(photo, out / "a.png")
    assert (out / "a.xmp").read_bytes() == content


def test_no_result_leaves_no_sidecar_of_a_failed_encoder(tmp_path: Path, out: Path) -> None:
    photo = photo_at(tmp_path / "a.png")
    (tmp_path / "a.xmp").write_bytes(PACKET)
    (out / "b.png").write_bytes(b"there already")
    with pytest.raises(WriteError, match="exists already"):
        write_photo(photo, out / "b.png")
    assert os.listdir(out) == ["b.png"]


def test_a_raws_sidecar_loses_its_settings_and_goes_into_the_result(
    shared: Path, tmp_path: Path, out: Path
) -> None:
    source = shared / "data" / "files" / "raw" / "synthetic_rggb_14bit.dng"
    path = tmp_path / "a.dng"
    path.write_bytes(source.read_bytes())
    (tmp_path / "a.xmp").write_bytes(DEVELOPED)
    photo = read_photo(path)
    write_photo(photo, out / "a.tif")
    copied = (out / "a.xmp").read_bytes()
    assert b'xmp:Rating="4"' in copied and b"Exposure" not in copied
    packet = read_photo(out / "a.tif").source.metadata.xmp
    assert packet == (copied if photo.source.metadata.xmp is None else photo.source.metadata.xmp)
