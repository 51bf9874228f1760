"""Flow: where a moving layer is, and that it stays within reach."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.training.degradations.flow import Flow, move, sample_flow

F32 = NDArray[np.float32]

MARGIN = 4


def shifts(*steps: tuple[float, float]) -> Flow:
    """A flow that only shifts."""
    rest = np.zeros((len(steps), 2), np.float32)
    return Flow(np.array(steps, np.float32), rest, rest, (0.0, 0.0))


@pytest.fixture
def layer() -> F32:
    return np.random.default_rng(1).uniform(0, 1, (2, 20, 18)).astype(np.float32)


def test_whole_pixel_shifts_move_the_pixels(layer: F32) -> None:
    frames = list(move(layer, shifts((0, 0), (3, -2)), MARGIN))
    assert [f.shape for f in frames] == [(2, 12, 10)] * 2
    # Positions from -1 to 1 are rounded to 2^-24 and stand for 20 pixels, so a sample is off by
    # up to 20 * 2^-24 pixels (a few of them, in float32); a pixel and the next differ by up to 1,
    # and the bicubic weights of the four around it change by under 3 per pixel each.
    rounding = 4 * 20 * 2.0**-24 * 4 * 3
    assert np.abs(frames[0] - layer[:, 4:16, 4:14]).max() <= rounding
    assert np.abs(frames[1] - layer[:, 1:13, 6:16]).max() <= rounding


def test_a_ramp_moves_by_the_displacement() -> None:
    rows, columns = np.mgrid[0:40, 0:44].astype(np.float32)
    rng = np.random.default_rng(3)
    flow = sample_flow(rng, 5.0, "curved", 5, (40, 44), reach=6.0)
    inner_rows, inner_columns = rows[8:-8, 8:-8], columns[8:-8, 8:-8]
    for number, frame in enumerate(move(np.stack([rows, columns]), flow, 8)):
        down, right = flow.displacement(number, inner_rows, inner_columns)
        # Keys' weights with a = -0.75 put a ramp off by (a + 0.5) 2 f (1 - f) (2 f - 1) at the
        # fraction f of a pixel, at most 3**0.5 / 36; then a dozen roundings of a coordinate.
        off = 3**0.5 / 36 + 12 * 44 * 2.0**-23
        assert np.abs(frame[0] - (inner_rows - down)).max() <= off
        assert np.abs(frame[1] - (inner_columns - right)).max() <= off


def test_turning_and_tilting_follow_the_formula() -> None:
    one = np.array([[0.1, 0.2]], np.float32)
    tilt = np.array([[0.01, 0.03]], np.float32)
    flow = Flow(np.array([[1.0, 2.0]], np.float32), one, tilt, (10.0, 20.0))
    down, right = flow.displacement(0, np.full(1, 13, np.float32), np.full(1, 24, np.float32))
    scale = 0.1 + 0.01 * 3 + 0.03 * 4
    assert np.allclose(down, 1 + scale * 3 + 0.2 * 4)
    assert np.allclose(right, 2 + scale * 4 - 0.2 * 3)


@pytest.mark.parametrize("extent", [0.5, 10.0, 80.0])
def test_no_corner_goes_beyond_reach(extent: float) -> None:
    for seed in range(30):
        flow = sample_flow(np.random.default_rng(seed), extent, "shake", 9, (304, 280), 23.0)
        # Scaling a movement to reach exactly 23 pixels rounds, and pivots are hundreds away.
        assert flow.reach(304, 280) <= 23 + 300 * 2.0**-20


def test_the_middle_frame_rests() -> None:
    flow = sample_flow(np.random.default_rng(5), 9.0, "shake", 7, (100, 120), 30.0)
    rows, columns = np.array([[0], [99]], np.float32), np.array([[0, 119]], np.float32)
    assert all(not part.any() for part in flow.displacement(3, rows, columns))
    assert all(part.any() for part in flow.displacement(0, rows, columns))


def test_the_shift_is_as_far_as_asked() -> None:
    flow = sample_flow(np.random.default_rng(6), 9.0, "straight", 7, (100, 120), 1e3)
    assert np.ptp(flow.shift, axis=0).max() == pytest.approx(9, abs=9 * 2.0**-20)
