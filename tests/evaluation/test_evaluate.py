"""Evaluating models: the published numbers with the authors' checkpoints, and the fit of pairs."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinplug.checkpoints import LoadedModel, load_model
from dinplug.checkpoints.importing import import_checkpoint
from dinplug.errors import ReadError, UsageError
from dinplug.evaluation.evaluate import Evaluation, NamedScore, load_pair, score_model, table
from dinplug.evaluation.metrics import Score
from dinplug.evaluation.pairs import Pair, find_pairs
from dinplug.evaluation.protocols import Protocol, adaptive_cropping, quarter_split

# Half a unit of the last digit the papers print; besides, outputs that differ by float32 rounding
# turn a few 8-bit samples by one level, which moves these means by less than 1e-3 dB and 5e-5.
PSNR_TOLERANCE, SSIM_TOLERANCE = 0.005 + 1e-3, 5e-5 + 5e-5

PUBLISHED = {
    "IMDN_x2": ("IMDN_x2.pth", 2, False, 38.00, 0.9605),
    "IMDN_x3": ("IMDN_x3.pth", 3, False, 34.36, 0.9270),
    "IMDN_x4": ("IMDN_x4.pth", 4, False, 32.21, 0.8948),
    "MSFIN": ("MSFIN_X4.pt", 4, False, 32.28, 0.8957),
    "MSFIN+": ("MSFIN_X4.pt", 4, True, 32.39, 0.8971),
    "MSFIN-S": ("MSFIN-S_X4.pt", 4, False, 32.08, 0.8934),
    "MSFIN-S+": ("MSFIN-S_X4.pt", 4, True, 32.18, 0.8945),
}


@pytest.fixture
def set5(shared: Path) -> Path:
    return shared / "reference" / "set5"


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DINPLUG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def imported(shared: Path, file: str) -> LoadedModel:
    return load_model(import_checkpoint(shared / "reference" / "checkpoints" / file).name)


def golden(shared: Path, row: str) -> dict[str, tuple[float, float]]:
    metrics = json.loads((shared / "reference" / "golden" / "metrics.json").read_text())
    return {
        name: (psnr, ssim)
        for name, (psnr, ssim) in metrics["set5"][row]["per_image_yfloat"].items()
    }


@pytest.mark.usefixtures("data_home")
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=[] if row == "IMDN_x2" else pytest.mark.slow, id=row)
        for row in PUBLISHED
    ],
)
def test_the_published_set5_numbers(shared: Path, set5: Path, row: str) -> None:
    file, scale, ensemble, psnr, ssim = PUBLISHED[row]
    result = score_model(
        imported(shared, file),
        find_pairs(set5 / "HR", set5 / f"LRx{scale}", scale),
        ensemble=ensemble,
    )
    assert len(result.images) == 5
    assert result.psnr == pytest.approx(psnr, abs=PSNR_TOLERANCE)
    assert result.ssim == pytest.approx(ssim, abs=SSIM_TOLERANCE)


@pytest.mark.usefixtures("data_home")
@pytest.mark.parametrize(
    ("file", "row", "protocol", "ensemble", "names"),
    [
        ("MSFIN-S_X4.pt", "MSFIN-S_x4 chop10", None, False, ["butterfly", "woman"]),
        ("MSFIN-S_X4.pt", "MSFIN-S_x4", "whole", False, ["butterfly"]),
        ("team14_arfdn.pth", "ARFDN_x4", None, False, ["bird", "butterfly"]),
        ("rfdn_baseline.pth", "RFDN_x4", None, False, ["butterfly"]),
        ("IMDN_x4.pth", "IMDN_x4 x8", None, True, ["butterfly"]),
    ],
)
def test_single_pictures_score_as_the_released_code(
    shared: Path,
    set5: Path,
    file: str,
    row: str,
    protocol: str | None,
    ensemble: bool,
    names: list[str],
) -> None:
    expected = golden(shared, row)
    pairs = [Pair(name, set5 / f"HR/{name}.png", set5 / f"LRx4/{name}.png") for name in names]
    result = score_model(imported(shared, file), pairs, protocol=protocol, ensemble=ensemble)
    for image in result.images:
        # Outputs agree to 1e-4 of the range before rounding, so that few of the 8-bit samples
        # differ, each by one level: at 35 dB that moves the PSNR by less than 1e-3 dB.
        assert image.score.psnr == pytest.approx(expected[image.name][0], abs=1e-3)
        assert image.score.ssim == pytest.approx(expected[image.name][1], abs=1e-4)


@pytest.mark.usefixtures("data_home")
def test_a_reduced_picture_is_the_published_one(shared: Path, set5: Path) -> None:
    model = imported(shared, "IMDN_x4.pth")
    clean, small = set5 / "HR" / "woman.png", set5 / "LRx4" / "woman.png"
    made, read = (
        score_model(model, [Pair("woman", clean, degraded)]) for degraded in (None, small)
    )
    assert made.images[0].score == read.images[0].score


@pytest.mark.usefixtures("data_home")
@pytest.mark.parametrize(
    ("file", "arrays", "seen", "wanted", "way"),
    [
        ("MSFIN_X4.pt", "msfin_x4", "chop_in", "chop_out_shave10", quarter_split),
        ("MSFIN-S_X4.pt", "msfin_s_x4", "chop_in", "chop_out_shave10", quarter_split),
        ("IMDN_AS.pth", "imdn_as", "acs_in", "acs_out_shave32", adaptive_cropping),
        (
            "IMDN_AS.pth",
            "imdn_as",
            "acs_in",
            "acs_out_shave8",
            partial(adaptive_cropping, padding=8),
        ),
    ],
    ids=["MSFIN", "MSFIN-S", "IMDN_AS", "IMDN_AS pad 8"],
)
def test_published_ways_give_the_released_pixels(
    shared: Path, file: str, arrays: str, seen: str, wanted: str, way: Protocol
) -> None:
    network = imported(shared, file).network
    golden_arrays = np.load(shared / "reference" / "golden" / f"{arrays}.npz")
    picture = torch.from_numpy(golden_arrays[seen]).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        result = way(network, picture * (network.value_range / 255))
    difference = np.abs(result[0].numpy() - golden_arrays[wanted]).max() / network.value_range
    assert difference < 1e-4  # the reference data's own bound, on the scale 0..1


def picture(path: Path, width: int, height: int) -> Path:
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def test_the_clean_picture_is_cropped_to_a_multiple(tmp_path: Path) -> None:
    clean = picture(tmp_path / "a.png", 35, 31)
    degraded, cropped = load_pair(Pair("a", clean, None), 4, enlarged=False)
    assert (degraded.shape, cropped.shape) == ((7, 8, 3), (28, 32, 3))
    np.testing.assert_array_equal(cropped, np.asarray(Image.open(clean))[:28, :32])


@pytest.mark.parametrize("factor", [2.0, 2.5])
def test_models_of_any_factor_get_the_clean_size(tmp_path: Path, factor: float) -> None:
    clean = picture(tmp_path / "a.png", 40, 30)
    small = picture(tmp_path / "s.png", round(40 / factor), round(30 / factor))
    for degraded in (None, small, picture(tmp_path / "full.png", 40, 30)):
        seen, truth = load_pair(Pair("a", clean, degraded), factor, enlarged=True)
        assert seen.shape == truth.shape == (30, 40, 3)


def test_sizes_that_do_not_fit_are_told(tmp_path: Path) -> None:
    clean, small = picture(tmp_path / "a.png", 40, 30), picture(tmp_path / "s.png", 20, 14)
    with pytest.raises(ReadError, match=r"s\.png: is 20x14, and a\.png at scale 2 needs 20x15"):
        load_pair(Pair("a", clean, small), 2, enlarged=False)
    with pytest.raises(ReadError, match="needs 20x15"):
        load_pair(Pair("a", clean, small), 2, enlarged=True)
    with pytest.raises(ReadError, match="too small to be reduced"):
        load_pair(Pair("a", picture(tmp_path / "t.png", 3, 3), None), 4, enlarged=False)


@pytest.mark.usefixtures("tiny_models")
class TestTinyModels:
    def test_restoration_is_scored_at_one_scale(self, tmp_path: Path) -> None:
        clean, hazy = picture(tmp_path / "a.png", 30, 22), picture(tmp_path / "h.png", 30, 22)
        result = score_model(load_model("tiny-dehaze"), [Pair("a", clean, hazy)])
        assert result.scale == 1 and 0 < result.psnr < 30

    def test_degraded_pictures_must_come_from_somewhere(self, tmp_path: Path) -> None:
        pair = Pair("a", picture(tmp_path / "a.png", 30, 22), None)
        with pytest.raises(UsageError, match=r"tiny-dehaze: say where .* --lr"):
            score_model(load_model("tiny-dehaze"), [pair])
        with pytest.raises(UsageError, match=r"tiny-as: say how many times .* --scale"):
            score_model(load_model("tiny-as"), [pair])

    def test_any_factor_is_measured_on_rgb_with_the_given_scale(self, tmp_path: Path) -> None:
        pair = Pair("a", picture(tmp_path / "a.png", 33, 26), None)
        result = score_model(load_model("tiny-as"), [pair], scale=2.5)
        assert result.as_json()["scale"] == 2.5

    def test_pictures_too_small_for_ssim_are_told(self, tmp_path: Path) -> None:
        pair = Pair("a", picture(tmp_path / "a.png", 14, 14), None)
        with pytest.raises(ReadError, match=r"a\.png: too small to be scored"):
            score_model(load_model("tiny-x2"), [pair])

    def test_scores_are_told_as_they_come(self, tmp_path: Path) -> None:
        pair = Pair("a", picture(tmp_path / "a.png", 32, 32), None)
        told: list[str] = []
        result = score_model(
            load_model("tiny-x2"), [pair], on_score=lambda named: told.append(named.name)
        )
        assert told == ["a"]
        assert [line.split()[0] for line in table(result).splitlines()] == ["tiny-x2", "a", "mean"]


def test_a_perfect_score_is_null_in_json() -> None:
    perfect = Evaluation("m", 2.0, (NamedScore("a", Score(float("inf"), 1.0)),))
    assert json.loads(json.dumps(perfect.as_json()))["psnr"] is None
