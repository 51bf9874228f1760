"""Chromium, and reports to open in it."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dinplug.batch.events import RunFinished
from dinplug.batch.journal import Recipe
from dinplug.batch.plan import BatchPlan, Job
from dinplug.batch.report.entries import Entries
from dinplug.batch.report.page import render
from dinplug.batch.report.pictures import make_pictures
from tests.batch.report.browser import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
RECIPE = Recipe("dehaze", "din-dehaze-small", "ab" * 32, {"strength": 1.0}, "0.1.0")
RED, BLUE = (200, 20, 20), (20, 20, 200)
FLAGS = (
    "headless=new no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync"
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs Chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS.split():
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver: Any) -> Browser:
    return Browser(driver)


def entries_of(names: list[str]) -> Entries:
    out = Path("/out")
    return Entries.of(
        BatchPlan(tuple(Job(Path("/in", name), out / name, out) for name in names)), RECIPE
    )


def write(entries: Entries, folder: Path) -> Path:
    file = folder / "report.html"
    end = RunFinished(1, 0, 1, 75.0, False)
    file.write_text(render(entries, "report_files", "2026-01-02 03:04", end), "utf-8")
    return file


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Red photos that became blue ones: small, large, tall, with names of all kinds."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "report_files").mkdir()
    sizes = {
        "small.jpg": (300, 200),
        "day 1/large & wide.png": (2600, 1700),
        "day 1/<script>alert(1)<\\script>.jpg": (300, 200),
        "day 2/tall-" + "x" * 120 + ".jpg": (200, 900),
        "day 2/عربي\u202egpj.tif": (300, 200),
        "day 2/Café.jpg": (300, 200),
    }
    entries = entries_of([*sizes, "broken.jpg", "later.jpg"])
    photos = {
        entry.job.source.relative_to("/in").as_posix(): entry for entry in entries.photos.values()
    }
    for number, (name, size) in enumerate(sizes.items()):
        Image.new("RGB", size, RED).save(folder / "a.png")
        Image.new("RGB", size, BLUE).save(folder / "b.png")
        entry = photos[name]
        entry.status, entry.recipe, entry.seconds = "done", RECIPE, 1.0 + number
        entry.pictures = make_pictures(folder / "a.png", folder / "b.png", folder / "report_files")
    photos["broken.jpg"].status = "failed"
    photos["broken.jpg"].about = "/in/broken.jpg: damaged <b>file</b>"
    return write(entries, folder)


@pytest.fixture(scope="module")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 photos, each with pictures of its own."""
    folder = tmp_path_factory.mktemp("large")
    shown = folder / "report_files"
    shown.mkdir()
    Image.new("RGB", (90, 60), RED).save(folder / "a.png")
    made = make_pictures(folder / "a.png", folder / "a.png", shown)
    entries = entries_of([f"IMG_{number:04}.jpg" for number in range(2000)])
    for number, entry in enumerate(entries.photos.values()):
        entry.status, entry.recipe, entry.seconds = "done", RECIPE, number / 100
        entry.pictures = replace(made, key=f"{number:020x}", change=float((number * 7) % 2000))
        for old, new in zip(made.names(), entry.pictures.names(), strict=True):
            shutil.copy(shown / old, shown / new)
    return write(entries, folder)
