"""Moments of tiles merge to those of the whole map, whatever their type and sizes."""

import pytest
import torch

from dinplug.inference.moments import TileMoments
from dinplug.networks.stages import Statistics, StatisticsKind

SPREADS = torch.tensor([1.0, 1e-3, 10, 0])[:, None, None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", ["mean", "moments"])
def test_moments_merge_to_those_of_the_whole(kind: StatisticsKind, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    values = (torch.randn(1, 4, 30, 21) * SPREADS + 100).to(dtype)
    parts = [values[..., :5], values[..., 5:6], values[..., 6:]]
    measured = TileMoments.merged([TileMoments.of(part, kind) for part in parts])
    statistics = measured.statistics(torch.float64)
    truth = Statistics.of(values.double(), "moments")
    assert statistics.variance is not None and truth.variance is not None
    # Rows are summed in float32: at most half a rounding (2^-24) for each of 21 values.
    assert torch.allclose(statistics.mean, truth.mean, rtol=21 * 2**-24)
    if kind == "moments":
        assert torch.allclose(statistics.variance, truth.variance, rtol=1e-5, atol=1e-10)


def test_one_tile_is_itself() -> None:
    moments = TileMoments.of(torch.rand(1, 3, 4, 5), "moments")
    merged = TileMoments.merged([moments])
    assert torch.equal(merged.mean, moments.mean)
    assert torch.equal(merged.deviation, moments.deviation)
