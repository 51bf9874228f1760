"""What files add to a photo."""

import numpy as np
from numpy.typing import NDArray

from dinplug.training.degradations.camera import jpeg, record

F32 = NDArray[np.float32]


def ramp() -> F32:
    row = np.linspace(0, 1, 64, dtype=np.float32)
    return np.stack([np.tile(row, (64, 1))] * 3, -1)


def test_recorded_pictures_stay_close_and_in_range() -> None:
    picture = ramp()
    for seed in range(20):
        recorded = record(np.random.default_rng(seed), picture)
        assert recorded.dtype == np.float32
        assert recorded.min() >= 0
        assert recorded.max() <= 1
        # Noise of at most two levels' deviation, JPEG of quality 50 or better.
        assert np.abs(recorded - picture).mean() < 3 / 255


def test_recording_is_deterministic() -> None:
    one, two = (record(np.random.default_rng(5), ramp()) for _ in range(2))
    assert np.array_equal(one, two)


def test_halved_colour_blurs_colour_and_keeps_brightness() -> None:
    picture = np.zeros((32, 32, 3), np.float32)
    picture[:, ::2, 0] = 1
    full, halved = (jpeg(picture, 95, halved_colour=h) for h in (False, True))
    red = [np.abs(p[..., 0] - picture[..., 0]).mean() for p in (full, halved)]
    assert red[1] > 3 * red[0]
    luma = np.array([0.299, 0.587, 0.114], np.float32)
    # JPEG stores luma in full: what is left is quality 95 and clipping.
    assert np.abs(full @ luma - halved @ luma).mean() < 0.1


def test_jpeg_loses_more_at_lower_quality() -> None:
    picture = np.random.default_rng(1).uniform(0, 1, (32, 32, 3)).astype(np.float32)
    errors = [np.abs(jpeg(picture, quality) - picture).mean() for quality in (30, 60, 90)]
    assert errors[0] > errors[1] > errors[2] > 0
