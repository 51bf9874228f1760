"""Patterns of --include and --exclude."""

from pathlib import PurePosixPath

import pytest

from dinplug.batch.patterns import Patterns


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.jpg", "a.JPG", True),
        ("*.jpg", "trip/day/a.jpg", True),
        ("*.jpg", "a.jpeg", False),
        ("rejects", "trip/rejects/a.jpg", True),
        ("rejects", "trip/rejects2/a.jpg", False),
        ("trip/*", "trip/a.jpg", True),
        ("trip/*", "other/trip/a.jpg", False),
        ("trip/day", "trip/day/deep/a.jpg", True),
        ("trip/**/*.tif", "trip/a.tif", True),
        ("trip/**/*.tif", "trip/x/y/a.tif", True),
        ("trip/*.tif", "trip/x/a.tif", False),
        ("img_[0-4]?.png", "img_37.png", True),
        ("img_[!0-4]?.png", "img_37.png", False),
        ("a[1].png", "a1.png", True),
        ("quote's & (b).png", "x/quote's & (b).png", True),
        ("", "a.jpg", False),
        ("/", "a.jpg", False),
        ("a.b", "axb", False),
    ],
)
def test_fit(pattern: str, path: str, fits: bool) -> None:
    assert Patterns((pattern,)).fit(PurePosixPath(path)) is fits


def test_any_of_several_patterns_is_enough() -> None:
    patterns = Patterns(("*.tif", "*.png"))
    assert patterns and patterns.fit(PurePosixPath("a.png"))
    assert not Patterns() and not Patterns().fit(PurePosixPath("a.png"))
