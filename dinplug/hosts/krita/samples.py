"""Krita's samples and the worker's: the order of colours, and alpha times a selection.

Krita keeps whole numbers as blue, green, red, alpha and floats as red, green, blue, alpha; the
worker takes red first always. Everything works on the bytes of a few rows at a time, so that
Krita's main loop, in which it runs, never waits long.
"""

from __future__ import annotations

import operator
import struct
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

DTYPES = {"U8": "uint8", "U16": "uint16", "F16": "float16", "F32": "float32"}
"""The worker's names of Krita's depths."""
CHANNELS = {"RGBA": 4, "GRAYA": 2}
"""Samples of a pixel of the colour models that can be restored, alpha included."""

_CODES = {"U8": "B", "U16": "H", "F16": "e", "F32": "f"}
_PATTERNS: dict[str, Literal["B", "H", "I"]] = {"U8": "B", "U16": "H", "F16": "H", "F32": "I"}
# Samples that are only moved go as whole numbers: a memoryview knows no half floats.
_STRIP_PIXELS = 1 << 17


def strips(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Cut rows into strips (first row, number of rows) that take some milliseconds each."""
    rows = max(1, _STRIP_PIXELS // width)
    for start in range(0, height, rows):
        yield start, min(rows, height - start)


def swap_blue_and_red(samples: bytearray, model: str, depth: str) -> None:
    """Turn Krita's order into the worker's, or back."""
    if model == "RGBA" and depth in ("U8", "U16"):
        view = memoryview(samples).cast(_PATTERNS[depth])
        first = bytes(view[0::4])
        view[0::4] = view[2::4]
        view[2::4] = memoryview(first).cast(_PATTERNS[depth])


def limit_alpha(samples: bytearray, mask: bytes, model: str, depth: str) -> None:
    """Multiply the alpha of each pixel by a selection's mask (one byte a pixel, 255 is all)."""
    if mask.count(255) == len(mask):
        return
    view = memoryview(samples).cast(_PATTERNS[depth])
    alphas = slice(CHANNELS[model] - 1, None, CHANNELS[model])
    code = f"{len(mask)}{_CODES[depth]}"
    products = map(operator.mul, struct.unpack(code, bytes(view[alphas])), mask)
    limited: list[float]
    if depth in ("F16", "F32"):
        limited = [product / 255 for product in products]
    else:
        limited = [(product + 127) // 255 for product in products]
    view[alphas] = memoryview(struct.pack(code, *limited)).cast(_PATTERNS[depth])
