"""Exported weights: float16 that changes nothing visible, and an honest card."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dinplug.checkpoints.cards import ModelCard, read_card
from dinplug.errors import CheckpointError
from dinplug.networks.din import DIN, DINSpec, initialise
from dinplug.specs import Task
from dinplug.training.export import (
    as_shipped,
    credits,
    export_weights,
    half_precision,
    rounding_effect,
)

SPEC = DINSpec(strided=True, branches=2, depth=1, blocks=1, features=8, growth=4)


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    network = DIN(SPEC)
    initialise(network)
    with torch.no_grad():
        network.upsampler.to_rgb.weight.mul_(0.01)
    return dict(network.state_dict())


@pytest.fixture
def card() -> ModelCard:
    return ModelCard("tiny", Task.DEHAZE, SPEC, "Apache-2.0", notes={"psnr_rgb": {"set": 1.5}})


def probe() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_weights_and_card_come_back(
    tmp_path: Path, weights: dict[str, torch.Tensor], card: ModelCard
) -> None:
    file = export_weights(card, weights, tmp_path, probe())
    assert file.name == "tiny.safetensors"
    stored = load_file(file)
    assert all(value.dtype == torch.float16 for value in stored.values())
    assert all(torch.equal(stored[name], value.half()) for name, value in weights.items())
    read = read_card(tmp_path / "tiny.json")
    assert read.network == SPEC
    assert read.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert read.notes["psnr_rgb"] == {"set": 1.5}
    assert read.notes["float16_effect"] < 1 / 255
    assert sorted(f.name for f in tmp_path.iterdir()) == ["tiny.json", "tiny.safetensors"]


def test_weights_that_float16_would_change_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor], card: ModelCard
) -> None:
    weights["upsampler.to_rgb.weight"] = weights["upsampler.to_rgb.weight"] * 1e4
    assert rounding_effect(SPEC, weights, probe()) >= 1 / 255
    with pytest.raises(CheckpointError, match="float16 changes the output"):
        export_weights(card, weights, tmp_path, probe())
    assert not list(tmp_path.iterdir())


def test_weights_beyond_float16_are_refused(weights: dict[str, torch.Tensor]) -> None:
    weights["upsampler.to_rgb.bias"] = torch.full((3,), 1e6)
    with pytest.raises(CheckpointError, match="to_rgb"):
        half_precision(weights)


def test_credits_name_only_what_was_used(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "file,class,licence,source_repo,source_path\n"
        "a_v.jpg,C,CC-BY-4.0,org/walls,deepin/Field by Ann.jpg\n"
        "a_c1.jpg,C,CC-BY-4.0,org/walls,deepin/Field by Ann.jpg\n"
        "b_v.jpg,A,CC0-1.0,org/other,b.png\n"
        "c_v.jpg,D,free,org/more,c.png\n",
        encoding="utf-8",
    )
    used = [tmp_path / name for name in ("a_v.jpg", "a_c1.jpg", "b_v.jpg")]
    assert credits(manifest, used) == [
        {"licence": "CC-BY-4.0", "source": "org/walls", "files": 2, "works": "Field by Ann.jpg"},
        {"licence": "CC0-1.0", "source": "org/other", "files": 1, "works": "b.png"},
    ]


def test_the_model_as_shipped_has_the_rounded_weights(
    tmp_path: Path, weights: dict[str, torch.Tensor], card: ModelCard
) -> None:
    model = as_shipped(card, weights)
    file = export_weights(card, weights, tmp_path, probe())
    assert model.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, weights[name].half().float())
    assert (model.task, model.scale) == (Task.DEHAZE, 1)
