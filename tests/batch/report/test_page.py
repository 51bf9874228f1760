"""The page holds what it is given, as data, and strangers' text stays text."""

import base64
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dinplug.batch.events import PhotoDone, PhotoFailed, RunFinished
from dinplug.batch.journal import Recipe
from dinplug.batch.plan import BatchPlan, Job, Refusal, Skip
from dinplug.batch.report.entries import Entries
from dinplug.batch.report.page import GENERATOR, render

RECIPE = Recipe("dehaze", "din-dehaze-small", "ab" * 32, {"strength": 0.7, "quality": None}, "0.1")
HOSTILE = [
    "<script>alert(1)</script>.jpg",
    "</script><img src=x onerror=alert(1)>.jpg",
    "<!--<script>.jpg",
    "@data@@script@.jpg",
    "\"quotes\" & 'apostrophes'.jpg",
    "\u202egpj.exe",
    "caf\udce9.jpg",
    "a\u2028b\nc.jpg",
    "$(touch pwned) `id`.jpg",
]


def page_of(*names: str, end: RunFinished | None = None) -> str:
    jobs = tuple(Job(Path("/in", n), Path("/out", n), Path("/out")) for n in names)
    return render(Entries.of(BatchPlan(jobs), RECIPE), "report_files", "2026-01-02 03:04", end)


def data_of(page: str) -> Any:
    (content,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(content)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_data_and_nothing_else(name: str) -> None:
    page, plain = page_of(name, "z.jpg"), page_of("plain.jpg", "z.jpg")
    tags = re.compile(r"<[!/a-zA-Z][^>]*>")
    assert tags.findall(page) == tags.findall(plain), "the same elements, whatever the name"
    page.encode("utf-8")
    shown = {photo["name"] for photo in data_of(page)["photos"]}
    if name.isprintable():
        assert shown == {name, "z.jpg"}
    else:
        assert all(text.isprintable() for text in shown) and len(shown) == 2


def test_metadata_and_reasons_are_data_too() -> None:
    entries = Entries.of(
        BatchPlan((Job(Path("/in/a.jpg"), Path("/out/a.jpg"), Path("/out")),)),
        Recipe("dehaze", "<b>model</b>", "</script>", {"output_profile": "<x>.icc"}, "<i>"),
    )
    entries.take(PhotoFailed("/in/a.jpg", "/in/a.jpg: <script>alert(1)</script>"))
    page = render(entries, "report_files", "now", None)
    data = data_of(page)
    assert data["photos"][0]["about"] == "<script>alert(1)</script>"
    assert data["recipes"][0]["model"] == "<b>model</b>"
    assert page.count("<script") == 2 and page.count("</script") == 2


def test_a_title_cannot_leave_its_element() -> None:
    job = Job(Path("/in/<title><script>/x.jpg"), Path("/out/x.jpg"), Path("/out"))
    page = render(Entries.of(BatchPlan((job,)), RECIPE), "r_files", "now", None)
    title = data_of(page)["title"]
    assert title == "Dehazing: <title><script>"
    assert re.findall("<title>(.*?)</title>", page) == [html.escape(title)]


def test_the_policy_allows_the_pages_own_style_and_script_only() -> None:
    page = page_of("a.jpg")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "'self' file:"
    for element in ("style", "script"):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.S)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{element}-src"] == f"'sha256-{digest}'"
    assert not re.search(r"\s(on\w+|style)\s*=", re.sub("<script.*", "", page, flags=re.S))
    assert not re.findall(r"(?:https?:)?//[a-z]", re.sub(r"/\*\*.*?\*/", "", page))


def test_the_folder_of_pictures_is_an_address() -> None:
    """Also where its name is no text: bytes of names are kept as they are."""
    entries = Entries.of(BatchPlan((Job(Path("/in/a"), Path("/out/a"), Path("/out")),)), RECIPE)
    page = render(entries, "caf\udce9 #1%_files", "now", None)
    assert data_of(page)["pictures"] == "caf%E9%20%231%25_files"


def test_a_report_is_known_by_its_beginning() -> None:
    assert GENERATOR in page_of("a.jpg")[:1000]


def test_everything_that_is_known_of_a_photo_is_there() -> None:
    out = Path("/out")
    jobs = {n: Job(Path(f"/in/day/{n}.jpg"), out / f"{n}.jpg", out) for n in "abcde"}
    plan = BatchPlan(
        (jobs["a"], jobs["b"], jobs["e"]),
        (Skip(jobs["c"], "exists, and no journal says from what"),),
        (Refusal(jobs["d"], "its result would replace a photo"),),
    )
    entries = Entries.of(plan, RECIPE)
    entries.take(PhotoDone(0, "/in/day/a.jpg", "/out/a.jpg", 2.5, "one page of two"))
    entries.take(PhotoFailed("/in/day/b.jpg", "/in/day/b.jpg: damaged"))
    data = data_of(render(entries, "r_files", "now", RunFinished(1, 1, 2, 9.0, True)))
    photos = {photo["name"]: photo for photo in data["photos"]}
    told = {name: (photo["status"], photo["about"]) for name, photo in photos.items()}
    assert told == {
        "a.jpg": ("done", "one page of two"),
        "b.jpg": ("failed", "damaged"),
        "c.jpg": ("skipped", "exists, and no journal says from what"),
        "d.jpg": ("failed", "its result would replace a photo"),
        "e.jpg": ("waiting", ""),
    }
    assert photos["a.jpg"]["seconds"] == 2.5
    settings = data["recipes"][photos["a.jpg"]["recipe"]]
    assert settings["strength"] == "0.7" and "quality" not in settings
    assert settings["weights (SHA-256)"] == "ab" * 32
    assert (data["state"], data["source"], data["results"]) == ("interrupted", "/in/day", ["/out"])


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (None, "running"),
        (RunFinished(1, 0, 0, 1.0, True), "interrupted"),
        (RunFinished(0, 0, 1, 1.0, False), "ended early"),
    ],
)
def test_the_page_says_how_the_run_ended(end: RunFinished | None, state: str) -> None:
    assert data_of(page_of("a.jpg", end=end))["state"] == state
