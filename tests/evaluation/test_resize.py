"""Bicubic resizing against MATLAB's own results."""

import json
from pathlib import Path

import numpy as np
import pytest

from dinplug.evaluation.metrics import score_luma
from dinplug.evaluation.pairs import read_rgb8
from dinplug.evaluation.resize import reduce_bicubic, resize_bicubic, resize_bicubic_8bit

NAMES = ("baby", "bird", "butterfly", "head", "woman")


def cropped(path: Path, scale: int) -> np.ndarray:
    picture = read_rgb8(path)
    height, width = (side // scale * scale for side in picture.shape[:2])
    return picture[:height, :width]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_reduction_equals_the_published_small_pictures(shared: Path, name: str, scale: int) -> None:
    set5 = shared / "reference" / "set5"
    small = reduce_bicubic(cropped(set5 / "HR" / f"{name}.png", scale), scale)
    np.testing.assert_array_equal(small, read_rgb8(set5 / f"LRx{scale}" / f"{name}.png"))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_enlargement_scores_as_matlab_does(shared: Path, scale: int) -> None:
    reference = shared / "reference"
    golden = json.loads((reference / "golden" / "metrics.json").read_text())
    expected = golden["set5"][f"bicubic_matlab_rgb_x{scale}"]["per_image_yfloat"]
    for name in NAMES:
        truth = cropped(reference / "set5" / "HR" / f"{name}.png", scale)
        small = read_rgb8(reference / "set5" / f"LRx{scale}" / f"{name}.png")
        score = score_luma(resize_bicubic_8bit(small, *truth.shape[:2]), truth, scale)
        # The reference is printed with four decimals.
        assert (score.psnr, score.ssim) == pytest.approx(expected[name], abs=0.5e-4 + 1e-9)


def test_a_ramp_stays_a_ramp_when_enlarged() -> None:
    ramp = np.tile(np.arange(12.0), (9, 1))
    enlarged = resize_bicubic(ramp, 18, 24)
    expected = np.tile((np.arange(24) + 0.5) / 2 - 0.5, (18, 1))
    # The kernel reproduces quadratics; only the mirrored borders differ. Values below 12 in
    # float64, some ten operations each.
    np.testing.assert_allclose(enlarged[:, 4:-4], expected[:, 4:-4], atol=1e-13)


def test_constants_survive_any_factor() -> None:
    flat = np.full((7, 5, 3), 200, np.uint8)
    assert (resize_bicubic_8bit(flat, 16, 3) == 200).all()


def test_uneven_sides_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 2"):
        reduce_bicubic(np.zeros((4, 5, 3), np.uint8), 2)
