"""Find and load dinplug's own machine code for convolutions on this processor.

Written and compiled by `scripts/machine_code` when dinplug is built: for Linux on x86-64 with
AVX-512 or AVX2. Elsewhere `find_code` says so.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import mmap
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

LOG = logging.getLogger(__name__)
FOLDER = Path(__file__).with_name("machine_code")

Kind = Literal["direct", "winograd"]
KINDS: tuple[Kind, ...] = ("direct", "winograd")
"""Convolutions of any kernel, and those of 3x3 that take fewer products."""
LEVELS = {"AVX512": ("x86-64-v4", 16), "AVX2": ("x86-64-v3", 8)}
"""What torch calls a processor's vectors: the level they belong to, and values in each."""
LAYOUT = "248a681e"
"""Of the functions' arguments, by `scripts/machine_code`: code of another would go astray."""
FACTORS = (2.0, 4.0, 8.0, -2.0, -4.0, -5.0)
"""Of Winograd's transforms."""


@dataclass(frozen=True)
class Function:
    """Code that can be called, and the memory it is in, which has to live as long."""

    call: Callable[[Any], None]
    memory: mmap.mmap


@dataclass(frozen=True)
class Code:
    """Functions of each kind for 1, 2, ... vectors of `lanes` output channels."""

    lanes: int
    functions: Mapping[Kind, tuple[Function, ...]]
    constants: Tensor
    """Numbers of a vector's lanes, then the bits of `FACTORS`: the code itself holds none."""


def find_level() -> tuple[str, int] | None:
    """The level of this processor and values in its vectors, or None where no code is for it."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    return LEVELS.get(torch.backends.cpu.get_cpu_capability())


@functools.cache
def find_code() -> Code | None:
    """The functions for this processor, or None where there are none."""
    found = find_level()
    if found is None:
        return None
    level, lanes = found
    try:
        functions = {
            kind: tuple(map(executable, sorted(FOLDER.glob(f"{kind}-{level}-{LAYOUT}-*.bin"))))
            for kind in KINDS
        }
    except (OSError, ValueError) as error:
        LOG.info("no convolutions of dinplug's own (%s): oneDNN does them", error)
        return None
    constants = torch.cat([torch.arange(lanes).int(), torch.tensor(FACTORS).view(torch.int32)])
    return Code(lanes, functions, constants) if all(functions.values()) else None


def executable(path: Path) -> Function:
    """The function a file is the code of.

    OSError where the system runs no code from there, ValueError if the file is empty.
    """
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    address = np.frombuffer(memory, np.uint8).ctypes.data
    return Function(ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address), memory)
