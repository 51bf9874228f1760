"""Names of results."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from dinplug.batch.naming import NameTemplate, Wanted, free_names, windows_objection
from dinplug.errors import UsageError


def wanted(source: str, suffix: str, stem: str | None = None, folder: str = "out") -> Wanted:
    path = Path(source)
    return Wanted(path, PurePosixPath(folder), path.stem if stem is None else stem, suffix)


def test_fields_are_filled_in() -> None:
    template = NameTemplate("{stem}_{task}-{model}_x{scale}{suffix}")
    assert template.stem(Path("a.b.tif"), "sr", "IMDN", "2") == "a.b_sr-IMDN_x2"


def test_braces_and_percents_of_photos_are_left_alone() -> None:
    assert NameTemplate("{stem}_x").stem(Path("%s%d{0}.png"), "sr", "m", "2") == "%s%d{0}_x"
    assert NameTemplate("{{{stem}}}").stem(Path("a.png"), "sr", "m", "2") == "{a}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{stem}_{date}", "no field {date}"),
        ("{stem.upper}", "no field {stem.upper}"),
        ("result", "all photos get one name"),
        ("{task}{suffix}", "all photos get one name"),
        ("{stem}{suffix}.bak", "belongs at the end"),
        ("{stem}{suffix}{suffix}", "belongs at the end"),
        ("sub/{stem}", "not a path"),
        ("..\\{stem}", "not a path"),
        ("{stem!r}", "no format"),
        ("{stem:>10}", "no format"),
        ("{stem", "--name"),
    ],
)
def test_templates_that_cannot_work_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint.replace("{", r"\{").replace("}", r"\}")):
        NameTemplate(text)


def test_different_names_are_kept() -> None:
    assert free_names([wanted("a.tif", ".tif"), wanted("b.CR2", ".tif")]) == ["a.tif", "b.tif"]


def test_the_input_that_keeps_its_name_wins() -> None:
    places = [wanted("a.CR2", ".tif"), wanted("a.NEF", ".tif"), wanted("a.tif", ".tif")]
    assert free_names(places) == ["a_cr2.tif", "a_nef.tif", "a.tif"]


def test_a_free_name_is_found_even_among_taken_ones() -> None:
    places = [
        wanted("a.CR2", ".tif"),
        wanted("a.tif", ".tif"),
        wanted("a_cr2.tif", ".tif"),
        wanted("a_2.tif", ".tif"),
    ]
    assert free_names(places) == ["a_3.tif", "a.tif", "a_cr2.tif", "a_2.tif"]


def test_case_and_unicode_form_do_not_tell_names_apart() -> None:
    places = [wanted("IMG.png", ".png"), wanted("img.PNG", ".PNG")]
    assert free_names(places) == ["IMG.png", "img_2.PNG"]
    composed, decomposed = "caf\u00e9.png", "cafe\u0301.png"
    assert free_names([wanted(composed, ".png"), wanted(decomposed, ".png")]) == [
        composed,
        "cafe\u0301_2.png",
    ]


def test_other_folders_do_not_matter() -> None:
    places = [wanted("x/a.png", ".png", folder="x"), wanted("y/a.png", ".png", folder="y")]
    assert free_names(places) == ["a.png", "a.png"]


def test_an_earlier_result_keeps_its_name_whatever_comes_later() -> None:
    made = wanted("a.CR2", ".jpg")
    later = wanted("a.jpg", ".jpg")
    for names, expected in (
        ({"a.jpg"}, ["a.jpg", "a_2.jpg"]),
        ({"a_cr2.jpg"}, ["a_cr2.jpg", "a.jpg"]),
        ({"a_7.jpg"}, ["a_7.jpg", "a.jpg"]),
        ({"b.jpg", "a.tif", "a_x.jpg"}, ["a_cr2.jpg", "a.jpg"]),  # names of other wishes
    ):
        assert free_names([replace(made, earlier=frozenset(names)), later]) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("CON", "nul", "aux.jpg", "Com1.tif", "lpt9.a.jpg", "con .jpg", "COM¹.jpg", "conin$"),
        *("a:b.jpg", "a?.jpg", 'a"b.jpg', "back\\slash.jpg", "tab\t.jpg"),
        *("trip.", "trip ", "trip. . "),
    ],
)
def test_names_that_windows_does_not_take(name: str) -> None:
    objection = windows_objection(name)
    assert objection is not None and name in objection


@pytest.mark.parametrize(
    "name", ["console.jpg", "com.jpg", "com10.jpg", "auxiliary", "a.b.jpg", " a.jpg", "ü.jpg"]
)
def test_names_that_windows_takes(name: str) -> None:
    assert windows_objection(name) is None
