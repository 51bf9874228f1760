"""Checkpoint files for tests: small networks with the authors' keys, and hostile files."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import torch
from torch import Tensor

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def released_imdn(features: int = 16, scale: int = 2, blocks: int = 2) -> dict[str, Tensor]:
    """A small IMDN's state dict with the authors' keys."""
    kept, rest, squeezed = features // 4, features - features // 4, features // 16
    shapes: dict[str, tuple[int, ...]] = {"fea_conv": (features, 3, 3, 3)}
    for k in range(1, blocks + 1):
        shapes |= {
            f"IMDB{k}.c1": (features, features, 3, 3),
            f"IMDB{k}.c2": (features, rest, 3, 3),
            f"IMDB{k}.c3": (features, rest, 3, 3),
            f"IMDB{k}.c4": (kept, rest, 3, 3),
            f"IMDB{k}.cca.conv_du.0": (squeezed, features, 1, 1),
            f"IMDB{k}.cca.conv_du.2": (features, squeezed, 1, 1),
            f"IMDB{k}.c5": (features, features, 1, 1),
        }
    shapes |= {
        "c.0": (features, blocks * features, 1, 1),
        "LR_conv": (features, features, 3, 3),
        "upsampler.0": (3 * scale**2, features, 3, 3),
    }
    torch.manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape) * 0.1
        state[f"{name}.bias"] = torch.randn(shape[0]) * 0.1
    return state


def saved(value: object, *, legacy: bool = False) -> bytes:
    """What `torch.save` writes."""
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


class Attack:
    """Unpickled carelessly, it makes the file it names."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"echo reached > {self.mark}",)


def hostile_files(mark: Path) -> dict[str, bytes]:
    """Files that would run a command if unpickled, in every form PyTorch reads."""
    attack = pickle.dumps({"state_dict": Attack(mark)}, protocol=2)
    legacy = b"".join(
        [
            pickle.dumps(LEGACY_MAGIC, protocol=2),
            pickle.dumps(1001, protocol=2),
            pickle.dumps({"little_endian": True}, protocol=2),
            attack,
            pickle.dumps([], protocol=2),
        ]
    )
    return {
        "bare": attack,
        "legacy": legacy,
        "zip": with_pickle(saved({"a": torch.ones(2)}), attack),
        "magic": pickle.dumps(Attack(mark), protocol=2),
        "ascii": b"cos\nsystem\n(S'echo reached > " + str(mark).encode() + b"'\ntR.",
    }


def with_pickle(archive: bytes, replacement: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A PyTorch archive with another pickle in it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(stream, "w") as new:
        for info in old.infolist():
            content = replacement if info.filename.endswith("/data.pkl") else old.read(info)
            new.writestr(info.filename, content, compression)
    return stream.getvalue()


def pickle_of(archive: bytes) -> bytes:
    """The pickle in a PyTorch archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as stored:
        name = next(n for n in stored.namelist() if n.endswith("/data.pkl"))
        return stored.read(name)
