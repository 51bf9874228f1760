"""Benchmark sets are found, read and scored; clean photos are measured on their own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinplug.checkpoints import load_model
from dinplug.errors import ReadError, UsageError
from dinplug.evaluation.bench import score_clean, score_input, score_method, score_sets
from dinplug.evaluation.metrics import U8Image, psnr
from dinplug.evaluation.sets import BENCH_SETS, Sample, read_clean, read_samples, sets_at_hand
from dinplug.specs import Task

RAIN100H, TEST100 = (
    next(one for one in BENCH_SETS if one.name == name) for name in ("rain100h", "test100")
)


def picture(file: Path, width: int, height: int, seed: int) -> U8Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).save(file)
    return noise


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Two rain sets, one of the halved kind, a haze set, and a clean photo."""
    for number in (1, 2):
        for side in ("gt", "in"):
            picture(tmp_path / f"rain/rain100h/{side}/{number}.png", 20, 16, number)
    picture(tmp_path / "rain/test100/004.png", 36, 15, 4)
    picture(tmp_path / "haze/sots_indoor/gt/1404.png", 20, 16, 5)
    picture(tmp_path / "haze/sots_indoor/hazy/1404_1.png", 20, 16, 6)
    picture(tmp_path / "haze/sots_indoor/hazy/1404_9.png", 20, 16, 7)
    picture(tmp_path / "sr/cc0/city.png", 27, 26, 8)
    return tmp_path


def test_only_sets_at_hand_are_taken(bench: Path, tmp_path: Path) -> None:
    assert [one.name for one, _ in sets_at_hand(Task.DERAIN, bench)] == ["rain100h", "test100"]
    picture(tmp_path / "five/HR/baby.png", 24, 24, 9)
    named = sets_at_hand(Task.SR, bench, tmp_path / "five")
    assert [one.name for one, _ in named] == ["set5", "cc0"]
    with pytest.raises(UsageError, match="holds no set for deblur, such as blur/gopro"):
        sets_at_hand(Task.DEBLUR, bench)


def test_the_right_half_is_the_rainy_one(bench: Path) -> None:
    (sample,) = read_samples(TEST100, bench / "rain/test100")
    both = np.asarray(Image.open(bench / "rain/test100/004.png"))
    np.testing.assert_array_equal(sample.clean, both[:, :18])
    np.testing.assert_array_equal(sample.degraded, both[:, 18:])
    picture(bench / "rain/test100/005.png", 35, 15, 4)
    with pytest.raises(ReadError, match=r"005\.png: is 35 wide"):
        read_samples(TEST100, bench / "rain/test100")


def test_a_limit_takes_the_first_pictures(bench: Path) -> None:
    samples = read_samples(RAIN100H, bench / "rain/rain100h", limit=1)
    assert [sample.name for sample in samples] == ["1"]


def test_clean_sides_count_once_and_with_the_photos(bench: Path) -> None:
    assert [name for name, _ in read_clean(Task.DEHAZE, bench)] == [
        "sots_indoor/1404",
        "cc0/city",
    ]
    names, pictures = zip(*read_clean(Task.DERAIN, bench), strict=True)
    assert names == ("rain100h/1", "rain100h/2", "test100/004", "cc0/city")
    assert pictures[2].shape == (15, 18, 3)


def test_means_and_the_worst_gain() -> None:
    clean = np.full((16, 16, 3), 100, np.uint8)
    samples = [Sample(name, clean + np.uint8(off), clean) for name, off in (("a", 10), ("b", 20))]
    given = score_input(Task.DEHAZE, 1, samples)
    result = score_method(given, lambda degraded: degraded - np.uint8(5))
    errors = {off: 20 * np.log10(255 / off) for off in (5, 10, 15, 20)}
    assert result.input.psnr == pytest.approx((errors[10] + errors[20]) / 2)
    assert result.gain == pytest.approx((errors[5] + errors[15] - errors[10] - errors[20]) / 2)
    assert result.worst_gain == pytest.approx(errors[15] - errors[20])
    assert result.as_json()["worst_picture"] == "b"


def test_displaced_pictures_are_registered_each_by_itself() -> None:
    clean = np.random.default_rng(0).integers(0, 256, (40, 44, 3), dtype=np.uint8)
    given = score_input(Task.DEBLUR, 1, [Sample("a", np.roll(clean, (2, -3), (0, 1)), clean)], 3)
    assert given.mean.psnr == np.inf
    plain = score_input(Task.DEBLUR, 1, given.samples)
    assert plain.mean.psnr < 10
    back = score_method(given, lambda degraded: np.roll(degraded, (-2, 3), (0, 1)))
    assert back.restored.psnr == np.inf
    too_far = score_method(given, lambda degraded: np.roll(degraded, (2, 0), (0, 1)))
    assert too_far.restored.psnr < 10


def test_a_registered_set_adds_no_clean_photos(bench: Path) -> None:
    picture(bench / "blur/levin/sharp/im1.png", 40, 30, 9)
    picture(bench / "blur/levin/blur/im1_kernel1_img.png", 40, 30, 9)
    assert [one.name for one, _ in sets_at_hand(Task.DEBLUR, bench)] == [
        "levin",
        "levin-registered",
    ]
    names = [name for name, _ in read_clean(Task.DEBLUR, bench)]
    assert names == ["levin/im1", "cc0/city"]


def test_super_resolution_is_held_against_bicubic(bench: Path) -> None:
    cc0 = next(one for one in BENCH_SETS if one.name == "cc0")
    given = score_input(Task.SR, 2, read_samples(cc0, bench / "sr/cc0", 2))
    assert given.border == 2
    assert given.samples[0].degraded.shape == (13, 13, 3)
    assert given.samples[0].clean.shape == (26, 26, 3)
    assert given.mean.psnr < 30


@pytest.mark.usefixtures("tiny_models")
def test_models_are_scored_on_every_set_of_their_task(bench: Path) -> None:
    model = load_model("tiny-derain")
    results = score_sets(model, bench)
    assert {name: result.pictures for name, result in results.items()} == {
        "rain100h": 2,
        "test100": 1,
    }
    clean = score_clean(model, bench, limit=1)
    assert clean.pictures == 3 and clean.worst <= clean.psnr
    assert score_sets(load_model("tiny-as"), bench) == {}


def test_input_scores_are_those_of_the_data_set(shared: Path) -> None:
    folder = shared / "data/bench/rain/rain100h"
    samples = read_samples(RAIN100H, folder)
    given = score_input(Task.DERAIN, 1, samples)
    assert len(samples) == 18
    # What the data set's own notes say, to two decimals: 13.56 on luma, 12.15 on RGB.
    assert given.mean.psnr == pytest.approx(13.56, abs=0.005)
    on_rgb = np.mean([psnr(one.degraded, one.clean) for one in samples])
    assert on_rgb == pytest.approx(12.15, abs=0.005)
