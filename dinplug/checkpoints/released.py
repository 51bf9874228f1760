"""Recognise the authors' checkpoints by their keys and shapes, and rename them to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from dinplug.checkpoints.weights_file import State, as_float32, shown
from dinplug.errors import CheckpointError
from dinplug.networks import aidn, din, imdn, msfin_released
from dinplug.networks.din import DINSpec
from dinplug.specs import NetworkSpec

Shapes = Mapping[str, tuple[int, ...]]


def state_dict_of(checkpoint: object, file: Path) -> State:
    """The state dict in a checkpoint, float32, without wrapper and `module.` prefixes.

    Raises CheckpointError if there is none, or if its values are no finite floats.
    """
    if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get("state_dict"), Mapping):
        checkpoint = checkpoint["state_dict"]
    if not isinstance(checkpoint, Mapping) or not checkpoint:
        raise CheckpointError(f"{file} holds no state dict: is it a checkpoint of a network?")
    for key, value in checkpoint.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"{file} holds {shown(str(key))}, which is no tensor of weights")
    prefix = "module." if all(key.startswith("module.") for key in checkpoint) else ""
    return as_float32({k.removeprefix(prefix): v for k, v in checkpoint.items()}, file)


def identify(state: State, file: Path) -> tuple[NetworkSpec, State]:
    """The network an authors' state dict belongs to, and the state dict with our keys.

    Raises CheckpointError if it is of none that dinplug knows.
    """
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    if spec := imdn.recognise(shapes):
        return spec, imdn.from_released(state)
    if asymmetric := aidn.recognise(shapes):
        return asymmetric, aidn.from_released(state)
    if multi_scale := msfin_released.recognise(shapes):
        return multi_scale, msfin_released.from_released(state)
    if interleaved := recognise_din(shapes):
        return interleaved, din.from_released(state)
    raise CheckpointError(
        f"{file} is of no network that dinplug knows (IMDN, IMDN_AS, MSFIN, MSFIN-S, RFDN, ARFDN, "
        f"AIDN, DIN); its first key is {shown(next(iter(state)))}"
    )


def recognise_din(shapes: Shapes) -> DINSpec | None:
    """The super-resolution DIN whose released state dict has these keys and shapes, or None."""
    head = shapes.get("feat_conv.weight", ())
    growing = shapes.get("WRDB1_1.RDB1.conv1.weight", ())
    places = [m for m in map(re.compile(r"WRDB(\d+)_(\d+)\.RDB(\d+)\.").match, shapes) if m]
    if len(head) != 4 or len(growing) != 4 or not places:
        return None
    branches, depth, blocks = (max(int(m[k]) for m in places) for k in (1, 2, 3))
    try:
        return DINSpec(
            _upsampler_scale(shapes),
            edition="journal" if "conv_out2.weight" in shapes else "ijcai",
            branches=branches,
            depth=depth,
            blocks=blocks,
            features=head[0],
            growth=growing[0],
        )
    except ValueError:
        return None


def _upsampler_scale(shapes: Shapes) -> int:
    """The enlargement of a released DIN: each layer before the last enlarges by 2, or one by 3."""
    widths = [
        shape[0] // shape[1]
        for key, shape in shapes.items()
        if re.fullmatch(r"up_recon\.UPNet\.\d+\.weight", key) and shape[0] > shape[1]
    ]
    return 3 if widths == [9] else 2 ** len(widths)
