"""The seam score rises where tile borders show, and only there."""

import numpy as np
import pytest
import torch

from dinplug.evaluation.seams import TileBorders, seam_score
from dinplug.inference.plan import plan_execution
from dinplug.inference.tiling import cut
from dinplug.networks.folding import fold
from dinplug.specs import build_network
from tests.tiny_models import SMALLEST, TINY

SIDES = (300, 400)
BORDERS = TileBorders(tuple(range(64, SIDES[0], 64)), tuple(range(64, SIDES[1], 64)))


def picture(seed: int = 0) -> np.ndarray:
    """Soft noise, as a photo has it, in 0..1."""
    noise = np.random.default_rng(seed).normal(size=(*SIDES, 3)).astype(np.float32)
    for axis in (0, 1):
        noise = np.mean([np.roll(noise, shift, axis) for shift in range(4)], axis=0)
    return np.ascontiguousarray(0.5 + 0.2 * noise)


def tiles_with_steps(step: float) -> np.ndarray:
    """A picture whose tiles differ in brightness, every second one by `step`."""
    rows = (np.arange(SIDES[0]) // 64)[:, None] + (np.arange(SIDES[1]) // 64)[None]
    return picture() + (np.float32(step) * (rows % 2))[..., None].astype(np.float32)


def test_without_seams_borders_are_like_other_places() -> None:
    for seed in range(3):
        found = seam_score(picture(seed), BORDERS)
        assert found is not None and found.borders == 10
        assert abs(found.score - 1) < 0.05
        assert found.lowest < 1 < found.highest


@pytest.mark.parametrize("step", [0.1, 0.03])
def test_tiles_of_other_brightness_show(step: float) -> None:
    found = seam_score(tiles_with_steps(step), BORDERS)
    assert found is not None
    assert found.score > 1.05 and found.score > found.highest


def test_blocks_of_a_codec_are_no_seams() -> None:
    blocks = np.arange(SIDES[1]) // 8 % 2
    blocky = picture() + (0.2 * blocks).astype(np.float32)[None, :, None]
    found = seam_score(blocky, BORDERS)
    assert found is not None and abs(found.score - 1) < 0.05


@pytest.mark.parametrize("case", ["one tile", "flat", "a single pixel"])
def test_where_nothing_can_be_compared_there_is_no_score(case: str) -> None:
    rgb = np.zeros((1, 1, 3), np.float32) if case == "a single pixel" else picture()
    borders = TileBorders((), ()) if case == "one tile" else BORDERS
    assert seam_score(np.zeros_like(rgb) if case == "flat" else rgb, borders) is None


@pytest.mark.parametrize(("name", "scale"), [("tiny-derain", 1), ("tiny-x2", 2)])
def test_borders_are_those_of_the_plans_tiles(name: str, scale: int) -> None:
    graph = fold(build_network(TINY[name][1])).graph
    plan = plan_execution(graph, 96, 140, tile=32)
    borders = TileBorders.of(graph, plan, scale)
    expected = {scale * span.start for span in cut(140, 32)} - {0}
    assert expected <= set(borders.columns)
    assert all(0 < column < 140 * scale for column in borders.columns)
    assert TileBorders.of(graph, plan_execution(graph, 96, 140, tile=140), scale).rows == ()


def test_strided_stages_have_borders_on_the_results_grid() -> None:
    torch.manual_seed(0)
    graph = fold(build_network(TINY["tiny-dehaze"][1])).graph
    assert SMALLEST.strided is False
    plan = plan_execution(graph, 128, 128, tile=64)
    assert TileBorders.of(graph, plan, 1).rows == (64,)
