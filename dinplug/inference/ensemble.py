"""Self-ensemble: the papers' "+" results, a mean over the eight flips and transpositions.

Described in Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution"
(CVPR 2016), and used by DIN, IMDN and MSFIN at test time only.
"""

from collections.abc import Callable

from torch import Tensor

Forward = Callable[[Tensor], Tensor]

_FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-1, -2))
ORIENTATIONS = 2 * len(_FLIPS)


def self_ensemble(forward: Forward, image: Tensor) -> Tensor:
    """Average `forward` over the eight orientations of `image`, each undone afterwards.

    `forward` maps (N, C, H, W) to (N, C, sH, sW) for landscape and portrait alike; `image` is
    (N, C, H, W). It is called eight times, so the result costs eight runs but holds only two
    pictures of the result's size at a time.
    """
    total: Tensor | None = None
    for transposed in (False, True):
        for flips in _FLIPS:
            turned = image.transpose(-2, -1) if transposed else image
            restored = forward(turned.flip(flips)).flip(flips)
            upright = restored.transpose(-2, -1) if transposed else restored
            total = upright.clone() if total is None else total.add_(upright)
    assert total is not None
    return total / ORIENTATIONS
