"""The standard streams, made safe to write to whatever the process was started with."""

import io
import os
import sys


def prepare_streams() -> None:
    """Let closed standard streams lead nowhere, and letters a stream lacks be written as escapes.

    Were they left closed, the next file opened, a photo for one, would take the descriptor, and
    what is meant for the screen would be written into it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(1 if name == "stdout" else 2, "w", closefd=False))
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
