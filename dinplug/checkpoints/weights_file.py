"""Read and write weights: safetensors with float values, checked before they are believed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dinplug.atomic import write_atomically
from dinplug.errors import CheckpointError

LARGEST_FILE = 1 << 30
"""Bytes. The largest network has 20M parameters; with an optimiser's state that is 240 MB."""

State = dict[str, Tensor]


def read_bytes(file: Path) -> bytes:
    """The content of a weights file; raises CheckpointError if it is missing, empty or huge."""
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise CheckpointError(
                f"{file} has {size >> 20} MiB, more than any network here: is it the right file?"
            )
        if size == 0:
            raise CheckpointError(f"{file} is empty: download it again")
        return file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror or error}") from error


def parse_safetensors(content: bytes, file: Path) -> State:
    """The tensors of a safetensors file's content as float32."""
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:
        raise CheckpointError(
            f"{file} is damaged ({first_line(error)}): download or import it again"
        ) from error
    return as_float32(tensors, file)


def as_float32(tensors: Mapping[str, Tensor], file: Path) -> State:
    """Every tensor as float32; raises CheckpointError for values that are no finite floats."""
    state = {}
    for key, value in tensors.items():
        if not value.is_floating_point():
            raise CheckpointError(f"{file} holds {value.dtype} values in {shown(key)}, not weights")
        state[key] = value.detach().to(torch.float32).contiguous()
        if not bool(torch.isfinite(state[key]).all()):
            raise CheckpointError(f"{file} is damaged: NaN or infinite values in {shown(key)}")
    return state


def write_safetensors(state: Mapping[str, Tensor], file: Path) -> str:
    """Write tensors atomically; return the file's SHA-256.

    Raises:
        SetupError: the folder cannot be written.
    """
    content = save({key: value.contiguous() for key, value in state.items()})
    write_atomically(content, file)
    return sha256(content)


def sha256(content: bytes) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def first_line(error: BaseException) -> str:
    """What an error says, on one line and not too long."""
    lines = str(error).splitlines()
    return shown(lines[0], 120) if lines else type(error).__name__


def shown(text: str, most: int = 60) -> str:
    """Text from a foreign file as a message may print it: short, no control characters."""
    return "".join(c if c.isprintable() else "?" for c in text[:most])
