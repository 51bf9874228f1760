"""The model cards in docs/models name every model with its task, scale and parameters."""

import re
from pathlib import Path

import pytest

from dinplug.checkpoints.fitting import count_parameters
from dinplug.specs import MODELS, family_of

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "models"
ROW = re.compile(r"^\| `([\w-]+)` \| (\w+) \| (\w+) \| ([\d,]+) \|", re.MULTILINE)


@pytest.mark.parametrize("family", ["din", "imdn", "aidn", "msfin"])
def test_cards_agree_with_the_table(family: str) -> None:
    stated = {row[0]: row[1:] for row in ROW.findall((FOLDER / f"{family}.md").read_text("utf-8"))}
    assert stated == {
        name: (
            model.task.value,
            "any" if model.any_factor else str(model.scale),
            f"{count_parameters(model.network):,}",
        )
        for name, model in MODELS.items()
        if family_of(model.network).name == family
    }
