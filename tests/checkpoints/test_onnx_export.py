"""Exported models give, in another runtime, what torch gives.

torch takes seconds for the smallest network and no less for small weights: it is the number of
operators that counts. Every file is therefore made once, and variants are marked slow.
"""

import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from dinplug.checkpoints import LoadedModel, load_model, onnx_export
from dinplug.checkpoints.cards import ModelCard
from dinplug.checkpoints.onnx_export import export_onnx, onnx_content, smallest_side
from dinplug.cli import main
from dinplug.errors import UsageError
from dinplug.networks.aidn import AIDNSpec
from dinplug.networks.imdn import IMDNSpec
from dinplug.networks.msfin import MSFINSpec
from dinplug.specs import NetworkSpec, Task, build_network
from tests.tiny_models import SMALLEST

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

SPECS: dict[str, NetworkSpec] = {
    "din": SMALLEST,
    "din-strided": replace(SMALLEST, strided=True),
    "imdn-x2": IMDNSpec(2, features=16, blocks=1),
    "aidn-x2": AIDNSpec(2, features=8, blocks=1),
    "msfin": MSFINSpec(4, 2, 2, 0),
}
VARIANTS: dict[str, NetworkSpec] = {
    "din-ijcai-x3": replace(SMALLEST, scale=3, edition="ijcai", depth=2),
    "din-x2-bicubic-concat": replace(
        SMALLEST, scale=2, fusion="concat", residual_mode="bicubic", depth=2
    ),
    "din-se": replace(SMALLEST, fusion="se", depth=2),
    "imdn-as": IMDNSpec(1, adaptive=True, features=16, blocks=2),
    "rfdn-x4": AIDNSpec(4, "rfdb", features=8, blocks=1, value_range=255.0),
}


def model_of(name: str) -> LoadedModel:
    """A model with fixed random weights, biases included."""
    spec = (SPECS | VARIANTS)[name]
    task = Task.DERAIN if spec.scale == 1 else Task.SR
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_network(spec).eval()
        for module in network.modules():
            bias = getattr(module, "bias", None)
            if isinstance(bias, nn.Parameter):
                nn.init.uniform_(bias, -0.2, 0.2)
    any_factor = isinstance(spec, IMDNSpec) and spec.adaptive
    card = ModelCard(name, task, spec, "Apache-2.0", title="tiny", paper="none")
    return LoadedModel(name, task, spec.scale, network, "5" * 64, card, "whole", any_factor)


@functools.cache
def content_of(name: str) -> bytes:
    """The ONNX file of `model_of(name)`."""
    return onnx_content(model_of(name))


def in_torch(model: LoadedModel, image: torch.Tensor) -> torch.Tensor:
    """The unfolded network's result on the scale 0..1, with every sum in float64."""
    network, largest = model.network, model.network.value_range
    with torch.inference_mode():
        restored: torch.Tensor = network.double()(image.double() * largest) / largest
    network.float()
    return restored


@pytest.mark.parametrize(
    "name", [*SPECS, *(pytest.param(name, marks=pytest.mark.slow) for name in VARIANTS)]
)
def test_another_runtime_gives_the_same_pixels_at_every_size(name: str) -> None:
    model = model_of(name)
    session = onnxruntime.InferenceSession(content_of(name))
    least, step = smallest_side(model.network), model.network.multiple_of
    generator = torch.Generator().manual_seed(1)
    for height, width in ((least, least + step), (least + 7 * step, least + 2 * step)):
        image = torch.rand(1, 3, height, width, generator=generator)
        (restored,) = session.run(["restored"], {"image": image.numpy()})
        expected = in_torch(model, image)
        assert restored.shape == (1, 3, height * model.scale, width * model.scale)
        # Two float32 runs that sum in another order, each off from the exact value by less than
        # a few hundred roundings (a pixel's longest chain of sums) of the values on the way.
        largest = max(1.0, float(expected.abs().max()))
        assert np.abs(restored - expected.numpy()).max() <= 256 * np.finfo(np.float32).eps * largest


def test_the_file_says_what_it_holds() -> None:
    session = onnxruntime.InferenceSession(content_of("din-strided"))
    (image,), (restored,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == (
        "image",
        "tensor(float)",
        [1, 3, "height", "width"],
    )
    assert (restored.name, restored.shape[:2]) == ("restored", [1, 3])
    stated = session.get_modelmeta().custom_metadata_map
    assert stated["name"] == "din-strided"
    assert stated["task"] == "derain"
    assert stated["scale"] == "1"
    assert stated["licence"] == "Apache-2.0"
    assert stated["weights_sha256"] == "5" * 64
    assert stated["multiple_of"] == "4"
    assert stated["smallest_side"] == "24"
    assert stated["enlarge_first"] == "false"


@pytest.fixture
def run(tiny_models: Path) -> Callable[..., tuple[int, str]]:
    """Run the command; returns the exit code and all it printed."""

    def call(*words: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["models", "export", *words])
        return result.exit_code, result.output

    return call


def test_the_command_writes_a_file_once(
    run: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    target = tmp_path / "derain.onnx"
    code, said = run("tiny-derain", "--onnx", str(target))
    assert code == 0
    assert str(target) in said
    session = onnxruntime.InferenceSession(target)
    digest = load_model("tiny-derain").weights_sha256
    assert session.get_modelmeta().custom_metadata_map["weights_sha256"] == digest
    target.write_bytes(b"mine")
    code, said = run("tiny-derain", "--onnx", str(target))
    assert code == 2
    assert "--overwrite" in said
    assert target.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [target]


def test_overwrite_replaces_the_file(
    run: Callable[..., tuple[int, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "onnx_content", lambda model: model.name.encode())
    target = tmp_path / "derain.onnx"
    target.write_bytes(b"old")
    code, _ = run("tiny-derain", "--onnx", str(target), "--overwrite")
    assert code == 0
    assert target.read_bytes() == b"tiny-derain"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("place", "told"), [("", "is a folder"), ("absent/derain.onnx", "is no folder")]
)
def test_places_that_cannot_be_written_are_named(
    run: Callable[..., tuple[int, str]], tmp_path: Path, place: str, told: str
) -> None:
    code, said = run("tiny-derain", "--onnx", str(tmp_path / place))
    assert code == 2
    assert told in said


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_one_line(
    run: Callable[..., tuple[int, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    target = tmp_path / "derain.onnx"
    code, said = run("tiny-derain", "--onnx", str(target))
    assert code == 3
    assert said.count("\n") == 1
    assert package in said
    assert "pip install 'dinplug[onnx]'" in said
    assert not target.exists()


def test_a_network_that_cannot_be_exported_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise torch.onnx.OnnxExporterError("no such operator\nand much more")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(UsageError, match=r"imdn-x2 cannot be exported: no such operator$"):
        export_onnx(model_of("imdn-x2"), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []
