"""One photo into one named file."""

import os
from pathlib import Path

import pytest
from PIL import Image

from dinplug.batch.single import check_target, options_for
from dinplug.errors import UsageError
from dinplug.imaging import WriteOptions


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.new("RGB", (3, 2)).save(path)
    return path


def test_a_new_name_is_fine(photo: Path) -> None:
    check_target(photo, photo.with_name("b.png"), overwrite=False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_original_is_never_the_target(photo: Path, overwrite: bool) -> None:
    link, hard = photo.with_name("link.png"), photo.with_name("hard.png")
    link.symlink_to(photo)
    os.link(photo, hard)
    for target in (photo, photo.parent / "." / "a.png", link, hard):
        with pytest.raises(UsageError, match="is the original"):
            check_target(photo, target, overwrite=overwrite)


def test_what_exists_is_replaced_only_on_demand(photo: Path) -> None:
    other = photo.with_name("b.png")
    other.touch()
    with pytest.raises(UsageError, match="--overwrite replaces it"):
        check_target(photo, other, overwrite=False)
    check_target(photo, other, overwrite=True)


@pytest.mark.parametrize(
    ("source", "target", "complaint"),
    [
        ("nowhere.png", "b.png", "does not exist"),
        (".", "b.png", "is a folder; `dinplug batch`"),
        ("a.png", ".", "is a folder; name the file"),
        ("a.png", "new/b.png", "new is no folder"),
    ],
)
def test_what_cannot_work_is_said_before_the_work(
    photo: Path, source: str, target: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        check_target(photo.parent / source, photo.parent / target, overwrite=True)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("b.TIF", "tiff"),
        ("b.tiff", "tiff"),
        ("b.jpeg", "jpeg"),
        ("b.png", "png"),
        ("b.webp", "webp"),
    ],
)
def test_the_name_says_the_format(name: str, kind: str) -> None:
    assert options_for(Path(name), WriteOptions(bit_depth=8)) == WriteOptions(kind, bit_depth=8)
    assert options_for(Path(name), WriteOptions(kind)).format == kind


def test_names_of_no_or_another_format_are_refused() -> None:
    with pytest.raises(UsageError, match="not a name dinplug writes"):
        options_for(Path("b.dng"), WriteOptions())
    with pytest.raises(UsageError, match="a name for png, and --format says jpeg"):
        options_for(Path("b.png"), WriteOptions("jpeg"))
