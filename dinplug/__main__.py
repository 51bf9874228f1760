"""The program `dinplug`, also as `python -m dinplug`.

Loading the command line takes a part of a second, in which Ctrl-C would end in a traceback from
the midst of an import. So signals are seen to first, and with nothing but built-in modules.
"""

import os
import signal
from types import FrameType

from dinplug.startup import start_up

_INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    start_up()
    from dinplug.cli import main as command_line

    command_line(prog_name="dinplug")  # also as `python -m dinplug`; completion asks by name


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process: so early, and so late, there is nothing to be tidied."""
    try:
        os.write(2, b"Interrupted.\n")
    finally:
        os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
