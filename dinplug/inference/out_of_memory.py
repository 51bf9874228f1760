"""Tell that memory ran out, in whatever way Python, torch and oneDNN say so."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dinplug.errors import PhotoError

# torch raises a plain RuntimeError where the processor's memory ends, and an error of its own for
# a device's. oneDNN allocates inside and gives no reason; it is called with every shape the
# networks have, so that memory is what it can lack.
_WORDS = (
    "can't allocate memory",
    "bad_alloc",
    "could not create a primitive",
    "could not execute a primitive",
    "could not create a memory object",
    "can't start new thread",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error means that memory, of the host or of a device, did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


@contextmanager
def memory_for(width: int, height: int, device: torch.device) -> Iterator[None]:
    """Raise PhotoError, in words, where a photo of this size does not fit into memory."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        where = "memory" if device.type == "cpu" else f"the memory of {device} or of this machine"
        raise PhotoError(
            f"{width} x {height} pixels do not fit into {where}, not even in small tiles: close "
            "other programs, or restore it on a machine that has more"
        ) from error
