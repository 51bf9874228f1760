"""The pictures a host has handed over, with what was computed from them last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dinplug.hosts.pixels import PixelShape
from dinplug.imaging import Photo
from dinplug.imaging.photo import F32Image, Samples, Transfer
from dinplug.imaging.samples import photo_from_samples

FLOAT_RGB = 12
"""Bytes of a pixel of three float32 values."""


@dataclass
class Kept:
    """A result, and what decided it."""

    key: tuple[object, ...]
    pixels: NDArray[Any]


@dataclass
class Picture:
    """A picture as it came, its network's result at full strength, and samples made of that.

    Both results are of the whole picture: networks pool over all of it, so that computing a part
    costs nearly as much, and every region of one result is what a host gets in the end. Another
    strength needs only the second step again.
    """

    photo: Photo
    shape: PixelShape
    full: Kept | None = None
    samples: Kept | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes of all pixels held."""
        arrays: list[NDArray[Any] | None] = [self.photo.rgb, self.photo.alpha]
        arrays += [kept.pixels for kept in (self.full, self.samples) if kept is not None]
        held = self.photo.source.held
        arrays += [] if held is None else [held.index, held.values]
        return sum(array.nbytes for array in arrays if array is not None)

    def forget_results(self) -> None:
        """Let go of what can be computed again."""
        self.full = self.samples = None

    def full_for(self, key: tuple[object, ...]) -> F32Image | None:
        """The network's result if it is the one wanted."""
        return None if self.full is None or self.full.key != key else self.full.pixels

    def samples_for(self, key: tuple[object, ...]) -> Samples | None:
        """The samples if they are the ones wanted."""
        return None if self.samples is None or self.samples.key != key else self.samples.pixels


def picture_of(shape: PixelShape, data: bytearray, encoding: str) -> Picture:
    """Make a picture of the bytes of a pixel file."""
    samples = np.frombuffer(data, dtype=shape.dtype, count=shape.width * shape.height
                            * shape.channels)  # fmt: skip
    transfers: dict[str, Transfer | None] = {"display": "display", "linear": "linear"}
    photo = photo_from_samples(
        samples.reshape(shape.height, shape.width, shape.channels),
        bytes(data[shape.sample_bytes :]) or None,
        transfer=transfers.get(encoding),
    )
    return Picture(photo, shape)


def opening_bytes(shape: PixelShape) -> int:
    """Bytes that opening a picture takes: its samples, and the photo made of them with alpha."""
    return shape.file_bytes + shape.width * shape.height * (2 * FLOAT_RGB + 4)


def finishing_bytes(width: int, height: int, shape: PixelShape) -> int:
    """Bytes that making samples of a result of `width` x `height` takes, the result included."""
    samples = shape._replace(width=width, height=height).sample_bytes
    return width * height * 3 * FLOAT_RGB + 2 * samples


def result_region(
    region: tuple[int, int, int, int], shape: PixelShape, result: Samples
) -> tuple[int, int, int, int]:
    """Where a region of a picture lies in its result, which may be larger: all it touches."""
    x, y, w, h = region
    height, width = result.shape[:2]
    left, top = x * width // shape.width, y * height // shape.height
    right, bottom = -(-(x + w) * width // shape.width), -(-(y + h) * height // shape.height)
    return left, top, right - left, bottom - top
