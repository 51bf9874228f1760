"""Winograd's F(4x4, 3x3) in float64, and how far the same in float32 is from the truth at most.

Lavin and Gray, arXiv:1509.09308, section 4.3. The bound follows roundings through the transforms as
`tests/kernels/bounds.py` does through layers: so many of them, times the magnitudes of all terms.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dinplug.cpu.packed_layers import KERNEL_TRANSFORM

INPUT_TRANSFORM = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
OUTPUT_TRANSFORM = torch.tensor(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    dtype=torch.float64,
)
WEIGHT_TRANSFORM = torch.tensor(KERNEL_TRANSFORM, dtype=torch.float64)
"""B, A and G, transposed where the paper writes them so."""
WINOGRAD_ROUNDINGS = 1 + 2 * 2 + 2 * 3
"""Beside one for each channel: of the weight, each way two of inputs and three of outputs."""


def winograd(x: Tensor, weight: Tensor, transforms: Sequence[Tensor]) -> Tensor:
    """Winograd's convolution of a padded map (C, H, W) with its transforms G, B and A."""
    kernel_side, input_side, output_side = transforms
    rows, columns = (side - 2 for side in x.shape[1:])
    result = torch.full((len(weight), rows, columns), torch.nan, dtype=torch.float64)
    kernel = torch.einsum("pr,oirc,qc->oipq", kernel_side, weight.double(), kernel_side)
    for top in range(0, rows, 4):
        for left in range(0, columns, 4):
            # The last tiles lie over those before.
            row, column = min(top, rows - 4), min(left, columns - 4)
            window = x[:, row : row + 6, column : column + 6]
            places = torch.einsum("pr,irc,qc->ipq", input_side, window, input_side)
            products = torch.einsum("oipq,ipq->opq", kernel, places)
            tile = torch.einsum("rp,opq,cq->orc", output_side, products, output_side)
            result[:, row : row + 4, column : column + 4] = tile
    return result


def winograd_size(x: Tensor, weight: Tensor) -> Tensor:
    """The sum (1, O, H, W) of all terms' magnitudes, which bounds what roundings grow to."""
    sizes = [part.abs() for part in (WEIGHT_TRANSFORM, INPUT_TRANSFORM, OUTPUT_TRANSFORM)]
    return winograd(x.abs(), weight.abs(), sizes)[None]
