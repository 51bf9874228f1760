"""Finding photos in folders."""

import os
from pathlib import Path

import pytest

from dinplug.batch.journal import JOURNAL_NAME
from dinplug.batch.patterns import Patterns
from dinplug.batch.walk import Walk
from dinplug.errors import UsageError


def is_photo_name(name: str) -> bool:
    return name.lower().endswith((".jpg", ".png"))


def fill(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def names(root: Path, walk: Walk | None = None) -> list[str]:
    found = (walk or Walk(is_photo_name)).find((root,))
    assert all(photo.root == root for photo in found)
    return [photo.path.relative_to(root).as_posix() for photo in found]


def test_folders_are_walked_in_order(tmp_path: Path) -> None:
    fill(tmp_path, "b/2.jpg", "b/10.PNG", "a.jpg", "c.jpg", "notes.txt", "Thumbs.db")
    assert names(tmp_path) == ["a.jpg", "b/10.PNG", "b/2.jpg", "c.jpg"]


def test_hidden_folders_and_resource_forks_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, ".trash/a.jpg", "._a.jpg", ".hidden.jpg", "a.jpg")
    assert names(tmp_path) == [".hidden.jpg", "a.jpg"]


def test_patterns(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "b.png", "rejects/c.jpg", "trip/d.jpg", "trip/e.png")
    walk = Walk(is_photo_name, Patterns(("*.jpg",)), Patterns(("rejects", "a.*")))
    assert names(tmp_path, walk) == ["trip/d.jpg"]


def test_named_files_are_taken_whatever_their_name(tmp_path: Path) -> None:
    fill(tmp_path, "no_extension", "a.jpg")
    walk = Walk(is_photo_name, exclude=Patterns(("a.jpg",)))
    found = walk.find((tmp_path / "no_extension", tmp_path / "a.jpg"))
    assert [photo.path.name for photo in found] == ["no_extension", "a.jpg"]


def test_a_file_named_twice_is_taken_once(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "b.jpg")
    found = Walk(is_photo_name).find((tmp_path / "b.jpg", tmp_path, tmp_path / "b.jpg"))
    assert [photo.path.name for photo in found] == ["b.jpg", "a.jpg"]


def test_link_loops_end(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", "a.jpg", "sub/b.jpg")
    (root / "sub" / "up").symlink_to(root)
    (root / "sub" / "self").symlink_to(root / "sub")
    (root / "sub" / "above").symlink_to(tmp_path)
    assert names(root) == ["a.jpg", "sub/b.jpg"]


def test_links_to_other_folders_are_followed_once(tmp_path: Path) -> None:
    root = fill(tmp_path / "root", "a.jpg")
    archive = fill(tmp_path / "archive", "old.jpg")
    (archive / "back").symlink_to(root)
    (root / "link1").symlink_to(archive)
    (root / "link2").symlink_to(archive)
    assert names(root) == ["a.jpg", "link1/old.jpg"]


def test_broken_links_are_kept_to_be_reported_and_pipes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert names(tmp_path) == ["gone.jpg"]


def test_results_are_no_inputs(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "out/a.jpg", "earlier/a.jpg", f"earlier/{JOURNAL_NAME}", "a_done.jpg")
    walk = Walk(is_photo_name, out=tmp_path / "out", results=frozenset({tmp_path / "a_done.jpg"}))
    assert names(tmp_path, walk) == ["a.jpg"]
    assert walk.notes == [f"{tmp_path / 'earlier'}: results of an earlier run; left out"]


def test_results_may_be_named_as_inputs(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", JOURNAL_NAME)
    assert names(tmp_path) == ["a.jpg"]


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        Walk(is_photo_name).find((tmp_path / "nowhere",))


@pytest.mark.skipif(os.name != "posix", reason="links of Unix")
def test_links_in_a_circle_do_not_end_the_walk(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "circle").symlink_to("circle")
    assert names(tmp_path) == ["a.jpg", "circle.jpg"]


def test_pictures_of_other_kinds_are_noted(tmp_path: Path) -> None:
    fill(tmp_path, "a.jpg", "b.HEIC", "sub/c.heic", "d.psd", "notes.txt", "._e.heic")
    walk = Walk(is_photo_name, is_foreign_name=lambda name: name.lower().endswith(("heic", "psd")))
    assert names(tmp_path, walk) == ["a.jpg"]
    (note,) = walk.notes
    assert note.endswith("2 .heic, 1 .psd")
