"""Run a decoder in a process of its own, where a hostile or damaged file can crash only that.

LibRaw and the TIFF codecs of imagecodecs have been seen to crash on damaged data (LZW). A
decoder script writes one line of JSON to its standard output, with "shape" and "dtype" where
samples follow in native order, or with "error" and a reason.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

from dinplug.imaging.decoded import Limits, UnreadableError, check_size
from dinplug.imaging.photo import Samples

# A 150-megapixel RAW takes LibRaw about a minute on one old core.
_PATIENCE_SECONDS = 600.0
_LONGEST_LINE = 65536


def decode(
    script: Path, arguments: list[str], limits: Limits
) -> tuple[dict[str, Any], Samples | None, str]:
    """Return the facts a decoder states, its samples (H, W, ...), and what it complained of.

    Raises UnreadableError where it breaks off, hangs, gives a reason, or gives too much.
    """
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
        ) as child:
            watch = threading.Timer(_PATIENCE_SECONDS, child.kill)
            watch.start()
            try:
                facts, samples = _received(child, limits)
            finally:
                watch.cancel()
                child.kill()
        complaints.seek(0)
        said = complaints.read(_LONGEST_LINE).decode("utf-8", "replace")
    return facts, samples, said


def _received(
    child: subprocess.Popen[bytes], limits: Limits
) -> tuple[dict[str, Any], Samples | None]:
    stream: Any = child.stdout
    line = stream.readline(_LONGEST_LINE)
    try:
        facts = dict(json.loads(line))
        shape = tuple(int(size) for size in facts.get("shape", ()))
        dtype = np.dtype(str(facts.get("dtype", "u1")))
    except (ValueError, TypeError) as error:
        raise UnreadableError(f"damaged file: its decoder broke off ({child.wait()})") from error
    if len(shape) < 2:
        child.wait()
        return facts, None
    channels = shape[2] if len(shape) == 3 else 1
    check_size(shape[1], shape[0], channels, dtype.itemsize * 8, limits)
    samples: Samples = np.empty(shape, dtype)
    room = samples.data.cast("B")
    taken = 0
    while taken < len(room):
        count = stream.readinto(room[taken:])
        if not count:
            raise UnreadableError(f"damaged file: its decoder broke off ({child.wait()})")
        taken += count
    child.wait()
    return facts, samples
