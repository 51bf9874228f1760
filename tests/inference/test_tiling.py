"""Cutting pictures into tiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinplug.inference.tiling import cut, inside, tiles
from dinplug.networks.stages import Span


@given(length=st.integers(1, 5000), tile=st.integers(1, 600))
def test_spans_cover_a_side_once(length: int, tile: int) -> None:
    spans = cut(length, tile)
    assert [pixel for s in spans for pixel in range(s.start, s.stop)] == list(range(length))
    sizes = [span.size for span in spans]
    assert max(sizes) <= tile
    assert max(sizes) - min(sizes) <= 1
    assert len(spans) == -(-length // tile)


def test_tiles_go_row_by_row() -> None:
    starts = [(rows.start, columns.start) for rows, columns in tiles(4, 6, 3)]
    assert starts == [(0, 0), (0, 3), (2, 0), (2, 3)]


@pytest.mark.parametrize(
    ("tile", "halo", "window"),
    [
        ((10, 20), 4, (6, 24)),
        ((0, 5), 4, (0, 9)),
        ((95, 100), 4, (91, 100)),
        ((0, 100), 9, (0, 100)),
    ],
)
def test_a_halo_ends_at_the_border(
    tile: tuple[int, int], halo: int, window: tuple[int, int]
) -> None:
    span = Span(*tile, 100)
    widened = span.widened(halo)
    assert (widened.start, widened.stop) == window
    cells = list(range(widened.start * 2, widened.stop * 2))
    assert cells[inside(span, widened, 2)] == list(range(tile[0] * 2, tile[1] * 2))
