"""Which photo becomes which file."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dinplug.batch.journal import Fingerprint, Journal, Recipe, Record, Status
from dinplug.batch.naming import NameTemplate
from dinplug.batch.plan import BatchPlan, Request, make_plan
from dinplug.errors import UsageError

RECIPE = Recipe("dehaze", "din", "ab" * 32, {"strength": 1.0}, "0.1.0")


def is_photo_name(name: str) -> bool:
    return Path(name).suffix.lower() in {".jpg", ".tif", ".cr2"}


def suffix_of(source: Path) -> str:
    return ".tif" if source.suffix.lower() == ".cr2" else source.suffix


def fill(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def plan(request: Request, recipe: Recipe = RECIPE) -> BatchPlan:
    return make_plan(request, recipe, is_photo_name=is_photo_name, suffix_of=suffix_of)


def targets(made: BatchPlan, base: Path) -> list[str]:
    return [job.target.relative_to(base).as_posix() for job in made.jobs]


def finish(
    made: BatchPlan, recipe: Recipe = RECIPE, status: Status = "done", content: bytes = b"result"
) -> None:
    """Pretend that every job was done, or begun and killed."""
    for job in made.jobs:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        job.target.write_bytes(content)
        journal = Journal.read(job.folder)
        journal.append(
            Record(
                source=str(job.source),
                output=journal.name_of(job.target),
                status=status,
                recipe=recipe,
                seconds=1.0,
                fingerprint=Fingerprint.of(job.source),
            )
        )


def test_by_default_the_tree_is_mirrored_in_a_sibling_named_after_the_task(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg", "trip/b.CR2")
    made = plan(Request((photos,)))
    assert targets(made, tmp_path) == ["photos-dehaze/a.jpg", "photos-dehaze/trip/b.tif"]
    assert {job.folder for job in made.jobs} == {tmp_path / "photos-dehaze"}


def test_a_single_file_goes_beside_its_folder(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg")
    assert targets(plan(Request((photos / "a.jpg",))), tmp_path) == ["photos-dehaze/a.jpg"]


def test_the_present_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fill(tmp_path / "photos", "a.jpg"))
    assert targets(plan(Request((Path("."),))), tmp_path) == ["photos-dehaze/a.jpg"]


def test_out_mirrors_one_folder_directly(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg", "trip/b.jpg")
    made = plan(Request((photos,), out=tmp_path / "new"))
    assert targets(made, tmp_path) == ["new/a.jpg", "new/trip/b.jpg"]


def test_out_keeps_several_folders_apart(tmp_path: Path) -> None:
    fill(tmp_path, "one/IMG_1.jpg", "two/IMG_1.jpg")
    made = plan(Request((tmp_path / "one", tmp_path / "two"), out=tmp_path / "new"))
    assert targets(made, tmp_path) == ["new/one/IMG_1.jpg", "new/two/IMG_1.jpg"]


def test_names_follow_the_template(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.CR2")
    request = Request((photos,), scale="2", name=NameTemplate("{stem}_{task}_{model}_x{scale}"))
    assert targets(plan(request), tmp_path) == ["photos-dehaze/a_dehaze_din_x2.tif"]


def test_two_inputs_never_share_a_result_and_it_is_said(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.CR2", "a.tif")
    made = plan(Request((photos,)))
    assert targets(made, tmp_path) == ["photos-dehaze/a_cr2.tif", "photos-dehaze/a.tif"]
    (note,) = made.notes
    assert note == f"{photos / 'a.CR2'}: written as a_cr2.tif, another photo has that name already"


def test_results_inside_the_tree_are_not_taken_again(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg")
    inside = Request((photos,), out=photos / "new")
    finish(plan(inside))
    again = plan(inside)
    assert (again.jobs, [skip.reason for skip in again.skips]) == ((), ["already done"])
    assert targets(plan(Request((photos,))), tmp_path) == ["photos-dehaze/a.jpg"]


def test_results_beside_their_originals_are_not_taken_again(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg")
    beside = Request((photos,), out=photos, name=NameTemplate("{stem}_clear"))
    made = plan(beside)
    assert targets(made, photos) == ["a_clear.jpg"]
    finish(made)
    again = plan(beside)
    assert (again.jobs, len(again.skips)) == ((), 1)


def test_an_original_is_never_replaced(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg")
    with pytest.raises(UsageError, match="would replace the original"):
        plan(Request((photos,), out=photos, overwrite=True))


def test_on_windows_names_it_does_not_take_are_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = fill(tmp_path / "photos", "a.jpg", "nul.jpg", "trip./b.jpg")
    request = Request((photos,), out=tmp_path / "out")
    assert plan(request).refusals == ()
    monkeypatch.setattr("dinplug.batch.plan._ON_WINDOWS", True)
    made = plan(request)
    assert [job.source.name for job in made.jobs] == ["a.jpg"]
    assert [refusal.reason for refusal in made.refusals] == [
        "Windows keeps the name nul.jpg for a device; choose another --name or rename it",
        "Windows drops the dots and spaces at the end of trip.; choose another --name or rename it",
    ]


def test_an_original_is_not_replaced_through_a_link(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg")
    (tmp_path / "alias").symlink_to(photos)
    with pytest.raises(UsageError, match="would replace the original"):
        plan(Request((photos,), out=tmp_path / "alias", overwrite=True))


def test_another_original_is_not_replaced_either(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg", "a_clear.jpg")
    made = plan(Request((photos,), out=photos, name=NameTemplate("{stem}_clear"), overwrite=True))
    (refusal,) = made.refusals
    assert refusal.job.source.name == "a.jpg"
    assert f"replace the photo {photos / 'a_clear.jpg'}" in refusal.reason
    assert targets(made, photos) == ["a_clear_clear.jpg"]


def test_a_hard_link_to_an_original_is_not_replaced(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg", "b.jpg")
    (tmp_path / "new").mkdir()
    os.link(photos / "b.jpg", tmp_path / "new" / "a.jpg")
    made = plan(Request((photos,), out=tmp_path / "new", overwrite=True))
    assert [refusal.job.source.name for refusal in made.refusals] == ["a.jpg"]


@pytest.fixture
def done(tmp_path: Path) -> Request:
    """A request for one photo that has been restored already."""
    request = Request((fill(tmp_path / "photos", "a.jpg"),))
    finish(plan(request))
    return request


def skip_reason(made: BatchPlan) -> str:
    assert not made.jobs
    (skip,) = made.skips
    return skip.reason


def test_what_is_done_is_skipped(done: Request) -> None:
    assert skip_reason(plan(done)) == "already done"


def test_overwrite_does_it_again(done: Request) -> None:
    assert len(plan(replace(done, overwrite=True)).jobs) == 1


def test_a_lost_result_is_made_again(done: Request, tmp_path: Path) -> None:
    (tmp_path / "photos-dehaze" / "a.jpg").unlink()
    assert len(plan(done).jobs) == 1


def test_a_touched_photo_is_still_done(done: Request, tmp_path: Path) -> None:
    os.utime(tmp_path / "photos" / "a.jpg", ns=(1, 1))
    assert skip_reason(plan(done)) == "already done"


def test_a_changed_photo_is_not_called_done(done: Request, tmp_path: Path) -> None:
    (tmp_path / "photos" / "a.jpg").write_bytes(b"edited")
    assert "changed since" in skip_reason(plan(done))


@pytest.mark.parametrize(
    ("recipe", "difference"),
    [
        (replace(RECIPE, options={"strength": 0.5}), "other options"),
        (replace(RECIPE, weights_sha256="00" * 32), "other weights"),
        (replace(RECIPE, model="imdn"), "the model din"),
        (replace(RECIPE, version="0.2.0"), "version 0.1.0"),
    ],
)
def test_another_recipe_is_told(done: Request, recipe: Recipe, difference: str) -> None:
    assert difference in skip_reason(plan(done, recipe))


def test_a_result_of_unknown_origin_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path, "photos/a.jpg", "photos-dehaze/a.jpg")
    assert "no journal says" in skip_reason(plan(Request((tmp_path / "photos",))))


def test_a_result_that_was_named_and_not_recorded_is_done(tmp_path: Path) -> None:
    """Killed between the two: results get their names whole."""
    request = Request((fill(tmp_path / "photos", "a.jpg"),))
    finish(plan(request), status="begun")
    assert [skip.reason for skip in plan(request).skips] == ["already done"]
    other = plan(request, replace(RECIPE, model="other"))
    assert [skip.reason for skip in other.skips] == [
        "done with the model din; --overwrite redoes it"
    ]
    fill(tmp_path / "photos", "a.jpg").joinpath("a.jpg").write_bytes(b"another photo")
    assert "the photo changed since" in plan(request).skips[0].reason


def test_a_name_that_was_reserved_only_is_made_again(tmp_path: Path) -> None:
    """Killed on a file system without hard links, where an empty file reserves the name."""
    request = Request((fill(tmp_path / "photos", "a.jpg"),))
    finish(plan(request), status="begun", content=b"")
    assert len(plan(request).jobs) == 1


def test_an_empty_file_of_the_users_is_left_alone(tmp_path: Path) -> None:
    request = Request((fill(tmp_path / "photos", "a.jpg"),))
    (target,) = (job.target for job in plan(request).jobs)
    target.parent.mkdir()
    target.touch()
    assert "no journal says from what" in plan(request).skips[0].reason


def test_a_result_of_another_photo_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "new"
    finish(plan(Request((fill(tmp_path / "one", "IMG_1.jpg"),), out=out)))
    made = plan(Request((fill(tmp_path / "two/x", "IMG_1.jpg"),), out=out))
    (out / "IMG_1.jpg").read_bytes()
    assert made.refusals == () and skip_reason(made) == "already done"  # the same content
    (tmp_path / "two/x/IMG_1.jpg").write_bytes(b"another photo")
    (refusal,) = plan(Request((tmp_path / "two/x",), out=out)).refusals
    assert f"was made from {tmp_path / 'one' / 'IMG_1.jpg'}" in refusal.reason


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg")
    (tmp_path / "photos-dehaze" / "a.jpg").mkdir(parents=True)
    (refusal,) = plan(Request((photos,), overwrite=True)).refusals
    assert "is a folder" in refusal.reason


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no photos in"):
        plan(Request((fill(tmp_path / "photos", "notes.txt"),)))


def test_planning_writes_nothing(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.jpg")
    plan(Request((photos,)))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.jpg", "photos"]


def test_results_keep_their_names_when_photos_come_later(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", "a.CR2")
    first = plan(Request((photos,)))
    assert targets(first, tmp_path) == ["photos-dehaze/a.tif"]
    finish(first)
    fill(tmp_path / "photos", "a.tif")
    second = plan(Request((photos,)))
    assert targets(second, tmp_path) == ["photos-dehaze/a_2.tif"]
    assert [skip.reason for skip in second.skips] == ["already done"]
