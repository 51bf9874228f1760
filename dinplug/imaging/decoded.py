"""What the readers hand over: samples as the file stores them, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field

from dinplug.imaging.metadata import Metadata
from dinplug.imaging.photo import AlphaKind, ColourModel, SampleFormat, Samples


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
    gamma_chunk: bytes | None = None
    chroma_chunk: bytes | None = None
    metadata: Metadata = field(default_factory=Metadata)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Limits:
    """What reading may cost: pixels of the picture, bytes of its decoded samples."""

    pixels: int
    bytes: int | None = None
