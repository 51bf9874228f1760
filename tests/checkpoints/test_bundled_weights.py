"""The weights that come with dinplug: whole, described, and of a model in the table."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dinplug.checkpoints import load_model
from dinplug.checkpoints.fitting import count_parameters
from dinplug.folders import bundled_folder
from dinplug.specs import MODELS

FILES = sorted(bundled_folder().glob("*.safetensors"))


@pytest.mark.parametrize(
    ("task", "scale"),
    [("sr", 2), ("sr", 3), ("sr", 4), ("sr", 8), ("derain", 1), ("deblur", 1), ("dehaze", 1)],
)
def test_every_task_works_out_of_the_box(task: str, scale: int) -> None:
    default = load_model(task=task, scale=scale)
    assert default.name in {file.stem for file in FILES}
    assert MODELS[default.name].is_default


def test_bundled_weights_stay_small() -> None:
    assert sum(file.stat().st_size for file in FILES) <= 30e6


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_bundled_weights_are_what_their_card_states(file: Path) -> None:
    model = load_model(file.stem)
    assert file.stem in MODELS
    assert model.card.weights_sha256 == model.weights_sha256
    assert model.card.licence and model.card.source
    assert {"data", "training", "results"} <= set(model.card.notes)
    assert model.card.network == MODELS[file.stem].network
    assert model.card.notes["parameters"] == count_parameters(model.card.network)
    assert {value.dtype for value in load_file(file).values()} == {torch.float16}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_bundled_weights_restore(file: Path) -> None:
    network = load_model(file.stem).network
    image = torch.rand(1, 3, 32, 40)
    with torch.no_grad():
        restored = network(image)
    assert restored.shape == (1, 3, network.scale * 32, network.scale * 40)
    assert torch.isfinite(restored).all()
