"""Networks of the range 0..255 are trained and validated in it; pairs stay in 0..1."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dinplug.networks.msfin import MSFINSpec
from dinplug.training.loop import Trainer
from dinplug.training.pairs.numbered import F32, NumberedPairs
from dinplug.training.recipe import Recipe, ReducedData
from dinplug.training.validation import validate


class Grey(NumberedPairs):
    """Pairs of one brightness, the clean one `scale` times as large and a level darker."""

    def __init__(self, level: int, scale: int) -> None:
        self.level, self.scale = level, scale

    def pair(self, number: int) -> tuple[F32, F32]:
        """Return the same pair for every number."""
        small = np.full((16, 16, 3), self.level / 255, np.float32)
        side = 16 * self.scale
        return small, np.full((side, side, 3), (self.level - 1) / 255, np.float32)


class Copy(nn.Module):
    """Returns its input; has a range and, so that it has a device, a parameter."""

    def __init__(self, value_range: float) -> None:
        super().__init__()
        self.value_range = value_range
        self.place = nn.Parameter(torch.zeros(1))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to itself."""
        self.seen.append(x)
        return x


def test_training_feeds_the_networks_own_range(tmp_path: Path) -> None:
    spec = MSFINSpec(width=4, groups=2, reduction=2, loops=0)
    recipe = Recipe("sr", spec, ReducedData(), 16, 1, 1, 1e-3)  # type: ignore[arg-type]
    trainer = Trainer(recipe, tmp_path)
    seen: list[Tensor] = []
    trainer.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.run(Grey(200, 4))
    assert torch.allclose(seen[0], torch.full_like(seen[0], 200.0))
    fresh = Trainer(replace(recipe, steps=2), tmp_path / "again").network
    fresh.load_state_dict(before)
    with torch.no_grad():
        output = fresh(seen[0]) / 255
    assert trainer.losses[-1] == pytest.approx(float((output - 199 / 255).abs().mean()), rel=1e-5)


@pytest.mark.parametrize("value_range", [1.0, 255.0])
def test_validation_feeds_the_networks_own_range(value_range: float) -> None:
    network = Copy(value_range)
    score = validate(network, Grey(200, 1), 1, 2)
    assert torch.allclose(network.seen[0], torch.full((2, 3, 16, 16), 200 / 255 * value_range))
    assert score.psnr == score.input_psnr == pytest.approx(20 * np.log10(255))
