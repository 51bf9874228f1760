"""Finding partners by name."""

from pathlib import Path

import pytest
from PIL import Image

from dinplug.errors import ReadError, UsageError
from dinplug.evaluation.pairs import find_pairs, read_rgb8


def fill(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        Image.new("RGB", (2, 2)).save(folder / name)
    return folder


def partners(tmp_path: Path, clean: list[str], degraded: list[str], scale: float = 2) -> list[str]:
    pairs = find_pairs(fill(tmp_path / "hr", *clean), fill(tmp_path / "lr", *degraded), scale)
    return [f"{pair.name}={pair.degraded.name}" for pair in pairs if pair.degraded]


def test_equal_names(tmp_path: Path) -> None:
    assert partners(tmp_path, ["b.png", "a.png"], ["a.bmp", "b.png"]) == ["a=a.bmp", "b=b.png"]


@pytest.mark.parametrize("name", ["ax2.png", "a_x2.png", "a-LR.png", "a_LRBI_x2.png", "aX2.png"])
def test_suffixes(tmp_path: Path, name: str) -> None:
    assert partners(tmp_path, ["a.png"], [name]) == [f"a={name}"]


def test_only_the_wanted_scale_counts(tmp_path: Path) -> None:
    assert partners(tmp_path, ["a.png"], ["ax2.png", "ax3.png", "ax4.png"], 3) == ["a=ax3.png"]


def test_a_longer_clean_name_keeps_its_partner(tmp_path: Path) -> None:
    names = ["img_1.png", "img_10.png", "img_1_2.png"]
    lows = ["img_1x2.png", "img_10x2.png", "img_1_2x2.png"]
    assert partners(tmp_path, names, lows) == [
        "img_1=img_1x2.png",
        "img_10=img_10x2.png",
        "img_1_2=img_1_2x2.png",
    ]


def test_clean_marks_are_dropped(tmp_path: Path) -> None:
    assert partners(tmp_path, ["c_001_HR.png"], ["c_001_LR4.png"], 4) == ["c_001=c_001_LR4.png"]


def test_several_strengths_make_several_pairs(tmp_path: Path) -> None:
    assert partners(tmp_path, ["s.png"], ["s_1.png", "s_7.png"], 1) == [
        "s_1=s_1.png",
        "s_7=s_7.png",
    ]


def test_without_a_second_folder_pictures_are_to_be_reduced(tmp_path: Path) -> None:
    (pair,) = find_pairs(fill(tmp_path / "hr", "a.png"), None, 2)
    assert (pair.name, pair.degraded) == ("a", None)


def test_a_missing_partner_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no partner for b\.png and 1 more"):
        partners(tmp_path, ["a.png", "b.png", "c.png"], ["a.png"])


def test_empty_and_absent_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no pictures"):
        find_pairs(fill(tmp_path / "hr"), None, 2)
    with pytest.raises(UsageError, match="not a folder"):
        find_pairs(tmp_path / "nowhere", None, 2)


def test_deep_and_broken_pictures_cannot_be_scored(tmp_path: Path) -> None:
    Image.new("I;16", (2, 2)).save(tmp_path / "deep.png")
    with pytest.raises(ReadError, match="8-bit"):
        read_rgb8(tmp_path / "deep.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ReadError, match="cannot be read"):
        read_rgb8(tmp_path / "broken.png")


def test_grey_is_read_as_rgb(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 7).save(tmp_path / "grey.png")
    assert read_rgb8(tmp_path / "grey.png").tolist() == [[[7] * 3] * 3] * 2


def test_damaged_pictures_are_one_line_without_warnings(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0\xff\x7f" + bytes(20))
    with pytest.raises(ReadError, match=r"a\.tif: cannot be read \([^/]*\)$"):
        read_rgb8(tmp_path / "a.tif")
