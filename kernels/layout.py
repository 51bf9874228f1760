"""How kernels see maps: channels side by side, any distance between pixels, rows and images.

So a kernel reads and writes windows of larger maps and channel slices of growth buffers in place.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import triton
from torch import Tensor


def has_adjacent_channels(x: Tensor) -> bool:
    """Whether the channels of each pixel of `x` (N, C, H, W) lie side by side in memory."""
    return x.stride(1) == 1 or x.shape[1] == 1


def with_adjacent_channels(x: Tensor) -> Tensor:
    """`x` (N, C, H, W) itself if its channels lie side by side, else such a copy."""
    return x if has_adjacent_channels(x) else x.contiguous(memory_format=torch.channels_last)


def new_map(like: Tensor, channels: int | None = None) -> Tensor:
    """An undefined dense map of the size, type and device of `like`, channels side by side."""
    images, own, height, width = like.shape
    size = (images, height, width, own if channels is None else channels)
    return torch.empty(size, dtype=like.dtype, device=like.device).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Pixels:
    """Maps of one size as a kernel walks them: `rows` of `width` pixels in each image.

    Steps are in values, one of each for each map.
    """

    rows: int
    width: int
    image_steps: tuple[int, ...]
    row_steps: tuple[int, ...]
    pixel_steps: tuple[int, ...]

    @property
    def count(self) -> int:
        """Pixels of an image."""
        return self.rows * self.width

    @staticmethod
    def of(maps: Sequence[Tensor]) -> "Pixels":
        """The walk over `maps`; as one long row where no map has a gap between its rows."""
        height, width = maps[0].shape[2:]
        image, row, pixel = (tuple(x.stride(dim) for x in maps) for dim in (0, 2, 3))
        if all(r == width * p for r, p in zip(row, pixel, strict=True)):
            return Pixels(1, height * width, image, row, pixel)
        return Pixels(height, width, image, row, pixel)


def on_device(x: Tensor) -> AbstractContextManager[object]:
    """Make the device of `x` the current one, on which Triton launches."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


def power_of_two(count: int, largest: int) -> int:
    """The side of a block that holds `count` values, at most `largest`."""
    return min(int(triton.next_power_of_2(count)), largest)
