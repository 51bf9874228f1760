"""Published ways of running a network, checked with local operators whose answer is known."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dinplug.evaluation.protocols import (
    adaptive_cropping,
    ensemble_of,
    quarter_split,
    whole,
)


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))


def enlarge(image: Tensor) -> Tensor:
    """A local operator: repeat every pixel twice each way."""
    return F.interpolate(image, scale_factor=2, mode="nearest")


@pytest.mark.parametrize("size", [(31, 37), (8, 9), (40, 6), (64, 64), (1, 1)])
def test_quarter_split_stitches_a_point_operator_exactly(size: tuple[int, int]) -> None:
    image = picture(*size)
    assert torch.equal(quarter_split(enlarge, image), enlarge(image))


def test_quarter_split_recurses_while_corners_are_large() -> None:
    seen: list[tuple[int, ...]] = []

    def record(corner: Tensor) -> Tensor:
        seen.append(tuple(corner.shape[-2:]))
        return enlarge(corner)

    image = picture(100, 60)
    assert torch.equal(quarter_split(record, image, split_above=60 * 40), enlarge(image))
    # A first corner is 60x40 = 2400 pixels, so it is split once more, to 40x30.
    assert seen == [(40, 30)] * 16


def test_quarter_split_corners_overlap_by_twice_ten_pixels() -> None:
    seen: list[tuple[int, ...]] = []

    def record(corner: Tensor) -> Tensor:
        seen.append(tuple(corner.shape[-2:]))
        return corner

    quarter_split(record, picture(31, 37))
    assert seen == [(25, 28)] * 4


@pytest.mark.parametrize("size", [(115, 123), (62, 63), (9, 8), (5, 7), (4, 6), (131, 128)])
def test_adaptive_cropping_stitches_and_feeds_multiples_of_four(size: tuple[int, int]) -> None:
    def check(batch: Tensor) -> Tensor:
        assert batch.shape[0] == 4
        assert batch.shape[-2] % 4 == 0 and batch.shape[-1] % 4 == 0
        return batch * 2

    image = picture(*size)
    assert torch.equal(adaptive_cropping(check, image), image * 2)


def test_adaptive_cropping_uses_the_published_patch() -> None:
    shapes: list[tuple[int, ...]] = []

    def record(batch: Tensor) -> Tensor:
        shapes.append(tuple(batch.shape))
        return batch

    adaptive_cropping(record, picture(115, 123), padding=32)
    # floor(115 / 2) + 32 = 89 -> 88; floor(123 / 2) + 32 = 93 -> 92.
    assert shapes == [(4, 3, 88, 92)]


def test_adaptive_cropping_runs_multiples_of_four_whole() -> None:
    image = picture(64, 72)
    assert adaptive_cropping(lambda whole_image: whole_image, image) is image


def test_adaptive_cropping_refuses_tiny_pictures() -> None:
    with pytest.raises(ValueError, match="at least 4"):
        adaptive_cropping(whole_forward, picture(3, 9))


def whole_forward(image: Tensor) -> Tensor:
    return image


def test_ensemble_of_a_protocol_turns_the_whole_picture() -> None:
    seen: list[tuple[int, ...]] = []

    def record(corner: Tensor) -> Tensor:
        seen.append(tuple(corner.shape[-2:]))
        return corner

    ensemble_of(quarter_split)(record, picture(31, 37))
    assert seen == [(25, 28)] * 16 + [(28, 25)] * 16
    assert torch.allclose(ensemble_of(whole)(enlarge, picture(5, 6)), enlarge(picture(5, 6)))
