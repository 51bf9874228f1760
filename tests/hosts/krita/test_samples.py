"""Samples between Krita's order and the worker's, and alpha times a selection."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.hosts.krita.samples import CHANNELS, DTYPES, limit_alpha, strips, swap_blue_and_red
from dinplug.hosts.protocol import SAMPLE_BYTES

KINDS = [(model, depth) for model in CHANNELS for depth in DTYPES]


def random_pixels(model: str, depth: str, count: int = 300) -> NDArray[Any]:
    """Pixels (count, channels) of all values."""
    random = np.random.default_rng(5)
    kind = np.dtype(DTYPES[depth])
    shape = (count, CHANNELS[model])
    if kind.kind == "f":
        return random.uniform(0, 1, shape).astype(kind)
    return random.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)


@pytest.mark.parametrize(("model", "depth"), KINDS)
def test_blue_and_red_change_places_where_krita_has_blue_first(model: str, depth: str) -> None:
    pixels = random_pixels(model, depth)
    samples = bytearray(pixels.tobytes())
    swap_blue_and_red(samples, model, depth)
    swaps = model == "RGBA" and depth in ("U8", "U16")
    assert samples == (pixels[:, [2, 1, 0, 3]] if swaps else pixels).tobytes()


@pytest.mark.parametrize(("model", "depth"), KINDS)
def test_alpha_is_multiplied_and_colours_stay(model: str, depth: str) -> None:
    pixels = random_pixels(model, depth)
    mask = np.random.default_rng(6).integers(0, 255, len(pixels), np.uint8, endpoint=True)
    mask[:2] = 0, 255
    samples = bytearray(pixels.tobytes())
    limit_alpha(samples, mask.tobytes(), model, depth)
    found = np.frombuffer(samples, pixels.dtype).reshape(pixels.shape)
    np.testing.assert_array_equal(found[:, :-1], pixels[:, :-1])
    product = pixels[:, -1].astype(np.float64) * mask / 255
    expected = product if pixels.dtype.kind == "f" else np.floor(product + 0.5)
    np.testing.assert_array_equal(found[:, -1], expected.astype(pixels.dtype))
    assert found[0, -1] == 0 and found[1, -1] == pixels[1, -1]


def test_everything_selected_changes_nothing() -> None:
    samples = bytearray(range(40))
    limit_alpha(samples, b"\xff" * 10, "RGBA", "U8")
    assert samples == bytearray(range(40))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 100000), (300000, 3), (6000, 4000)])
def test_strips_cover_all_rows_once(width: int, height: int) -> None:
    row = 0
    for start, rows in strips(width, height):
        assert start == row and rows >= 1
        assert rows == 1 or rows * width <= 1 << 17
        row += rows
    assert row == height


def test_depths_are_those_the_worker_takes() -> None:
    assert set(DTYPES.values()) <= set(SAMPLE_BYTES)
