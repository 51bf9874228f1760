"""Restoring pixels: types, shapes, strength, values outside 0..1, factors."""

import numpy as np
import pytest
from numpy.typing import NDArray

import dinplug
from dinplug.checkpoints import load_model
from dinplug.errors import SetupError, UsageError
from dinplug.restoration import RestoreOptions, Restorer

pytestmark = pytest.mark.usefixtures("tiny_models")


def pixels(*shape: int) -> NDArray[np.float32]:
    """Random floats in 0..1."""
    return np.random.default_rng(3).random(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", [(20, 24), (20, 24, 3), (20, 24, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_type_and_shape_stay(shape: tuple[int, ...], dtype: type) -> None:
    limit = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    given: NDArray[np.generic] = (pixels(*shape) * limit).astype(dtype)
    before = given.copy()
    restored = dinplug.restore(given, model="tiny-dehaze")
    assert restored.shape == given.shape
    assert restored.dtype == given.dtype
    assert np.array_equal(given, before)
    assert not np.array_equal(restored[..., 0], given[..., 0])
    if len(shape) == 3 and shape[2] == 4:
        assert np.array_equal(restored[..., 3], given[..., 3])


def test_depth_makes_no_difference_but_rounding() -> None:
    given = (pixels(16, 16, 3) * 255).astype(np.uint8)
    wide = given.astype(np.uint16) * 257
    eight = dinplug.restore(given, model="tiny-dehaze").astype(np.int64)
    sixteen = dinplug.restore(wide, model="tiny-dehaze").astype(np.float64) / 257
    # Half a level of each rounding.
    assert np.abs(eight - sixteen).max() <= 0.5 + 0.5 / 257 + 1e-3


def test_super_resolution_enlarges_alpha_too() -> None:
    given = pixels(10, 12, 4)
    given[..., 3] = 0.25
    restored = dinplug.restore(given, task="sr", model="tiny-x2", scale=2)
    assert restored.shape == (20, 24, 4)
    assert np.allclose(restored[..., 3], 0.25, atol=1e-6)


def test_strength_blends_with_the_original() -> None:
    given = pixels(16, 20, 3)
    full = dinplug.restore(given, model="tiny-dehaze").astype(np.float32)
    for strength in (0.0, 0.25):
        options = RestoreOptions(strength=strength)
        mixed = dinplug.restore(given, model="tiny-dehaze", options=options)
        expected = given + strength * (full - given)
        assert np.allclose(mixed, expected, atol=1e-6)


def test_values_outside_the_range_survive() -> None:
    restorer = Restorer(load_model("tiny-dehaze"))
    given = pixels(16, 20, 3)
    given[3, 4], given[5, 6] = 2.5, -0.5
    restored = restorer.restore_pixels(given)
    inside = restorer.restore_pixels(given.clip(0, 1))
    assert np.allclose(restored - inside, given - given.clip(0, 1), atol=1e-6)


def test_a_model_of_any_factor_enlarges_first() -> None:
    restorer = Restorer(load_model("tiny-as"), RestoreOptions(factor=2.6))
    assert restorer.restore_pixels(pixels(10, 11, 3)).shape == (26, 29, 3)
    assert restorer.scale == 2.6
    assert "predicted peak" in str(restorer.plan(11, 10))


def test_only_such_a_model_takes_a_factor() -> None:
    with pytest.raises(UsageError, match="imdn-as"):
        Restorer(load_model("tiny-dehaze"), RestoreOptions(factor=2))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (np.zeros((4, 4, 2), np.uint8), "pixels must be"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4, 4, 3), np.int32), "uint8, uint16 or floats"),
        (np.full((4, 4, 3), np.nan, np.float32), "finite"),
    ],
)
def test_other_arrays_are_refused(given: NDArray[np.generic], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        dinplug.restore(given, model="tiny-dehaze")


def test_strength_has_limits() -> None:
    with pytest.raises(UsageError, match="between 0 and 1"):
        Restorer(load_model("tiny-dehaze"), RestoreOptions(strength=1.5))


def test_a_model_without_weights_says_what_to_do() -> None:
    with pytest.raises(SetupError, match="models import"):
        dinplug.restore(pixels(8, 8, 3), model="din-deblur")
