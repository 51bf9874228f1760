"""Where Krita shows the entries, when they can be used, and what is refused."""

import pytest

from dinplug.hosts.manifest import load_manifest
from tests.end_to_end.krita.conftest import Report, RunKrita

pytestmark = pytest.mark.hosts
TASKS = [task["id"] for task in load_manifest()["tasks"]]
REFUSALS = {
    "no document": "No picture is open: open one first.",
    "empty": 'The layer "empty" is empty: choose the layer with the picture.',
    "outside": 'The layer "outside" is empty: choose the layer with the picture.',
    "hidden": 'The layer "hidden" is hidden: show it and its groups first.',
    "in a hidden group": 'The layer "child" is hidden: show it and its groups first.',
    **{
        model: f'The layer "{model}" is {name}, and dinplug restores RGB and grey: convert the '
        "layer or a copy of it first."
        for model, name in [
            ("CMYKA", "CMYK"), ("LABA", "L*a*b*"), ("XYZA", "XYZ"), ("YCbCrA", "YCbCr")
        ]
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=["5.1", "5.2"])
def report(
    request: pytest.FixtureRequest,
    run_krita: RunKrita,
    krita_options: dict[str, list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Report:
    folder = tmp_path_factory.mktemp("menus")
    return run_krita("menus", folder, {"tasks": TASKS}, *krita_options[request.param])


@pytest.mark.parametrize("task", TASKS)
def test_each_task_is_in_filter_enhance(task: str, report: Report) -> None:
    assert report["places"][task] == [["Filter", "Enhance"]]


def test_entries_need_an_image(report: Report) -> None:
    # The scenario waits until they cannot be used, before there is an image and after.
    assert report["with"] == [True] * len(TASKS)


def test_one_layer_has_one_dialog_a_task(report: Report) -> None:
    assert report["dialogs for one layer"] == 1


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_restored_is_refused_in_a_sentence(case: str, report: Report) -> None:
    assert report[case] == REFUSALS[case]


def test_a_mask_stands_for_its_layer(report: Report) -> None:
    is_layer, title, is_projection, is_masked = report["mask"]
    assert is_layer and is_projection and is_masked
    assert title == "Dehaze - Background"


def test_nothing_is_left_behind(report: Report) -> None:
    assert report["documents left"] == 1
    assert "Traceback" not in report["stderr"]
