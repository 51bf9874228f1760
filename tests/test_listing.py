"""Models, cards and imports as text."""

from pathlib import Path

from dinplug.checkpoints import ModelInfo
from dinplug.checkpoints.cards import ModelCard
from dinplug.checkpoints.importing import ImportReport
from dinplug.listing import card_text, import_text, model_table
from dinplug.networks.din import DINSpec
from dinplug.specs import Task


def info(name: str, scale: int, parameters: int, *, any_factor: bool = False) -> ModelInfo:
    return ModelInfo(
        name, Task.SR, "DIN", scale, any_factor, parameters, "none", "MIT", not any_factor
    )


def test_columns_are_aligned() -> None:
    text = model_table([info("a", 2, 1_234_567), info("longer", 1, 89, any_factor=True)])
    assert text.splitlines() == [
        "task  model   network  scale  parameters  weights  licence",
        "sr    a *     DIN      x2      1,234,567  none     MIT",
        "sr    longer  DIN      any            89  none     MIT",
    ]


def test_a_card_shows_what_is_stated() -> None:
    notes = {"data": ["photos", "haze"], "psnr": {"test": 21.5}, "remark": ""}
    card = ModelCard("x", Task.DEHAZE, DINSpec(strided=True), "MIT", notes=notes)
    values = dict(line.split(maxsplit=1) for line in card_text(card).splitlines())
    assert values["data"] == "photos, haze"
    assert values["psnr"] == "test 21.5"
    assert values["licence"] == "MIT"
    assert "remark" not in values and "source" not in values
    assert "strided True" in values["spec"]


def test_an_import_says_how_to_use_it() -> None:
    report = ImportReport(
        "m", "IMDN", Task.SR, 2, 694_404, "ab", Path("/data/m.safetensors"), False
    )
    text = import_text(report)
    assert text == (
        "imported m: IMDN for sr, x2, 694,404 parameters, in /data/m.safetensors; "
        "use it with --model m"
    )


def test_an_import_for_any_factor_says_so() -> None:
    report = ImportReport("m", "IMDN_AS", Task.SR, 1, 9, "ab", Path("m.safetensors"), False)
    assert "IMDN_AS for sr, any factor, 9 parameters" in import_text(report)
