"""A photo: float pixels plus everything needed to write them back unharmed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dinplug.imaging.metadata import Metadata
from dinplug.imaging.png_chunks import Chunks

F32Image = NDArray[np.float32]
Samples = NDArray[Any]

Kind = Literal["tiff", "jpeg", "png", "webp", "raw", "gif", "bmp"]
ColourModel = Literal["rgb", "grey", "palette", "cmyk", "lab", "bilevel"]
SampleFormat = Literal["uint", "int", "float"]
Transfer = Literal["display", "linear"]
AlphaKind = Literal["none", "straight", "premultiplied"]


@dataclass(frozen=True)
class Provenance:
    """How a result was made; goes to the Software tag and the XMP of the output.

    `weights` is the SHA-256 of the weights in hexadecimal, `options` words such as
    "strength=0.7 ensemble", `version` that of dinplug, `source` the name of the file that was
    restored, without its folder (filled in when the result is written).
    """

    task: str
    model: str
    weights: str
    options: str
    version: str
    source: str = ""


@dataclass(frozen=True)
class PhotoInfo:
    """What a file's header says; `width` and `height` are those of the upright picture."""

    path: Path
    kind: Kind
    width: int
    height: int
    channels: int
    bits: int
    model: ColourModel = "rgb"
    sample: SampleFormat = "uint"

    @property
    def pixels(self) -> int:
        """Count the pixels."""
        return self.width * self.height


@dataclass(frozen=True)
class Held:
    """Pixels that the network must not see: not finite, or hidden by a fully clear alpha.

    `index` holds flat pixel numbers (row * width + column) of a picture of `shape`
    (H, W); `values` (n, 3) are what the file held there, display-encoded.
    """

    shape: tuple[int, int]
    index: NDArray[np.int64]
    values: F32Image


@dataclass(frozen=True)
class Source:
    """What the file was, so that a result can be written back as the same kind of file.

    `model` is the colour model of the file; `output_model` is the one a result takes in
    the same kind of file (a palette becomes RGB, one-bit becomes grey, CMYK without a
    profile becomes sRGB). `bits` is the depth of the file's sample type. `profile` is the
    ICC profile that describes the samples in `output_model`. `transfer` is "linear" where
    the samples are linear light; `Photo.rgb` then holds them encoded with the sRGB curve.
    `extras` (H, W, K) are channels that are neither colour nor alpha, as stored.
    """

    path: Path
    kind: Kind
    width: int
    height: int
    model: ColourModel = "rgb"
    output_model: ColourModel = "rgb"
    sample: SampleFormat = "uint"
    bits: int = 8
    alpha: AlphaKind = "none"
    transfer: Transfer = "display"
    profile: bytes | None = None
    compression: str | None = None
    jpeg_quality: int | None = None
    jpeg_subsampling: int | None = None
    lossless: bool = True
    big: bool = False
    colour_chunks: Chunks = ()
    extras: Samples | None = None
    held: Held | None = None
    metadata: Metadata = field(default_factory=Metadata)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Photo:
    """An upright photo.

    `rgb` float32 (H, W, 3): display-encoded RGB in the photo's own colour space (that of
    `source.profile`; sRGB where there is none, and for CMYK and Lab, which are converted back
    when written), nominally 0..1; values outside occur for float and Lab sources and survive.
    Every value is finite, and clear pixels have the colour of their surroundings (`Held`).
    `alpha` float32 (H, W): straight, 0..1. The arrays are not to be written to.
    """

    rgb: F32Image
    alpha: F32Image | None
    source: Source
    provenance: Provenance | None = None

    @property
    def height(self) -> int:
        """Rows of the upright picture."""
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        """Columns of the upright picture."""
        return int(self.rgb.shape[1])

    def restored(
        self,
        rgb: F32Image,
        alpha: F32Image | None = None,
        *,
        provenance: Provenance | None = None,
    ) -> Photo:
        """Return the photo with new pixels, maybe of another size.

        `rgb` (H', W', 3) and `alpha` (H', W') are on the scale of this photo's own. Without
        `alpha` this photo's alpha is kept, which needs the size to be the same. Raises
        ValueError where shapes disagree.
        """
        rgb = np.ascontiguousarray(rgb, dtype=np.float32)
        if rgb.ndim != 3 or rgb.shape[2] != 3 or 0 in rgb.shape:
            raise ValueError(f"pixels must be (H, W, 3), not {rgb.shape}")
        if alpha is None:
            alpha = self.alpha
        else:
            alpha = np.ascontiguousarray(alpha, dtype=np.float32)
            if self.alpha is None:
                raise ValueError("the photo has no alpha to replace")
        if alpha is not None and alpha.shape != rgb.shape[:2]:
            raise ValueError(f"alpha is {alpha.shape}, pixels are {rgb.shape[:2]}")
        return replace(self, rgb=rgb, alpha=alpha, provenance=provenance or self.provenance)
