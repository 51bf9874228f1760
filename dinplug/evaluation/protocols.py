"""The ways of running a network on a picture that stand behind the published numbers.

Networks with global pooling give other pixels on a part of a picture than on the whole, so a
published number can only be met in the way it was made: MSFIN's quarter split, IMDN_AS's adaptive
cropping. The whole image is what dinplug itself computes, tiled or not.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from dinplug.inference.ensemble import Forward, self_ensemble

Protocol = Callable[[Forward, Tensor], Tensor]

_ACS_MULTIPLE = 4


def whole(forward: Forward, image: Tensor) -> Tensor:
    """Run `forward` once on the whole image (N, C, H, W)."""
    return forward(image)


def quarter_split(
    forward: Forward, image: Tensor, *, overlap: int = 10, split_above: int = 160_000
) -> Tensor:
    """Run `forward` on four overlapping corners of `image` and stitch them without blending.

    A corner is half a side and `overlap` pixels long; corners of `split_above` pixels or more are
    split again. "Lightweight Single Image Super-Resolution with Multi-Scale Feature Interaction
    Network" (MSFIN) reports numbers made this way. Shapes (N, C, H, W) to (N, C, sH, sW).
    """
    height, width = image.shape[-2:]
    middle = (height // 2, width // 2)
    patch = (min(height, middle[0] + overlap), min(width, middle[1] + overlap))

    def run(corner: Tensor) -> Tensor:
        if patch[0] * patch[1] >= split_above:
            return quarter_split(forward, corner, overlap=overlap, split_above=split_above)
        return forward(corner)

    corners = _cut_corners(image, patch)
    return _stitch_corners([run(corner) for corner in corners], (height, width), middle, patch)


def adaptive_cropping(forward: Forward, image: Tensor, *, padding: int = 32) -> Tensor:
    """Run `forward` on four corners of a picture whose sides are no multiples of 4.

    The adaptive cropping strategy of "Lightweight Image Super-Resolution with Information
    Multi-distillation Network" (IMDN_AS): all corners have sides that are multiples of 4 and are
    run as one batch. `padding` (a multiple of 4) is how far a corner reaches beyond the middle;
    it is taken smaller on pictures too small for it. A picture whose sides are multiples of 4 is
    run whole. Shapes (N, C, H, W) to (N, C, H, W); ValueError below 4 pixels a side.
    """
    height, width = image.shape[-2:]
    if height % _ACS_MULTIPLE == 0 and width % _ACS_MULTIPLE == 0:
        return forward(image)
    middle = (height // 2, width // 2)
    patch = (_acs_patch(height, padding), _acs_patch(width, padding))
    batch = torch.cat(_cut_corners(image, patch))
    corners = list(forward(batch).chunk(4))
    return _stitch_corners(corners, (height, width), middle, patch)


def ensemble_of(protocol: Protocol) -> Protocol:
    """Return `protocol` under the 8-fold self-ensemble, as the papers' "+" rows."""

    def run(forward: Forward, image: Tensor) -> Tensor:
        return self_ensemble(lambda turned: protocol(forward, turned), image)

    return run


def _acs_patch(length: int, padding: int) -> int:
    """Return the longest legal side of a corner: a multiple of 4 covering half of `length`."""
    middle = length // 2
    for reach in range(padding, -1, -_ACS_MULTIPLE):
        patch = (middle + reach) // _ACS_MULTIPLE * _ACS_MULTIPLE
        if length - middle <= patch <= length:
            return patch
    raise ValueError("adaptive cropping needs sides of at least 4 pixels")


def _cut_corners(image: Tensor, patch: tuple[int, int]) -> list[Tensor]:
    """Return the four corners of `image`, (N, C, *patch) each, row by row."""
    height, width = image.shape[-2:]
    return [
        image[..., top : top + patch[0], left : left + patch[1]]
        for top in (0, height - patch[0])
        for left in (0, width - patch[1])
    ]


def _stitch_corners(
    corners: list[Tensor], size: tuple[int, int], middle: tuple[int, int], patch: tuple[int, int]
) -> Tensor:
    """Join four restored corners along the (scaled) middle rows and columns."""
    scale = corners[0].shape[-1] // patch[1]
    top, left = (scale * part for part in middle)
    bottom_start = scale * (patch[0] - size[0] + middle[0])
    right_start = scale * (patch[1] - size[1] + middle[1])
    rows = [
        torch.cat([corners[0][..., :top, :left], corners[1][..., :top, right_start:]], dim=-1),
        torch.cat(
            [
                corners[2][..., bottom_start:, :left],
                corners[3][..., bottom_start:, right_start:],
            ],
            dim=-1,
        ),
    ]
    return torch.cat(rows, dim=-2)
