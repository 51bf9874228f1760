"""ESA's coarse grid: its size, what its pixels see, and the resize back, window by window."""

import pytest
import torch
from torch.nn import functional as F

from dinplug.networks.esa import (
    ESA,
    FIELD,
    POOLED_GRID,
    STRIDE,
    PooledRead,
    ResampledRead,
    resample_side,
)
from dinplug.networks.stages import INPUT_GRID, Grid, Span

SIDES = [15, 16, 20, 21, 33, 64, 101]


def test_the_field_follows_from_the_layers() -> None:
    assert (FIELD, STRIDE) == (15, 6)


@pytest.mark.parametrize("side", SIDES)
def test_size_is_that_of_the_layers(side: int) -> None:
    with torch.no_grad():
        pooled = ESA(8).pool(torch.rand(1, 2, side, 15))
    assert pooled.shape[-2:] == (POOLED_GRID.size(side), 1)


def test_steps_to_and_from_other_grids() -> None:
    assert POOLED_GRID.step_to(INPUT_GRID) == STRIDE
    assert INPUT_GRID.step_to(POOLED_GRID) == 1
    assert POOLED_GRID.step_to(POOLED_GRID) == 1
    assert Grid(POOLED_GRID.scale) != POOLED_GRID


@pytest.mark.parametrize("side", SIDES)
def test_pooling_a_window_reads_what_it_needs(side: int) -> None:
    torch.manual_seed(0)
    esa, image = ESA(8), torch.rand(1, 2, 15, side)
    coarse = POOLED_GRID.size(side)
    with torch.no_grad():
        whole = esa.pool(image)
        for start in range(coarse):
            window = Span(start, min(coarse, start + 2), coarse)
            span = PooledRead("x").span(window, STRIDE, side)
            part = esa.pool(image[..., span.start : span.stop])
            assert torch.allclose(part, whole[..., window.start : window.stop], atol=1e-6)


@pytest.mark.parametrize("side", SIDES)
def test_resize_equals_bilinear_interpolation(side: int) -> None:
    torch.manual_seed(0)
    coarse = POOLED_GRID.size(side)
    mask = torch.rand(1, 2, 3, coarse, dtype=torch.float64)
    wide = resample_side(mask, 3, Span(0, side, side), coarse)
    expected = F.interpolate(mask, (3, side), mode="bilinear", align_corners=False)
    # Products and sums of values below 1 in float64.
    assert (wide - expected).abs().max() <= 1e-14


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", [1, 5, 14])
def test_resizing_a_window_reads_what_it_needs(side: int, size: int) -> None:
    coarse = POOLED_GRID.size(side)
    mask = torch.rand(1, 2, coarse, 3)
    whole = resample_side(mask, 2, Span(0, side, side), coarse)
    for start in range(0, side, size):
        window = Span(start, min(side, start + size), side)
        span = ResampledRead("m").span(window, 1, coarse)
        assert 0 <= span.start < span.stop <= coarse
        part = resample_side(mask[:, :, span.start : span.stop], 2, window, coarse)
        assert torch.equal(part, whole[:, :, window.start : window.stop])


def test_far_windows_of_large_pictures_are_exact() -> None:
    # In float32 the position of pixel 60,000 would be known to 2^-9 of a coarse pixel only.
    side = 60_001
    coarse = POOLED_GRID.size(side)
    window = Span(side - 40, side - 30, side)
    span = ResampledRead("m").span(window, 1, coarse)
    ramp = torch.arange(span.start, span.stop, dtype=torch.float64).reshape(1, 1, 1, -1)
    found = resample_side(ramp, 3, window, coarse)[0, 0, 0]
    expected = (torch.arange(window.start, window.stop, dtype=torch.float64) + 0.5) * coarse / side
    assert (found - (expected - 0.5)).abs().max() <= 1e-11
