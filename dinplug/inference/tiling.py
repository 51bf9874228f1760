"""Cut a picture into tiles: where each lies and which window of context it needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from dinplug.networks.shrinking import NEITHER, Ends, lost_before
from dinplug.networks.stages import Span


def cut(length: int, tile: int) -> list[Span]:
    """Cut a side of `length` pixels into the fewest spans of at most `tile`, all about equal."""
    pieces = -(-length // tile)
    edges = [length * piece // pieces for piece in range(pieces + 1)]
    return [Span(start, stop, length) for start, stop in itertools.pairwise(edges)]


def tiles(
    height: int, width: int, rows: int, columns: int | None = None
) -> Iterator[tuple[Span, Span]]:
    """Yield (rows, columns) of every tile, row by row; tiles are square if `columns` is None."""
    for across in cut(height, rows):
        for along in cut(width, columns or rows):
            yield across, along


def halves(tile: tuple[Span, Span], least: int) -> list[tuple[Span, Span]]:
    """A tile's two halves, cut in height first; itself where their sides would be below `least`."""
    rows, columns = tile
    if rows.size >= 2 * least:
        return [(part, columns) for part in halved(rows)]
    if columns.size >= 2 * least:
        return [(rows, part) for part in halved(columns)]
    return [tile]


def halved(span: Span) -> tuple[Span, Span]:
    """The two halves of a span."""
    middle = (span.start + span.stop) // 2
    return Span(span.start, middle, span.length), Span(middle, span.stop, span.length)


def inside(
    tile: Span, window: Span, step: int, size: int | None = None, ends: Ends = NEITHER
) -> slice:
    """Where `tile` lies in an output that covers `window`, on a grid `step` times finer.

    Of `size` pixels, if that is given: less than the window where it shrank at these `ends`.
    """
    lost = 0 if size is None else lost_before(window.size * step - size, ends)
    start = (tile.start - window.start) * step - lost
    return slice(start, start + tile.size * step)
