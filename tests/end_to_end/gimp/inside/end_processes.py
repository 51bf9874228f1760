"""Ends the worker, and the plug-in, in the middle of a run; GIMP lives on."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.end_to_end.gimp.inside import lab

ORDER = lab.ORDERS["photo"]
PATIENCE = 60.0
WORKER, PLUGIN = b"dinplug.hosts.worker", b"plug-ins/dinplug/dinplug.py"
PIXELS = Path(tempfile.gettempdir())


def processes(word: bytes) -> list[int]:
    """The processes that have a word in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                if word in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def wait_until(condition: Callable[[], Any]) -> bool:
    """Wait for something; whether it came in time."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def handed_over() -> bool:
    """Whether the worker has taken the picture."""
    folders = list(PIXELS.glob("dinplug-pixels-*"))
    return bool(folders) and [path.name for path in folders[0].iterdir()] == ["lock"]


def kill_in_mid_run(word: bytes) -> None:
    """Kill a process a second after the worker has taken the picture."""
    wait_until(lambda: processes(WORKER))
    wait_until(lambda: list(PIXELS.glob("dinplug-pixels-*/*.pixels")))
    wait_until(handed_over)
    time.sleep(1)
    for process in processes(word):
        os.kill(process, signal.SIGKILL)


def interrupted(word: bytes) -> dict[str, Any]:
    """A run whose process is killed, and what is left of it."""
    image, layer = lab.photo(ORDER)
    before = lab.layers(image)
    thread = threading.Thread(target=kill_in_mid_run, args=(word,))
    thread.start()
    start = time.monotonic()
    made, said = lab.run("dinplug-dehaze", image, [layer], ensemble=True)
    thread.join()
    worker_left = wait_until(lambda: not processes(WORKER))
    clean = wait_until(lambda: not list(PIXELS.glob("dinplug-pixels-*")))
    return {
        **said,
        "made": made is not None,
        "unchanged": lab.layers(image) == before,
        "worker_left": worker_left,
        "clean": clean,
        "seconds": time.monotonic() - start,
    }


found: dict[str, Any] = {"worker": interrupted(WORKER), "plugin": interrupted(PLUGIN)}
image, layer = lab.photo(ORDER)
_, found["afterwards"] = lab.run("dinplug-dehaze", image, [layer])
found["layers"] = lab.layers(image)
lab.report(found)
