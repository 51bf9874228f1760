"""Models are found by name, task and scale; damaged weights are refused in one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dinplug.checkpoints import list_models, load_model, load_weights, model_card
from dinplug.checkpoints.cards import LARGEST_CARD, read_card
from dinplug.checkpoints.fitting import count_parameters, network_with
from dinplug.errors import CheckpointError, SetupError, UsageError
from dinplug.folders import imported_folder
from dinplug.networks.din import DIN, DINSpec
from dinplug.networks.imdn import IMDN, IMDNSpec
from dinplug.networks.stages import StagedNetwork, total_parameters
from dinplug.specs import MODELS, NetworkSpec, Task, family_of, spec_fields

SMALL_IMDN = IMDNSpec(2, features=16, blocks=1)
SMALL_DIN = DINSpec(strided=True, branches=2, depth=1, blocks=1, features=8, growth=4)


@pytest.fixture(autouse=True)
def bundled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of bundled weights, and an empty data folder of the user's."""
    monkeypatch.setenv("DINPLUG_DATA_HOME", str(tmp_path / "home"))
    folder = tmp_path / "bundled"
    folder.mkdir()
    monkeypatch.setattr("dinplug.checkpoints.models.bundled_folder", lambda: folder)
    return folder


def put(folder: Path, name: str, spec: NetworkSpec, network: StagedNetwork, **card: object) -> Path:
    """Write a network's weights and their card."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.safetensors"
    save_file({key: value.half() for key, value in network.state_dict().items()}, file)
    stated = {"family": family_of(spec).name, "task": "sr", "spec": spec_fields(spec)}
    file.with_suffix(".json").write_text(json.dumps(stated | card))
    return file


def put_imdn(folder: Path, name: str = "imdn-x2", **card: object) -> Path:
    """Write a small IMDN."""
    torch.manual_seed(0)
    return put(folder, name, SMALL_IMDN, IMDN(SMALL_IMDN), **card)


def test_without_weights_every_model_says_what_to_do() -> None:
    for wish in ({"name": "din-derain"}, {"task": "derain"}, {"task": Task.SR, "scale": 2.5}):
        with pytest.raises(SetupError, match=r"dinplug models import.*dinplug train"):
            load_model(**wish)
    assert {model.weights for model in list_models()} == {"none"}


def test_half_precision_weights_load_as_float32(bundled: Path) -> None:
    put_imdn(bundled)
    model = load_model("imdn-x2")
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}
    assert not model.network.training
    torch.manual_seed(0)
    original = IMDN(SMALL_IMDN).half().float().eval()
    image = torch.rand(1, 3, 6, 7)
    with torch.no_grad():
        assert torch.equal(model.network(image), original(image))


def test_cards_decide_the_size(bundled: Path) -> None:
    put(bundled, "din-dehaze", SMALL_DIN, DIN(SMALL_DIN), task="dehaze")
    info = next(m for m in list_models() if m.name == "din-dehaze")
    assert info.parameters == total_parameters(DIN(SMALL_DIN))
    assert (info.weights, info.scale, info.task) == ("bundled", 1, Task.DEHAZE)
    assert load_model(task="dehaze").name == "din-dehaze"


def test_cards_may_leave_out_what_the_table_knows(bundled: Path) -> None:
    file = put_imdn(bundled)
    file.with_suffix(".json").write_text(json.dumps({"spec": spec_fields(SMALL_IMDN)}))
    model = load_model("imdn-x2")
    assert model.task is Task.SR and model.card.paper == MODELS["imdn-x2"].paper


def test_the_default_comes_first_then_any_with_weights(bundled: Path) -> None:
    put_imdn(imported_folder(), "another")
    assert load_model(task="sr", scale=2).name == "another"
    put_imdn(bundled, "imdn-x2")
    assert load_model(task="sr", scale=2).name == "imdn-x2"
    assert load_model(task="sr").name == "imdn-x2"


def test_imdn_as_serves_every_factor_nothing_else_does(bundled: Path) -> None:
    spec = IMDNSpec(1, adaptive=True, features=16, blocks=1)
    put(bundled, "imdn-as", spec, IMDN(spec))
    put_imdn(bundled)
    model = load_model(task="sr", scale=2.7)
    assert (model.name, model.any_factor, model.scale) == ("imdn-as", True, 1)
    assert load_model(task="sr", scale=2).name == "imdn-x2"
    assert load_model("imdn-as", scale=3.3).name == "imdn-as"


def test_bundled_weights_come_before_imported_ones(bundled: Path) -> None:
    put_imdn(imported_folder(), licence="theirs")
    assert load_model("imdn-x2").card.licence == "theirs"
    put_imdn(bundled, licence="ours")
    assert load_model("imdn-x2").card.licence == "ours"


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"name": "resnet"}, "no model is named 'resnet'"),
        ({"task": "colour"}, "choose one of sr, deblur, derain, dehaze"),
        ({"task": "dehaze", "scale": 4}, "no model is for dehaze x4"),
        ({"name": "imdn-x2", "scale": 3}, "enlarges by 2, not 3"),
        ({"name": "imdn-x2", "task": "dehaze"}, "is for sr, not dehaze"),
        ({}, "name a model or a task"),
    ],
)
def test_impossible_wishes_are_refused(wish: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_model(**wish)  # type: ignore[arg-type]


def test_cards_without_weights_come_from_the_table() -> None:
    card = model_card("msfin-x4")
    assert (card.title, card.protocol, card.weights_sha256) == ("MSFIN", "quarter-split", None)
    with pytest.raises(UsageError, match="no model is named"):
        model_card("nothing")


def test_weights_that_were_changed_are_refused(bundled: Path) -> None:
    put_imdn(bundled, weights_sha256="0" * 64)
    with pytest.raises(CheckpointError, match="not what its card was written for"):
        load_model("imdn-x2")


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_truncated_weights_are_refused(bundled: Path, length: int) -> None:
    file = put_imdn(bundled)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"imdn-x2\.safetensors is (damaged|empty)"):
        load_model("imdn-x2")


def test_weights_of_another_size_are_refused(bundled: Path) -> None:
    file = put_imdn(bundled)
    card = {"spec": spec_fields(IMDNSpec(2, features=16, blocks=2))}
    file.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=r"does not fit its card: missing blocks\.1"):
        load_model("imdn-x2")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "nonsense", '{"spec": {"scale": 9}}', '{"spec": 3}', "[" * 100_000]
)
def test_damaged_cards_leave_the_other_models_alone(bundled: Path, text: str) -> None:
    put_imdn(bundled, "imdn-x3")
    put_imdn(bundled, "imdn-x2").with_suffix(".json").write_text(text)
    with pytest.raises(CheckpointError, match=r"imdn-x2\.json .* import again"):
        load_model("imdn-x2")
    assert load_model("imdn-x3").name == "imdn-x3"
    assert len(list_models()) == len(MODELS)


def test_cards_of_any_size_are_not_read(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_text(" " * (LARGEST_CARD + 1))
    with pytest.raises(CheckpointError, match="too large"):
        read_card(file)


def test_networks_are_built_around_given_values() -> None:
    state = IMDN(SMALL_IMDN).state_dict()
    network = network_with(SMALL_IMDN, state)
    assert all(torch.equal(network.state_dict()[key], state[key]) for key in state)
    assert count_parameters(SMALL_IMDN) == total_parameters(network)


def test_imported_weights_load_by_path_beside_bundled_ones(bundled: Path) -> None:
    ours, theirs = (IMDN(SMALL_IMDN) for _ in range(2))
    put(bundled, "imdn-x2", SMALL_IMDN, ours)
    file = put(imported_folder(), "imdn-x2", SMALL_IMDN, theirs)
    assert load_weights(file).weights_sha256 != load_model("imdn-x2").weights_sha256
    with pytest.raises(CheckpointError, match=r"missing\.json"):
        load_weights(bundled / "missing.safetensors")
