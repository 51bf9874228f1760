"""The self-ensemble sees all eight orientations and undoes each."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dinplug.inference.ensemble import ORIENTATIONS, self_ensemble


def picture() -> Tensor:
    return torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(7))


def test_every_orientation_is_seen_once() -> None:
    seen: list[bytes] = []

    def record(image: Tensor) -> Tensor:
        seen.append(bytes(image.shape) + image.contiguous().numpy().tobytes())
        return image

    self_ensemble(record, picture())
    assert len(seen) == len(set(seen)) == ORIENTATIONS == 8


def test_an_equivariant_operator_is_unchanged() -> None:
    def enlarge(image: Tensor) -> Tensor:
        return F.interpolate(image, scale_factor=2, mode="nearest")

    # Eight equal float32 values are summed and divided by 8: at most a few units in the last
    # place of values below 8.
    torch.testing.assert_close(
        self_ensemble(enlarge, picture()), enlarge(picture()), atol=2e-6, rtol=0
    )


def test_a_one_sided_operator_becomes_symmetric() -> None:
    def shift(image: Tensor) -> Tensor:
        return image.roll(1, dims=-1)

    image = picture()
    expected = sum(image.roll(step, dims=axis) for axis in (-1, -2) for step in (1, -1)) / 4
    torch.testing.assert_close(self_ensemble(shift, image), expected, atol=2e-6, rtol=0)


def test_the_callers_tensors_are_left_alone() -> None:
    image = picture()
    before = image.clone()
    self_ensemble(lambda turned: turned, image)
    assert torch.equal(image, before)
