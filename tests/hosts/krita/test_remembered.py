"""What a dialog showed last comes back, as far as it can."""

import pytest

from dinplug.hosts.krita.remembered import as_text, from_text
from dinplug.hosts.manifest import defaults, load_manifest, task_of

TASK = task_of(load_manifest(), "sr")
USED = {"scale": 4, "strength": 0.25, "model": "imdn-x4", "device": "cpu", "ensemble": True}


@pytest.mark.parametrize("has_preview", [True, False])
def test_everything_comes_back(has_preview: bool) -> None:
    assert from_text(TASK, as_text(USED, has_preview)) == (USED, has_preview)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "{}", '{"parameters": 3, "preview": true}', "null", "[" * 9999]
)
def test_what_cannot_be_read_is_forgotten(text: str) -> None:
    assert from_text(TASK, text) == (defaults(TASK), True)


def test_values_that_are_no_longer_possible_are_forgotten_alone() -> None:
    text = as_text({**USED, "scale": 5, "device": "abacus", "colour": "red"}, False)
    expected = {**USED, "scale": 2, "device": "auto"}
    assert from_text(TASK, text) == (expected, False)
