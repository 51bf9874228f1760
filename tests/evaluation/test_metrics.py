"""PSNR, SSIM and luma against their definitions."""

import math

import numpy as np
import pytest

from dinplug.evaluation.metrics import luma, psnr, register, score_luma, score_rgb, ssim, to_uint8


def picture(seed: int, height: int = 24, width: int = 31) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_luma_of_black_white_and_primaries() -> None:
    rgb = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0]]], dtype=np.uint8)
    # Four float64 operations on values below 256: 1e-12 is more than their rounding.
    assert luma(rgb)[0] == pytest.approx([16.0, 235.0, 81.481, 144.553], abs=1e-12)


def test_luma_is_not_rounded() -> None:
    assert luma(np.full((1, 1, 3), 1, np.uint8))[0, 0] == pytest.approx(16 + 219 / 255, abs=1e-12)


def test_psnr_of_a_constant_error() -> None:
    clean = np.zeros((5, 7))
    assert psnr(clean, clean + 5) == pytest.approx(20 * math.log10(255 / 5), abs=1e-12)
    assert psnr(clean, clean) == math.inf


def test_ssim_agrees_with_the_window_written_out() -> None:
    one, other = picture(1)[..., 0].astype(float), picture(2)[..., 0].astype(float)
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for row in range(one.shape[0] - 10):
        for column in range(one.shape[1] - 10):
            x = one[row : row + 11, column : column + 11]
            y = other[row : row + 11, column : column + 11]
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            cov = (window * (x - mx) * (y - my)).sum()
            values.append(
                (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            )
    # Variances are differences of squares near 6e4, so float64 leaves about 1e-11 of them; the
    # quotient is of order 1.
    assert ssim(one, other) == pytest.approx(np.mean(values), abs=1e-10)


def test_ssim_of_equal_pictures_is_one() -> None:
    assert ssim(picture(3)[..., 1], picture(3)[..., 1]) == pytest.approx(1.0, abs=1e-12)


def test_ssim_needs_one_whole_window() -> None:
    small = np.zeros((10, 40))
    with pytest.raises(ValueError, match="at least 11"):
        ssim(small, small)


@pytest.mark.parametrize("score", [score_luma, score_rgb])
def test_the_border_does_not_count(score) -> None:  # type: ignore[no-untyped-def]
    clean = picture(4)
    spoilt = clean.copy()
    spoilt[0], spoilt[:, -1] = 0, 255
    assert score(spoilt, clean, 1).psnr == math.inf
    assert score(spoilt, clean, 0).psnr < 40


def test_rgb_score_counts_all_channels() -> None:
    clean = np.zeros((12, 12, 3), np.uint8)
    spoilt = clean.copy()
    spoilt[..., 2] = 30
    assert score_rgb(spoilt, clean, 0).psnr == pytest.approx(10 * math.log10(3 * 255**2 / 900))


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="different shapes"):
        score_luma(picture(1), picture(1)[:-1], 0)


def test_to_uint8_clamps_and_rounds_half_up() -> None:
    values = np.array([-0.1, 0.0, 0.5 / 255, 0.49 / 255, 2.5 / 255, 1.0, 1.7])
    assert to_uint8(values).tolist() == [0, 0, 1, 0, 3, 255, 255]


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-3, 3)])
def test_registered_pictures_lie_on_each_other(shift: tuple[int, int]) -> None:
    truth = np.random.default_rng(1).integers(0, 256, (21, 30, 3), dtype=np.uint8)
    moved, inner = register(np.roll(truth, shift, (0, 1)), truth, 3)
    np.testing.assert_array_equal(moved, inner)
    np.testing.assert_array_equal(inner, truth[3:-3, 3:-3])
