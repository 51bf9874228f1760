"""What Krita gets is what `dinplug restore` makes, for every task and every kind of layer."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.end_to_end.krita import pictures
from tests.end_to_end.krita.conftest import Report, RunKrita
from tests.end_to_end.krita.pictures import GREY, LINEAR, LINEAR_GREY, SRGB

pytestmark = pytest.mark.hosts
WIDTH, HEIGHT = 92, 70
Colours = tuple[str, str, str]
U8: Colours = ("RGBA", "U8", SRGB)
U16: Colours = ("RGBA", "U16", SRGB)
F32: Colours = ("RGBA", "F32", LINEAR)
GREY16: Colours = ("GRAYA", "U16", GREY)


@dataclass(frozen=True)
class Case:
    """A layer, and what is done to it. Rectangles are (x, y, width, height)."""

    task: str
    layer: Colours
    document: Colours | None = None
    canvas: tuple[int, int] = (WIDTH, HEIGHT)
    place: tuple[int, int, int, int] = (0, 0, WIDTH, HEIGHT)
    region: tuple[int, int, int, int] = (0, 0, WIDTH, HEIGHT)
    parameters: dict[str, Any] = field(default_factory=dict)
    selection: tuple[tuple[int, int, int, int], int] | None = None
    alpha: str = "opaque"
    parent: str = ""
    locked: bool = False
    ppi: float = 300.0
    undo: bool = True

    @property
    def channels(self) -> int:
        """Samples of a pixel."""
        return 4 if self.layer[0] == "RGBA" else 2

    @property
    def wish(self) -> dict[str, Any]:
        """All parameters to set: a dialog shows those that were used last."""
        first = {"scale": 2} if self.task == "sr" else {}
        return {**first, "strength": 1.0, **self.parameters}

    @property
    def options(self) -> list[str]:
        """The same wish on the command line."""
        return ["--task", self.task, *(f"--{key}={value}" for key, value in self.wish.items())]


HAZE = Case("dehaze", U16)
SELECTED = ((20, 15, 40, 30), 0)
SOFT = ((20, 15, 40, 30), 8)
CASES = {
    **{
        f"{task}-{colours[1]}": Case(task, colours)
        for task in ("sr", "deblur", "derain", "dehaze")
        for colours in (U8, U16, F32)
    },
    "half": Case("dehaze", ("RGBA", "F16", LINEAR)),
    "float-encoded": Case("derain", ("RGBA", "F32", SRGB)),
    "linear-U16": Case("dehaze", ("RGBA", "U16", LINEAR)),
    "wide-gamut": Case("dehaze", ("RGBA", "U16", "ClayRGB-elle-V2-g22.icc")),
    "grey-U8": Case("derain", ("GRAYA", "U8", GREY)),
    "grey-U16": Case("dehaze", GREY16),
    "grey-F32": Case("deblur", ("GRAYA", "F32", LINEAR_GREY)),
    "grey-sr": Case("sr", GREY16, parameters={"scale": 3}, ppi=72.0),
    "strength": replace(HAZE, parameters={"strength": 0.5}),
    "clear": replace(HAZE, alpha="soft"),
    "small": replace(HAZE, canvas=(120, 100), place=(17, 9, WIDTH, HEIGHT),
                     region=(17, 9, WIDTH, HEIGHT)),
    "beyond": replace(HAZE, canvas=(60, 50), place=(-11, -7, WIDTH, HEIGHT),
                      region=(0, 0, 60, 50)),
    "other-colours": replace(HAZE, document=("RGBA", "F32", LINEAR), layer=GREY16),
    "in-a-locked-group": replace(HAZE, parent="inside", locked=True),
    "group": replace(HAZE, parent="active"),
    "selection-U8": Case("dehaze", U8, selection=SELECTED),
    "soft-U8": Case("dehaze", U8, selection=SOFT),
    "soft-U16": Case("derain", U16, selection=SOFT),
    "soft-F16": Case("derain", ("RGBA", "F16", LINEAR), selection=SOFT),
    "soft-F32-clear": Case("derain", F32, selection=SOFT, alpha="soft"),
    "soft-sr": Case("sr", U8, selection=SOFT),
}  # fmt: skip


KRITAS = {
    "5.1": list(CASES),
    "5.2": ["sr-U8", "derain-U8", "dehaze-U16", "deblur-F32", "half", "grey-U16", "soft-U16"],
}
"""The versions, and which cases each does."""


@dataclass(frozen=True)
class Run:
    """What one Krita did: its report, and the folder of its pixels."""

    report: Report
    folder: Path


@pytest.fixture(scope="module")
def run(
    request: pytest.FixtureRequest,
    run_krita: RunKrita,
    krita_options: dict[str, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """All cases of a version, done by one Krita."""
    folder = tmp_path_factory.mktemp("cases")
    job = {}
    for name in KRITAS[request.param]:
        case = CASES[name]
        samples = pictures.picture(case.layer[1], case.channels, WIDTH, HEIGHT, case.alpha)
        (folder / f"{name}.pixels").write_bytes(pictures.swapped(samples).tobytes())
        job[name] = {
            **asdict(case),
            "document": case.document or case.layer,
            "parameters": case.wish,
            "pixels": f"{name}.pixels",
        }
    return Run(run_krita("cases", folder, {"cases": job}, *krita_options[request.param]), folder)


def each(*, enlarged: bool | None = None) -> pytest.MarkDecorator:
    """Every case of every version: all, or those that make a document, or those that do not."""
    pairs = [
        (version, name)
        for version, names in KRITAS.items()
        for name in names
        if enlarged in (None, CASES[name].task == "sr")
    ]
    return pytest.mark.parametrize(("run", "name"), pairs, indirect=["run"], scope="module")


def samples_of(name: str, what: str, folder: Path) -> pictures.Samples:
    """The layer's samples in the region ("source"), or those of the result."""
    case = CASES[name]
    width, height = case.region[2:]
    if case.task == "sr" and what == "result":
        scale = case.wish["scale"]
        width, height = width * scale, height * scale
    path = folder / f"{name}.{what}"
    return pictures.read(path, case.layer[1], case.channels, (width, height))


@each()
def test_the_result_is_that_of_the_command_line(run: Run, name: str, tmp_path: Path) -> None:
    case, told, folder = CASES[name], run.report[name], run.folder
    assert not told["problem"]
    source, result = (samples_of(name, what, folder) for what in ("source", "result"))
    assert told["source_kept"]
    expected = pictures.restored(source, case.layer[2], tmp_path, *case.options)
    assert expected.shape == result.shape
    mask = np.full(result.shape[:2], 255, np.uint8)
    if case.selection and case.task != "sr":
        mask = np.frombuffer((folder / f"{name}.mask").read_bytes(), np.uint8)
        mask = mask.reshape(result.shape[:2])
        assert 0 in mask and 255 in mask
        assert (len(np.unique(mask)) > 2) == (case.selection == SOFT)
    chosen = mask > 0
    # Where nothing is selected the new layer is clear, whatever its colours.
    difference = result[..., :-1].astype(float) - expected[..., :-1].astype(float)
    assert np.abs(difference[chosen]).max() <= (1 if case.layer[1] == "U8" else 0)
    alpha = expected[..., -1].astype(np.float64) * mask / 255
    tolerance = {"U8": 0.5, "U16": 0.5, "F16": 2**-11, "F32": 2**-23}[case.layer[1]]
    assert np.abs(result[..., -1] - alpha).max() <= tolerance
    assert case.task == "sr" or not np.array_equal(result[chosen], source[chosen])


@each(enlarged=False)
def test_it_is_a_layer_above_in_one_step_of_undo(run: Run, name: str) -> None:
    case, told = CASES[name], run.report[name]
    title = {"deblur": "Deblur", "derain": "Derain", "dehaze": "Dehaze"}[case.task]
    layer = told["layer"]
    assert layer["name"] == f"{title} (din-{case.task}-small)"
    assert (layer["model"], layer["depth"], layer["profile"]) == case.layer
    assert told["is_above"] and told["active"] == layer["name"]
    assert told["undone"]
    redone, result = (run.folder / f"{name}.{what}" for what in ("redone", "result"))
    assert redone.read_bytes() == result.read_bytes()


@each(enlarged=True)
def test_super_resolution_opens_a_document(run: Run, name: str) -> None:
    case, told = CASES[name], run.report[name]
    new, scale = told["new"], case.wish["scale"]
    assert new["size"] == [side * scale for side in case.canvas]
    assert (new["model"], new["depth"], new["profile"]) == case.layer
    assert new["ppi"] == case.ppi and new["resolution"] == round(case.ppi)
    assert new["is_active"] and new["modified"]
    assert told["layer"]["name"] == f"Super-resolution (imdn-x{scale})"
    assert told["kept"]


@each()
def test_the_preview_is_what_the_canvas_shows_afterwards(run: Run, name: str) -> None:
    case = CASES[name]
    width, height = run.report[name]["preview"]
    assert width > 50 and height > 40
    preview, final = (
        np.frombuffer((run.folder / f"{name}.{what}").read_bytes(), np.uint8).astype(float)
        for what in ("preview", "final")
    )
    preview, final = (shown.reshape(height, width, 4) for shown in (preview, final))
    # Where pixels are mixed, or colours converted twice, Krita and Qt round differently.
    is_plain = not case.selection and case.alpha == "opaque" and case.document is None
    colours = [shown[..., :3] * shown[..., 3:] / 255 for shown in (preview, final)]
    assert np.abs(colours[0] - colours[1]).max() <= (0 if is_plain else 2)
    assert np.abs(preview[..., 3] - final[..., 3]).max() <= (0 if is_plain else 2)
