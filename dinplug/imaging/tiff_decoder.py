"""Decode the samples of a TIFF's first page, in a process of its own.

Run as a script: `tiff_decoder.py PATH`. Standard output gets a line of JSON and the samples,
channels last. Needs tifffile and Pillow, not dinplug.
"""

from __future__ import annotations

import json
import logging
import struct
import sys
import warnings
import zlib
from typing import Any

import numpy as np
import tifffile
from PIL import Image

_OLD_JPEG = 6
_FAILURES = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError,
    SyntaxError, TypeError, ValueError, struct.error, tifffile.TiffFileError, zlib.error,
)  # fmt: skip


def samples_of(path: str) -> Any:
    """Return the samples (H, W, C) of the first page, one-bit ones as bytes."""
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages.first
        if page.compression == _OLD_JPEG:
            # libtiff, through Pillow, is the only decoder at hand for it; it gives RGB.
            with Image.open(path, formats=["TIFF"]) as image:
                return np.asarray(image.convert("L" if page.samplesperpixel == 1 else "RGB"))
        samples = page.asarray()
        return np.moveaxis(samples, 0, 2) if page.axes == "SYX" else samples


def main(path: str) -> None:
    """Write the samples, or the reason why there are none."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    try:
        samples = samples_of(path)
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        sys.stdout.write(json.dumps({"error": reason}) + "\n")
        return
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
    facts = {"shape": samples.shape, "dtype": samples.dtype.str}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(np.ascontiguousarray(samples).data)


if __name__ == "__main__":
    main(sys.argv[1])
