"""Notice when the host is gone, and how much memory there is to share with it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1
_UNKNOWN_MEMORY = 8 << 30


class Lifeline:
    """Watches the process that started this one."""

    def __init__(self) -> None:
        self.parent = os.getppid()

    def is_cut(self) -> bool:
        """Whether that process has ended. Windows keeps its number; there only pipes tell."""
        return os.getppid() != self.parent

    def ask_for_signal(self) -> None:
        """Have the system send SIGHUP when the host ends, where it offers that (Linux).

        It sends the signal already when the thread ends that started this process, so the signal
        only wakes the main thread, which then looks.
        """
        if sys.platform == "linux":
            signal.signal(signal.SIGHUP, lambda *_: None)
            ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGHUP, 0, 0, 0)


def default_budget() -> int:
    """Bytes a worker may take if the host does not say: half of the machine's memory."""
    return machine_memory() // 2


def machine_memory() -> int:
    """Bytes of memory this machine has."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return _UNKNOWN_MEMORY


def _windows_memory() -> int:
    kilobytes = ctypes.c_ulonglong()
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009
    found = kernel.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
    return kilobytes.value * 1024 if found else _UNKNOWN_MEMORY
