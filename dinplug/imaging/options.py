"""What a person may ask of the way results are written."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from dinplug.errors import UsageError
from dinplug.imaging import profiles

MOST_BITS = {"jpeg": 8, "webp": 8, "png": 16, "tiff": 64}
OUTPUT_FORMATS = tuple(MOST_BITS)
BIT_DEPTHS = (8, 16, 32)
# dinplug's names of TIFF compressions, and tifffile's.
TIFF_COMPRESSIONS = {
    "none": None, "lzw": "lzw", "deflate": "zlib", "zstd": "zstd", "packbits": "packbits",
}  # fmt: skip


@dataclass(frozen=True)
class WriteOptions:
    """How a result is written; what is None follows the photo.

    `format` is "tiff", "jpeg", "png" or "webp"; `quality` 1..100 (JPEG and WebP; 100 makes
    WebP lossless); `compression` of TIFF is "none", "lzw", "deflate", "zstd" or "packbits";
    `bit_depth` is 8, 16, or 32 (TIFF, floating point); `output_profile` is "srgb",
    "display-p3", "adobe-rgb", "prophoto" or the path of an .icc file. Raises UsageError
    where a value is none of these, or is for another format than the one wished for.
    """

    format: str | None = None
    quality: int | None = None
    compression: str | None = None
    bit_depth: int | None = None
    output_profile: str | None = None

    def __post_init__(self) -> None:
        """Check the wishes once, before any photo is read."""
        if self.format is not None and self.format not in OUTPUT_FORMATS:
            raise UsageError(f"no format {self.format!r}: use {', '.join(OUTPUT_FORMATS)}")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise UsageError(f"no quality {self.quality}: use 1 to 100")
        if self.compression is not None and self.compression not in TIFF_COMPRESSIONS:
            known = ", ".join(TIFF_COMPRESSIONS)
            raise UsageError(f"no TIFF compression {self.compression!r}: use {known}")
        if self.bit_depth is not None and self.bit_depth not in BIT_DEPTHS:
            raise UsageError(f"no bit depth {self.bit_depth}: use 8, 16 or 32")
        if self.format and self.bit_depth and self.bit_depth > MOST_BITS[self.format]:
            most = MOST_BITS[self.format]
            raise UsageError(f"{self.format.upper()} holds {most} bits at most: use format tiff")
        if self.quality is not None and self.format in ("tiff", "png"):
            raise UsageError(f"quality is for JPEG and WebP: leave it out for {self.format}")
        if self.compression is not None and self.format not in (None, "tiff"):
            raise UsageError(f"compression is for TIFF: leave it out for {self.format}")
        if self.output_profile is not None:
            profiles.load_profile(self.output_profile)

    def described(self) -> str:
        """The wishes that a result's provenance names, as words; the format shows by itself.

        Of a profile's path it has the file's name only, for folders are nobody else's business.
        """
        profile = self.output_profile
        wishes = {
            "quality": self.quality,
            "compression": self.compression,
            "bit-depth": self.bit_depth,
            "output-profile": profile and Path(profile).name,
        }
        words = (f"{name}={value}" for name, value in wishes.items() if value is not None)
        return " ".join(map(shlex.quote, words))
