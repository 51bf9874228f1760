"""Checkpoints are imported whole and exactly, or refused in one line with nothing written."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dinplug.checkpoints import import_checkpoint, list_models, load_model, model_card
from dinplug.checkpoints.cards import ModelCard
from dinplug.checkpoints.importing import UNKNOWN_LICENCE
from dinplug.checkpoints.weights_file import LARGEST_FILE, sha256
from dinplug.errors import CheckpointError, SetupError, UsageError
from dinplug.folders import imported_folder
from dinplug.networks.din import DIN, DINSpec
from dinplug.networks.imdn import IMDNSpec
from dinplug.specs import Task
from tests.checkpoints.checkpoint_files import hostile_files, released_imdn, saved
from tests.networks import golden

CHECKPOINTS = {
    "IMDN_x2.pth": ("imdn-x2", "imdn_x2"),
    "IMDN_x3.pth": ("imdn-x3", "imdn_x3"),
    "IMDN_x4.pth": ("imdn-x4", "imdn_x4"),
    "IMDN_AS.pth": ("imdn-as", "imdn_as"),
    "MSFIN_X4.pt": ("msfin-x4", "msfin_x4"),
    "MSFIN-S_X4.pt": ("msfin-s-x4", "msfin_s_x4"),
    "rfdn_baseline.pth": ("rfdn-x4", "rfdn_x4"),
    "team14_arfdn.pth": ("arfdn-x4", "arfdn_x4"),
}


@pytest.fixture(autouse=True)
def data_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty data folder of the user's, and no bundled weights."""
    monkeypatch.setenv("DINPLUG_DATA_HOME", str(tmp_path / "home"))
    for module in ("models", "importing"):
        monkeypatch.setattr(
            f"dinplug.checkpoints.{module}.bundled_folder", lambda: tmp_path / "bundled"
        )
    return tmp_path / "home"


@pytest.fixture
def write(tmp_path: Path) -> Callable[[object], Path]:
    """Writes a checkpoint, or raw bytes, to a file."""

    def to_file(value: object) -> Path:
        file = tmp_path / "given.pth"
        file.write_bytes(value if isinstance(value, bytes) else saved(value))
        return file

    return to_file


def nothing_written(home: Path) -> bool:
    """Whether the data folder holds no file."""
    return not [path for path in home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("file", CHECKPOINTS)
def test_authors_checkpoints_are_imported_and_run(shared: Path, file: str) -> None:
    name, arrays_name = CHECKPOINTS[file]
    source = shared / "reference" / "checkpoints" / file
    report = import_checkpoint(source)
    assert (report.name, report.replaced) == (name, False)
    assert report.source_sha256 == sha256(source.read_bytes())
    model = load_model(name)
    assert model.weights_sha256 == sha256(report.weights.read_bytes())
    assert not model.network.training
    arrays, unit = golden.arrays(shared, arrays_name), model.network.value_range
    with golden.as_released():
        output = model.network(golden.picture(arrays["a_in"], unit))
    difference = golden.largest_difference(output / unit, arrays["a_out"] / unit)
    assert difference <= golden.ROUNDING
    card = model_card(name)
    assert card.source == file and card.source_sha256 == report.source_sha256
    assert "not stated" in card.licence
    assert next(m for m in list_models() if m.name == name).weights == "imported"


def test_training_checkpoints_of_din_are_imported(
    shared: Path, write: Callable[[object], Path]
) -> None:
    state = golden.weights(shared, "din_conf_tiny_x2")
    wrapped = {
        "epoch": 7,
        "state_dict": {f"module.{key}": value for key, value in state.items()},
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": []},
        "best_pred": 31.5,
        "best_epoch": 6,
        "records": {"psnr": [30.0, 31.5]},
    }
    report = import_checkpoint(write(wrapped), "my-din")
    assert (report.name, report.network, report.scale) == ("my-din", "DIN", 2)
    model = load_model("my-din")
    arrays = golden.arrays(shared, "din_conf_tiny_x2")
    with golden.as_released():
        output = model.network(golden.picture(arrays["x"]))
    # As for the golden networks themselves: random weights, outputs of deviation 5 to 9.
    assert golden.largest_difference(output, arrays["y"]) <= 5e-4


def test_other_sizes_get_a_name_of_their_own(write: Callable[[object], Path]) -> None:
    report = import_checkpoint(write(released_imdn()))
    assert report.name == f"imdn-x2-{report.source_sha256[:8]}"
    card = model_card(report.name)
    assert card.network == IMDNSpec(2, features=16, blocks=2)
    assert card.licence == UNKNOWN_LICENCE
    assert load_model(report.name).network(torch.rand(1, 3, 5, 6)).shape == (1, 3, 10, 12)
    assert load_model(task="sr", scale=2).name == report.name


def test_safetensors_with_the_authors_keys_are_imported(tmp_path: Path) -> None:
    file = tmp_path / "half.safetensors"
    save_file({key: value.half() for key, value in released_imdn().items()}, file)
    model = load_model(import_checkpoint(file).name)
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}


def test_own_weights_are_imported_by_their_card(tmp_path: Path) -> None:
    spec = DINSpec(strided=True, branches=2, depth=1, blocks=1, features=8, growth=4)
    network = DIN(spec)
    save_file(network.state_dict(), tmp_path / "mine.safetensors")
    fields = {"branches": 2, "depth": 1, "blocks": 1, "features": 8, "growth": 4, "strided": True}
    card = {"task": "dehaze", "family": "din", "spec": fields, "licence": "mine", "psnr": 21.5}
    (tmp_path / "mine.json").write_text(json.dumps(card))
    report = import_checkpoint(tmp_path / "mine.safetensors")
    assert (report.name, report.task.value) == ("mine", "dehaze")
    model = load_model(task="dehaze")
    assert model.name == "mine"
    assert model.card.notes == {"psnr": 21.5} and model.card.licence == "mine"
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(model.network(image), network.eval()(image))


def test_own_weights_must_be_the_ones_their_card_is_for(tmp_path: Path, data_home: Path) -> None:
    spec = DINSpec(strided=True, branches=2, depth=1, blocks=1, features=8, growth=4)
    file = tmp_path / "mine.safetensors"
    save_file(DIN(spec).state_dict(), file)
    card = ModelCard("mine", Task.DEHAZE, spec, "mine", weights_sha256="0" * 64)
    file.with_suffix(".json").write_text(card.to_json())
    with pytest.raises(CheckpointError, match=r"is not what mine\.json was written for"):
        import_checkpoint(file)
    assert nothing_written(data_home)
    exact = replace(card, weights_sha256=sha256(file.read_bytes()))
    file.with_suffix(".json").write_text(exact.to_json())
    assert import_checkpoint(file).name == "mine"


def test_importing_again_replaces(write: Callable[[object], Path]) -> None:
    first = import_checkpoint(write(released_imdn()), "mine")
    changed = {key: value + 1 for key, value in released_imdn().items()}
    second = import_checkpoint(write(changed), "mine")
    assert (first.replaced, second.replaced) == (False, True)
    assert load_model("mine").card.source_sha256 == second.source_sha256
    assert sorted(path.name for path in imported_folder().iterdir()) == [
        "mine.json",
        "mine.safetensors",
    ]


@pytest.mark.parametrize("form", ["bare", "legacy", "zip"])
def test_hostile_files_write_and_run_nothing(
    tmp_path: Path, data_home: Path, write: Callable[[object], Path], form: str
) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(CheckpointError, match="asks for"):
        import_checkpoint(write(hostile_files(mark)[form]))
    assert not mark.exists()
    assert nothing_written(data_home)


def changed(key: str, value: Tensor | None) -> dict[str, Tensor]:
    """A small IMDN's state dict with one tensor replaced or taken away."""
    state = released_imdn()
    if value is None:
        del state[key]
    else:
        state[key] = value
    return state


REFUSED: dict[str, tuple[object, str]] = {
    "empty": (b"", "is empty"),
    "text": (b"no weights at all", "damaged or no weights file"),
    "list": ([torch.ones(1)], "holds no state dict"),
    "nothing": ({}, "holds no state dict"),
    "numbers": ({"a": 1.5}, "holds a, which is no tensor"),
    "numbered": ({3: torch.ones(1)}, "holds 3, which is no tensor"),
    "control": ({"line\n\x1b[2J": torch.ones(2)}, r"its first key is line\?\?\[2J"),
    "foreign": ({"layer.weight": torch.ones(2, 2)}, "no network that dinplug knows"),
    "integers": (changed("LR_conv.bias", torch.ones(16).int()), "int32 values in LR_conv.bias"),
    "nan": (changed("LR_conv.bias", torch.full((16,), torch.nan)), "NaN or infinite values"),
    "infinite": (changed("c.0.bias", torch.full((16,), torch.inf)), "NaN or infinite values"),
    "shape": (changed("LR_conv.bias", torch.ones(17)), r"mismatched smooth\.bias"),
    "missing": (changed("LR_conv.bias", None), r"missing smooth\.bias"),
    "more": (changed("other.weight", torch.ones(1)), r"unexpected other\.weight"),
    "broken-safetensors": (b"\x10\0\0\0\0\0\0\0{" + b'"a": 1}     ' + bytes(9), "is damaged"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_and_nothing_written(
    data_home: Path, write: Callable[[object], Path], case: str
) -> None:
    value, message = REFUSED[case]
    with pytest.raises(CheckpointError, match=message) as caught:
        import_checkpoint(write(value))
    assert "given.pth" in str(caught.value) and "\n" not in str(caught.value)
    assert nothing_written(data_home)


def test_msfin_needs_its_strided_biases(
    shared: Path, data_home: Path, write: Callable[[object], Path]
) -> None:
    file = shared / "reference" / "checkpoints" / "MSFIN-S_X4.pt"
    state = torch.load(file, map_location="cpu", weights_only=True)
    for key in ("ds2_down.down.0.bias", "ds4_down.down1.0.bias", "ds4_down.down2.0.bias"):
        del state[key]
    with pytest.raises(CheckpointError, match=r"MSFIN-S.*missing down\.0\.bias"):
        import_checkpoint(write(state))
    assert nothing_written(data_home)


def test_huge_files_are_refused_unread(tmp_path: Path, data_home: Path) -> None:
    file = tmp_path / "huge.pth"
    with file.open("wb") as stream:
        stream.truncate(LARGEST_FILE + 1)
    with pytest.raises(CheckpointError, match="more than any network"):
        import_checkpoint(file)
    assert nothing_written(data_home)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(CheckpointError, match="is no file"):
            import_checkpoint(path)


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", "..", ".hidden", "", "UPPER", "a" * 65, "a\nb", "/etc/x", "é"]
)
def test_names_cannot_leave_the_folder(
    data_home: Path, write: Callable[[object], Path], name: str
) -> None:
    with pytest.raises(UsageError, match="cannot name a model"):
        import_checkpoint(write(released_imdn()), name)
    assert nothing_written(data_home)


def test_names_of_other_models_are_kept_for_them(write: Callable[[object], Path]) -> None:
    for name in ("din-dehaze", "msfin-x4", "imdn-x3"):
        with pytest.raises(UsageError, match="another model"):
            import_checkpoint(write(released_imdn()), name)
    assert import_checkpoint(write(released_imdn()), "imdn-x2").name == "imdn-x2"


def test_names_of_bundled_weights_are_kept(tmp_path: Path, write: Callable[[object], Path]) -> None:
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "imdn-x2.safetensors").touch()
    file = write(released_imdn())
    with pytest.raises(UsageError, match="comes with dinplug"):
        import_checkpoint(file, "imdn-x2")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert import_checkpoint(file).name == f"imdn-x2-{digest[:8]}"


def test_folders_that_cannot_be_written_are_reported(
    data_home: Path, write: Callable[[object], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(SetupError, match="No space left on device"):
        import_checkpoint(write(released_imdn()))
    assert nothing_written(data_home)


def test_cards_keep_what_they_state(write: Callable[[object], Path]) -> None:
    card = load_model(import_checkpoint(write(released_imdn()), "mine").name).card
    again = json.loads(replace(card, notes={"extra": [1, 2]}).to_json())
    assert again["extra"] == [1, 2]
    assert again["family"] == "imdn" and again["spec"]["features"] == 16
