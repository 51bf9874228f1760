"""Every bundled model has a page in docs/models/bundled that says what its weights' card says."""

from dataclasses import replace
from pathlib import Path

import pytest

from dinplug.checkpoints.cards import read_card
from dinplug.folders import bundled_folder
from scripts.model_cards import NOTES, PAGES, missing, page

CARDS = sorted(bundled_folder().glob("*.json"))


def test_every_bundled_model_has_a_page_and_no_other_has() -> None:
    weights = {file.stem for file in bundled_folder().glob("*.safetensors")}
    assert {file.stem for file in CARDS} == weights
    assert {file.stem for file in PAGES.glob("*.md")} == weights


@pytest.mark.parametrize("file", CARDS, ids=lambda file: file.stem)
def test_the_page_is_what_the_script_writes(file: Path) -> None:
    card = read_card(file)
    assert missing(card) == []
    written = (PAGES / f"{file.stem}.md").read_text("utf-8")
    assert written == page(card), "run python scripts/model_cards.py"
    assert card.weights_sha256 is not None and card.weights_sha256 in written


def test_a_card_that_leaves_something_out_is_told() -> None:
    whole = read_card(CARDS[0])
    assert missing(replace(whole, weights_sha256=None)) == ["weights_sha256"]
    for name in NOTES:
        left = {key: value for key, value in whole.notes.items() if key != name}
        assert name in missing(replace(whole, notes=left))
