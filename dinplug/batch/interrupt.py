"""End soon and cleanly when the user presses Ctrl-C, or the system asks with SIGTERM.

Python runs its own signal handlers only between two steps of the main thread, and one step can be
a convolution of several seconds. The signal is therefore picked up from the wake-up descriptor by
a thread of its own: it raises a flag, and if the program is still there after a grace period it
removes unfinished files and leaves the process at once.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from dinplug.errors import Interrupted

GRACE_SECONDS = 1.2
"""A promise of two seconds, less what the thread and the process need on a busy machine."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


@dataclass
class Stop:
    """The user's wish to stop.

    `before_leaving` are run if the process must leave at once, which is `grace` seconds after the
    wish; work that would be lost by then may set more.
    """

    _flag: threading.Event = field(default_factory=threading.Event)
    before_leaving: list[Callable[[], None]] = field(default_factory=list)
    grace: float = GRACE_SECONDS

    def __call__(self) -> bool:
        """Tell whether to stop."""
        return self._flag.is_set()

    def set(self) -> None:
        """Ask to stop."""
        self._flag.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the wish at most `seconds`, and tell whether it is there."""
        return self._flag.wait(seconds)


@contextmanager
def stop_on_signals(grace: float = GRACE_SECONDS) -> Iterator[Stop]:
    """Yield a flag that SIGINT and SIGTERM raise; leave with 130 if `grace` seconds are not enough.

    A second signal leaves at once. Outside the main thread, where signals cannot be received, the
    flag is never raised.
    """
    stop = Stop(grace=grace)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    waking, woken = socket.socketpair()
    waking.setblocking(False)
    before = {number: signal.signal(number, _note) for number in _SIGNALS}
    descriptor = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(woken, stop), name="interrupt", daemon=True)
    watcher.start()
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        waking.close()
        watcher.join()
        woken.close()


def _note(number: int, frame: FrameType | None) -> None:
    """Do nothing: that a handler exists makes Python write to the wake-up descriptor."""


def _watch(woken: socket.socket, stop: Stop) -> None:
    """Wait for a signal; raise the flag; leave at the next one or once the grace is over."""
    if not _receive_signal(woken):
        return
    stop.set()
    woken.settimeout(stop.grace)
    try:
        left_in_time = not _receive_signal(woken)
    except TimeoutError:
        left_in_time = False
    if not left_in_time:
        leave_now(stop)


def _receive_signal(woken: socket.socket) -> bool:
    """Wait for one of our signals; False once the other end is closed."""
    while content := woken.recv(1):
        if content[0] in _SIGNALS:
            return True
    return False


def leave_tidied() -> NoReturn:
    """End the process with exit code 130 where nothing is left to be done.

    An ordinary end would unload libraries for up to a second first.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody may be reading any more
            stream.flush()
    os._exit(Interrupted.exit_code)


def leave_now(stop: Stop) -> NoReturn:
    """Remove what is unfinished and end the process with exit code 130."""
    for clean_up in stop.before_leaving:
        clean_up()
    if sys.stderr.isatty():
        os.write(2, _SHOW_CURSOR)
    os.write(2, b"Interrupted.\n")
    os._exit(Interrupted.exit_code)
