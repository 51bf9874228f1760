"""Motion blur: the averages it is made of, that it keeps in place, and what is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dinplug.training.degradations.haze import linear_to_srgb, srgb_to_linear
from dinplug.training.degradations.motion import (
    GRAY_SHARE,
    HIGHLIGHT_SHARE,
    KIND_SHARES,
    LINEAR_SHARE,
    NONE_SHARE,
    SLIGHT_SHARE,
    Kind,
    Motion,
    blur,
    outline,
    sample_motion,
)
from dinplug.training.degradations.shake import kernel, sample_trajectory

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

MARGIN = 12
MOVING: list[Kind] = ["shake", "frames", "region"]
# sRGB there and back: powers of 2.4 and 1/2.4 in float32, a few units in the last place.
ENCODING = 1e-6


@pytest.fixture
def picture() -> F32:
    return np.random.default_rng(1).uniform(0, 1, (44, 52, 3)).astype(np.float32)


def exposure(kind: Kind, linear: bool = False) -> Motion:
    return Motion(kind, 7.0, "shake", frames=1 if kind == "shake" else 9, linear=linear)


def inside(picture: F32) -> F32:
    return picture[MARGIN:-MARGIN, MARGIN:-MARGIN]


def convolved(values: F64, psf: F32) -> F64:
    """The sum of shifted pictures that a convolution is, inside the margin."""
    height, width = (side - 2 * MARGIN for side in values.shape[:2])
    out, radius = np.zeros((height, width, 3)), len(psf) // 2
    for row, column in ((r, c) for r in range(len(psf)) for c in range(len(psf))):
        top, left = MARGIN - (row - radius), MARGIN - (column - radius)
        out += float(psf[row, column]) * values[top : top + height, left : left + width]
    return out


def test_a_shake_is_the_convolution_with_its_kernel(picture: F32) -> None:
    psf = kernel(sample_trajectory(np.random.default_rng(2), 7.0, "shake"))
    blurred, clean = blur(np.random.default_rng(2), picture, exposure("shake"), MARGIN)
    # float32 transforms err by a few 2^-24 per stage, log2(44 * 52) = 11 stages, of values whose
    # root mean square in the spectrum is that of the picture; three transforms.
    rounding = 3 * 11 * 4 * 2.0**-24
    assert np.abs(blurred - convolved(picture.astype(np.float64), psf)).max() <= rounding
    assert np.array_equal(clean, inside(picture))


def test_linear_light_is_averaged_in_linear_light(picture: F32) -> None:
    # Away from black, where encoding multiplies errors by up to 12.92.
    picture = np.float32(0.2) + np.float32(0.8) * picture
    psf = kernel(sample_trajectory(np.random.default_rng(2), 7.0, "shake"))
    blurred, clean = blur(np.random.default_rng(2), picture, exposure("shake", True), MARGIN)
    light = convolved(srgb_to_linear(picture).astype(np.float64), psf)
    expected = linear_to_srgb(light.astype(np.float32))
    # As above, times the slope of the encoding, 2.4 at most from 0.2 (0.033 in light) on.
    assert np.abs(blurred - expected).max() <= 3 * 11 * 4 * 2.0**-24 * 2.4
    assert np.abs(clean - inside(picture)).max() <= ENCODING


def test_highlights_outshine_their_surroundings() -> None:
    picture = np.full((44, 52, 3), 0.2, np.float32)
    picture[20:24, 24:28] = 1
    dim = Motion("shake", 7.0, "straight", linear=True)
    rngs = [np.random.default_rng(3) for _ in range(2)]
    weak, _ = blur(rngs[0], picture, dim, MARGIN)
    strong, clean = blur(rngs[1], picture, replace(dim, highlights=6.0), MARGIN)
    assert strong.sum() > 1.05 * weak.sum()
    assert strong.max() <= 1
    assert np.abs(clean - inside(picture)).max() <= ENCODING


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("kind", MOVING)
def test_an_even_picture_stays(kind: Kind, linear: bool) -> None:
    even = np.full((44, 52, 3), 0.6, np.float32)
    blurred, clean = blur(np.random.default_rng(4), even, exposure(kind, linear), MARGIN)
    # Sums of up to 15 frames, or transforms as above, then the encoding.
    assert np.abs(blurred - 0.6).max() <= 3 * 11 * 4 * 2.0**-24 + ENCODING
    assert np.abs(clean - 0.6).max() <= 16 * 2.0**-24 + ENCODING


@pytest.mark.parametrize("gray", [False, True])
def test_none_is_the_picture(picture: F32, gray: bool) -> None:
    blurred, clean = blur(np.random.default_rng(5), picture, Motion("none", gray=gray), MARGIN)
    assert np.array_equal(blurred, clean)
    assert np.array_equal(clean, inside(picture)) != gray


@pytest.mark.parametrize("kind", MOVING)
def test_gray_is_gray_on_both_sides(picture: F32, kind: Kind) -> None:
    motion = replace(exposure(kind), gray=True)
    for side in blur(np.random.default_rng(6), picture, motion, MARGIN, picture[::-1]):
        # The channels are equal and pass through equal steps, but not always in equal lanes.
        assert np.ptp(side, axis=2).max() <= 16 * 2.0**-24


@pytest.mark.parametrize("kind", MOVING)
def test_blurred_and_sharp_lie_on_each_other(kind: Kind) -> None:
    smooth = np.sin(np.arange(44) / 6)[:, None, None] * np.sin(np.arange(52) / 5)[None, :, None]
    picture = np.repeat(np.float32(0.5 + 0.4 * smooth), 3, 2)
    motion = Motion(kind, 6.0, "straight", frames=1 if kind == "shake" else 9)
    blurred, clean = blur(np.random.default_rng(7), picture, motion, MARGIN, picture)

    def error(down: int, right: int) -> float:
        moved = np.roll(clean, (down, right), (0, 1))[3:-3, 3:-3]
        return float(np.square(blurred[3:-3, 3:-3] - moved).mean())

    steps = [(d, r) for d in range(-3, 4) for r in range(-3, 4)]
    assert min(steps, key=lambda s: error(*s)) == (0, 0)


def test_the_sharp_side_of_frames_is_the_picture(picture: F32) -> None:
    blurred, clean = blur(np.random.default_rng(8), picture, exposure("frames"), MARGIN)
    assert np.array_equal(clean, inside(picture))
    assert float(np.square(blurred - clean).mean()) > 1e-3


def test_a_moving_thing_leaves_what_it_never_covers(picture: F32) -> None:
    thing = np.zeros_like(picture)
    found = 0
    for seed in range(12):
        blurred, clean = blur(np.random.default_rng(seed), picture, exposure("region"), MARGIN)
        again, _ = blur(np.random.default_rng(seed), picture, exposure("region"), MARGIN, thing)
        # Where exchanging the thing changes nothing, it never was.
        never = np.abs(blurred - again).max(2) <= 16 * 2.0**-24
        still = np.abs(blurred - inside(picture)).max(2) <= 16 * 2.0**-24
        if not (still & never).any():
            continue  # This background moves by itself.
        found += 1
        assert np.all(still[never])
        assert np.abs(clean - inside(picture))[never].max() <= 16 * 2.0**-24
        assert not np.all(still)
    # Half the backgrounds stand still: of 12, none with a chance of 2^-12.
    assert found > 0


def test_a_thing_hides_what_is_behind_it() -> None:
    white, black = np.ones((44, 52, 3), np.float32), np.zeros((44, 52, 3), np.float32)
    blurred, clean = blur(np.random.default_rng(10), white, exposure("region"), MARGIN, black)
    assert clean.min() == pytest.approx(0, abs=16 * 2.0**-24)
    assert 0.1 < float(clean.mean()) < 0.98
    # The thing keeps its size but for what crosses the border of the picture.
    assert abs(float(blurred.mean() - clean.mean())) < 0.1


def test_an_outline_has_an_inside_an_outside_and_an_edge() -> None:
    for seed in range(20):
        alpha = outline(np.random.default_rng(seed), 60, 80)
        assert alpha.shape == (60, 80)
        assert (alpha.min(), alpha.max()) == (0, 1)
        assert np.any((alpha > 0) & (alpha < 1))


@pytest.mark.parametrize("kind", MOVING)
@pytest.mark.parametrize("extent", [0.4, 200.0])
def test_results_stay_in_range(picture: F32, kind: Kind, extent: float) -> None:
    motion = replace(exposure(kind, True), extent=extent, highlights=8.0)
    for side in blur(np.random.default_rng(11), picture, motion, MARGIN):
        assert side.shape == (20, 28, 3)
        assert side.dtype == np.float32
        assert side.flags["C_CONTIGUOUS"]
        assert side.min() >= 0
        assert side.max() <= 1


@pytest.mark.parametrize("kind", MOVING)
def test_blurring_is_deterministic_and_leaves_its_inputs(picture: F32, kind: Kind) -> None:
    before = picture.copy()
    runs = [
        blur(np.random.default_rng(12), picture, exposure(kind), MARGIN, picture[::-1])
        for _ in range(2)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))
    assert np.array_equal(picture, before)


def test_drawing_is_deterministic() -> None:
    drawn = [[sample_motion(np.random.default_rng(n)) for n in range(20)] for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 10


def test_shares_are_as_named() -> None:
    rng = np.random.default_rng(13)
    drawn = [sample_motion(rng) for _ in range(4000)]
    moving = [m for m in drawn if m.kind != "none"]
    linear = [m for m in moving if m.linear]

    def within(count: int, of: int, share: float) -> bool:
        """Four standard deviations of a binomial: a fair draw misses once in 16 000."""
        return bool(abs(count - of * share) <= 4 * (of * share * (1 - share)) ** 0.5)

    assert within(len(drawn) - len(moving), len(drawn), NONE_SHARE)
    assert within(sum(m.gray for m in drawn), len(drawn), GRAY_SHARE)
    assert within(len(linear), len(moving), LINEAR_SHARE)
    assert within(sum(m.highlights > 1 for m in linear), len(linear), HIGHLIGHT_SHARE)
    # Slight movements and the others have no extent in common: 0.4 to 2 and 3 to 36.
    assert within(sum(m.extent <= 2 for m in moving), len(drawn), SLIGHT_SHARE)
    for kind, share in KIND_SHARES.items():
        assert within(sum(m.kind == kind for m in moving), len(moving), share)
    assert sum(KIND_SHARES.values()) == pytest.approx(1)


def test_drawn_motions_can_be_taken() -> None:
    rng = np.random.default_rng(14)
    for motion in [sample_motion(rng) for _ in range(500)]:
        assert motion.kind == "none" or 0.4 <= motion.extent <= 36
        assert motion.frames % 2 == 1
        assert motion.highlights == 1 or motion.linear
