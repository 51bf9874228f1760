"""Export a model as an ONNX file that other runtimes read, folded and for pictures of any size.

By torch.export (`dynamo=True`): the older TorchScript exporter warns of its end since torch 2.9
and freezes sizes that Python computes, as every stage's are.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

import dinplug
from dinplug.atomic import write_atomically
from dinplug.checkpoints.models import LoadedModel
from dinplug.checkpoints.weights_file import first_line, sha256
from dinplug.errors import SetupError, UsageError
from dinplug.networks.folding import fold
from dinplug.networks.stages import StagedNetwork
from dinplug.ops import plain_torch

INPUT, OUTPUT = "image", "restored"
OPSET = 18
"""What torch translates to without a converter in every version that dinplug runs on."""
SMALLEST_SIDE = 24
"""Pixels. From here on every network's graph is one for all sizes; below, ESA's pools meet sides
of a single pixel, which torch takes for another graph."""


class UnitRange(nn.Module):
    """A folded network that takes and gives values on the scale 0..1."""

    def __init__(self, network: StagedNetwork) -> None:
        super().__init__()
        self.network = fold(network)
        self.value_range = network.value_range
        self.eval()

    def forward(self, image: Tensor) -> Tensor:
        """Map (1, 3, H, W) to (1, 3, scale·H, scale·W)."""
        if self.value_range == 1:
            return self._restored(image)
        return self._restored(image * self.value_range) / self.value_range

    def _restored(self, image: Tensor) -> Tensor:
        restored: Tensor = self.network(image)
        return restored


def export_onnx(model: LoadedModel, file: Path, *, overwrite: bool = False) -> str:
    """Write `file`, whole or not at all, and return its SHA-256.

    Raises:
        UsageError: the file exists, cannot be a file, or the network cannot be exported.
        SetupError: the packages for it are missing, or the folder cannot be written.
    """
    check_free(file, overwrite=overwrite)
    content = onnx_content(model)
    write_atomically(content, file)
    return sha256(content)


def check_free(file: Path, *, overwrite: bool) -> None:
    """Raise UsageError where `file` cannot or must not be written."""
    if file.is_dir():
        raise UsageError(f"{file} is a folder; name the file to write")
    if os.path.lexists(file) and not overwrite:
        raise UsageError(f"{file} exists; --overwrite replaces it")
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is no folder; make it first")


def onnx_content(model: LoadedModel) -> bytes:
    """An ONNX file's content for a model.

    Input `image`, float32 (1, 3, H, W) in 0..1, H and W multiples of `multiple_of` and at least
    `smallest_side` (both in the file's metadata); output `restored`, (1, 3, scale·H, scale·W) on
    the same scale, not clipped.

    Raises:
        UsageError: the network cannot be exported.
        SetupError: the packages for it are missing.
    """
    _check_packages()
    proto = _graph_of(model)
    for value, sides in (
        (proto.graph.input[0], ("height", "width")),
        (proto.graph.output[0], ("restored_height", "restored_width")),
    ):
        for dimension, name in zip(value.type.tensor_type.shape.dim[2:], sides, strict=True):
            dimension.dim_param = name
    # Inner shapes, in symbols of torch's own; runtimes infer them from the input's.
    del proto.graph.value_info[:]
    for key, text in metadata(model).items():
        proto.metadata_props.add(key=key, value=text)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def metadata(model: LoadedModel) -> dict[str, str]:
    """What the file says of its model."""
    network = model.network
    return {
        "name": model.name,
        "task": model.task.value,
        "scale": str(model.scale),
        "network": model.card.title,
        "paper": model.card.paper,
        "licence": model.card.licence,
        "weights_sha256": model.weights_sha256,
        "multiple_of": str(network.multiple_of),
        "smallest_side": str(smallest_side(network)),
        "enlarge_first": str(model.any_factor).lower(),
        "written_by": f"dinplug {dinplug.__version__}",
    }


def smallest_side(network: StagedNetwork) -> int:
    """The smallest side in pixels that the exported graph is for, a multiple of what it takes."""
    multiple = network.multiple_of
    return -(-max(SMALLEST_SIDE, network.min_size) // multiple) * multiple


def _check_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise SetupError(
            f"exporting needs the package {error.name}: pip install 'dinplug[onnx]'"
        ) from error


def _graph_of(model: LoadedModel) -> Any:
    """The model as torch translates it, an onnx.ModelProto."""
    multiple, smallest = model.network.multiple_of, smallest_side(model.network)
    sides = {
        axis: multiple * Dim(name, min=smallest // multiple)
        if multiple > 1
        else Dim(name, min=smallest)
        for axis, name in ((2, "height"), (3, "width"))
    }
    # Sides that differ, or torch would take them for one.
    example = torch.zeros(1, 3, smallest + 2 * multiple, smallest + 4 * multiple)
    try:
        with quiet(), plain_torch(), torch.no_grad():
            program = torch.onnx.export(
                UnitRange(model.network),
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(sides,),
                opset_version=OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise UsageError(f"{model.name} cannot be exported: {first_line(error)}") from error
    assert program is not None
    return program.model_proto


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to itself what torch's exporter says of its own insides and of absent packages."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
