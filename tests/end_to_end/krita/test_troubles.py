"""Krita survives whatever happens, says so in a sentence, and no layer is added."""

import json
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from dinplug.hosts.protocol import PROTOCOL
from tests.end_to_end.krita import pictures
from tests.end_to_end.krita.conftest import Report, RunKrita
from tests.end_to_end.krita.pictures import SRGB

pytestmark = pytest.mark.hosts
SIZES = {"small": (96, 64), "other": (80, 60), "wide": (640, 520), "large": (640, 480)}
DERAINED = ["Background", "Derain (din-derain-small)"]
DEHAZED = ["Background", "Dehaze (din-dehaze-small)"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("troubles")


def false_python(folder: Path, name: str, code: str) -> str:
    """A program that is started like dinplug's interpreter and runs `code` instead."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.fixture(scope="module")
def report(run_krita: RunKrita, folder: Path) -> Report:
    """Everything, in one Krita."""
    job: dict[str, object] = {}
    for which, size in SIZES.items():
        path = folder / f"{which}.pixels"
        path.write_bytes(pictures.swapped(pictures.picture("U8", 4, *size)).tobytes())
        job[which] = {"size": size, "pixels": str(path)}
    welcome = {"id": 1, "answer": "result", "protocol": PROTOCOL + 8, "dinplug": "9.9"}
    newer = f"print({json.dumps(welcome)!r}, flush=True)\ninput()\ninput()"
    job["newer"] = false_python(folder, "newer", newer)
    job["broken"] = false_python(folder, "broken", "raise ImportError('no torch here')")
    return run_krita("troubles", folder, job)


def test_a_missing_worker(report: Report) -> None:
    said = report["missing"]["said"]
    assert said.startswith("Dinplug's Python /nowhere/bin/python is not there any more")
    assert "dinplug plugin install krita" in said


def test_a_worker_of_another_version(report: Report) -> None:
    said = report["other_version"]["said"]
    assert f"(protocol {PROTOCOL})" in said and f"9.9 (protocol {PROTOCOL + 8})" in said
    assert "dinplug plugin install" in said


def test_a_worker_that_does_not_start(report: Report) -> None:
    found = report["broken"]
    assert "did not start" in found["said"] and "no torch here" in found["said"]
    assert "Traceback" not in found["said"]
    assert "Traceback" in found["detail"] and found["shows detail"]
    assert found["copied"] == f"{found['said']}\n\n{found['detail']}".strip()


@pytest.mark.parametrize("case", ["missing", "other_version", "broken"])
def test_the_same_dialog_works_once_the_worker_does(case: str, report: Report) -> None:
    assert report[case]["layers"] == ["Background"]
    assert report[case]["after"] == DERAINED


def test_cancel_in_mid_run(report: Report) -> None:
    found = report["cancelled"]
    assert found["status"].startswith("Dehaze: ") and "%" in found["status"]
    assert found["enabled"] == [False, False] and found["after"] == [True, True]
    assert found["said"] == "Cancelled."
    assert found["lives"] and not found["previews"]
    assert found["layers"] == found["layers at last"] == ["Background"]


def test_a_worker_killed_in_mid_run(report: Report) -> None:
    found = report["killed"]
    assert found["said"] == (
        "Dinplug's worker was killed by signal 9 in the middle of its work: nothing was changed."
    )
    assert found["layers"] == ["Background"]
    assert found["after"] == DEHAZED


def test_a_document_closed_in_mid_run(report: Report) -> None:
    found = report["closed"]
    assert found["said"] == "The picture was closed in the meantime: nothing was added."
    assert not found["restores"]
    assert found["layers"] == ["Background"]
    assert found["documents"] == 0


def test_two_documents_at_once(report: Report, folder: Path, tmp_path: Path) -> None:
    found = report["two_documents"]
    assert found["workers"] == 2 and found["at once"] == ["restoring", "restoring"]
    assert found["layers"] == [DERAINED, DERAINED]
    for which in ("small", "other"):
        expected = pictures.restored(
            pictures.picture("U8", 4, *SIZES[which]), SRGB, tmp_path, "--task", "derain"
        )
        result = pictures.read(folder / f"two-{which}.result", "U8", 4, SIZES[which])
        assert np.abs(result.astype(int) - expected).max() <= 1


def test_a_layer_that_was_changed_meanwhile_is_restored_as_it_is(
    report: Report, folder: Path, tmp_path: Path
) -> None:
    source, result = (
        pictures.read(folder / f"edited.{what}", "U8", 4, SIZES["small"])
        for what in ("source", "result")
    )
    assert not np.array_equal(source, pictures.picture("U8", 4, *SIZES["small"]))
    wish = ["--task", "derain", "--strength", "0.7"]
    expected = pictures.restored(source, SRGB, tmp_path, *wish)
    assert np.abs(result.astype(int) - expected).max() <= 1
    remembered = {"strength": 0.7, "model": "", "device": "auto", "ensemble": False}
    assert report["edited"]["remembered"] == remembered


def test_the_preview_of_another_part_is_what_is_there_afterwards(report: Report) -> None:
    found = report["compared"]
    assert found["moved"] == [60, 35]
    assert found["divider"] == 50
    assert found["size"][:2] == found["size"][2:]
    assert found["equal"] and found["differs"]


def test_one_worker_is_kept_and_ends_when_told(report: Report) -> None:
    assert report["let_go"]["kept"] == 1
    assert "Traceback" not in report["stderr"]
