"""Read PyTorch checkpoints that other people made, without running anything from them.

Every file is first read by an unpickler that knows only tensors and plain values and makes none:
it finds out what the file claims to hold, so that hostile names are refused by name and claims
beyond the file's own size before memory is asked for. Only then does `torch.load` read it, in its
own restricted mode.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dinplug.checkpoints.weights_file import shown
from dinplug.errors import CheckpointError

DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What unpickling damaged bytes raises, in Python's reader and in PyTorch's."""

ITEM_SIZES = {
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
}

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def read_pickled(content: bytes, file: Path) -> object:
    """What a checkpoint saved with `torch.save` holds; `file` is named in errors.

    Raises:
        CheckpointError: it is damaged, no checkpoint, or asks for anything but tensors.
    """
    try:
        if content.startswith(b"PK"):
            _check_zip(content, file)
        else:
            _check_legacy(content, file)
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except ContradictionError as error:
        raise CheckpointError(f"{file} is damaged: {error}; download it again") from error
    except DAMAGE as error:
        raise CheckpointError(f"{file} is damaged or no weights file: download it again") from error


class ContradictionError(ValueError):
    """A checkpoint contradicts itself; the message says how."""


@dataclass(frozen=True)
class _StorageType:
    """Stands for a class of tensor storage."""

    item_size: int


@dataclass(frozen=True)
class _Storage:
    """A storage that the file claims to hold."""

    item_size: int
    count: int


class _Claims(pickle._Unpickler):
    """Reads a checkpoint's pickle for what it claims, and makes no tensors.

    Python's own unpickler rather than its C twin, which reserves memory for any memo index.
    """

    def __init__(self, stream: io.BytesIO, file: Path) -> None:
        super().__init__(stream)
        self.file = file
        self.storages: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name that checkpoints need; CheckpointError for any other."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _rebuilt_tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _rebuilt_parameter
        if module == "torch" and name in ITEM_SIZES:
            return _StorageType(ITEM_SIZES[name])
        asked = shown(f"{module}.{name}", 80)
        raise CheckpointError(
            f"{self.file} asks for {asked}, which weights never need: it may be hostile, "
            "nothing of it was run"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        """Note the size of a storage."""
        kind, storage_type, key, _, count = pid[:5]
        if kind != "storage" or not isinstance(count, int) or count < 0:
            raise ContradictionError("a storage is described wrongly")
        storage = _Storage(storage_type.item_size, count)
        self.storages[str(key)] = storage.item_size * count
        return storage


def _rebuilt_tensor(
    storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> None:
    """Check that a tensor lies in its storage, value for value."""
    if min((*size, *stride, offset, 0)) < 0 or offset + math.prod(size) > storage.count:
        raise ContradictionError("a tensor is larger than its storage")


def _rebuilt_parameter(data: object, *_: object) -> object:
    return data


def _check_legacy(content: bytes, file: Path) -> None:
    """Check a checkpoint of the format before PyTorch 1.6: pickles one after the other."""
    stream = io.BytesIO(content)
    if _Claims(stream, file).load() != LEGACY_MAGIC:
        raise ValueError("it does not begin as a checkpoint does")
    for _ in ("protocol", "system"):
        _Claims(stream, file).load()
    claims = _Claims(stream, file)
    claims.load()
    _Claims(stream, file).load()
    if sum(claims.storages.values()) > len(content) - stream.tell():
        raise ContradictionError("it ends before its last values")


def _check_zip(content: bytes, file: Path) -> None:
    """Check a checkpoint of the present format: a zip of one pickle and the storages."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ContradictionError("its records are compressed, which PyTorch never does")
        pickles = [name for name in sizes if name.endswith("/data.pkl")]
        if len(pickles) != 1 or sum(sizes.values()) > len(content):
            raise ValueError("it is no PyTorch archive")
        claims = _Claims(io.BytesIO(archive.read(pickles[0])), file)
        claims.load()
        folder = pickles[0].removesuffix("data.pkl")
        for key, claimed in claims.storages.items():
            if sizes.get(f"{folder}data/{key}") != claimed:
                raise ContradictionError("a record has another size than claimed")
