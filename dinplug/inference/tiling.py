"""Cut a picture into tiles: where each lies and which window of context it needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from dinplug.networks.stages import Span


def cut(length: int, tile: int) -> list[Span]:
    """Cut a side of `length` pixels into the fewest spans of at most `tile`, all about equal."""
    pieces = -(-length // tile)
    edges = [length * piece // pieces for piece in range(pieces + 1)]
    return [Span(start, stop, length) for start, stop in itertools.pairwise(edges)]


def tiles(height: int, width: int, tile: int) -> Iterator[tuple[Span, Span]]:
    """Yield (rows, columns) of every tile, row by row."""
    for rows in cut(height, tile):
        for columns in cut(width, tile):
            yield rows, columns


def inside(tile: Span, window: Span, step: int) -> slice:
    """Where `tile` lies in an output that covers `window`, on a grid `step` times finer."""
    start = (tile.start - window.start) * step
    return slice(start, start + tile.size * step)
