"""What the readers hand over: samples as the file stores them, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field

from dinplug.imaging.metadata import Metadata
from dinplug.imaging.photo import AlphaKind, ColourModel, SampleFormat, Samples
from dinplug.imaging.png_chunks import Chunks


@dataclass
class Decoded:
    """A file's samples, not yet upright.

    `colour` (H, W, C) are stored samples: grey 1, RGB 3, CMYK 4 channels (all inks positive:
    larger is more ink); Lab is float32 in its own units. Palettes and one-bit pictures are
    expanded already. `white` is the sample value that means full intensity. `bits` is the
    depth of the sample type. `alpha` (H, W) and `extras` (H, W, K) are stored samples too.
    """

    colour: Samples
    model: ColourModel
    bits: int
    white: float
    sample: SampleFormat = "uint"
    alpha: Samples | None = None
    alpha_kind: AlphaKind = "none"
    extras: Samples | None = None
    profile: bytes | None = None
    linear: bool = False
    orientation: int = 1
    compression: str | None = None
    jpeg_quality: int | None = None
    jpeg_subsampling: int | None = None
    lossless: bool = True
    big: bool = False
    colour_chunks: Chunks = ()
    metadata: Metadata = field(default_factory=Metadata)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Limits:
    """What reading may cost: pixels of the picture, bytes of its decoded samples."""

    pixels: int
    bytes: int | None = None


# Four inks, alpha and a few spot colours; more is a data cube or a lying header.
_MOST_CHANNELS = 16


class UnreadableError(Exception):
    """A file that a reader understands and declines; the message says why in a few words."""


def check_size(width: int, height: int, channels: int, bits: int, limits: Limits) -> None:
    """Raise UnreadableError where a picture is larger than it may be, or empty."""
    if width < 1 or height < 1 or channels < 1:
        raise UnreadableError("its header gives no size")
    if channels > _MOST_CHANNELS:
        raise UnreadableError(f"{channels} channels are no photo")
    if width * height > limits.pixels:
        raise UnreadableError(
            f"{width} x {height} pixels are more than the limit of {limits.pixels}; cut it into "
            "parts if the file is genuine"
        )
    # Stored samples and three float32 channels are held at once.
    need = width * height * (channels * max(bits, 8) // 8 + 12)
    if limits.bytes is not None and need > limits.bytes:
        raise UnreadableError(
            f"decoding needs {need >> 20} MiB, the limit is {limits.bytes >> 20} MiB"
        )
