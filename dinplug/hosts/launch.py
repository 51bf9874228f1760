"""Start dinplug's worker from inside a host: find its Python, and give it a clean environment."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, NamedTuple

from . import protocol, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RECORD = "dinplug.json"
"""Beside the plugin, written when it was installed: {"python": "/path/to/python"}."""
OVERRIDE = "DINPLUG_PYTHON"
"""The environment variable that names another Python."""
MODULE = "dinplug.hosts.worker"
COMMAND = "dinplug-worker"
"""The same as a command, for plugins that no dinplug installed (Krita's importer did)."""
_KEPT_WORDS = 8000

# What hosts and their bundles set for themselves would break another Python and its libraries.
_HOSTS_OWN = (
    "GDK_PIXBUF_MODULE_FILE", "GI_TYPELIB_PATH", "GIO_MODULE_DIR", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP",
    "QT_PLUGIN_PATH", "QML2_IMPORT_PATH",
)  # fmt: skip


class Launch(NamedTuple):
    """How to start the worker: the command, and what its environment has besides the host's.

    `pixels` is the folder that both can reach, where the system's for temporary files is not.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] = {}
    pixels: str | None = None


class LaunchError(Exception):
    """The worker cannot be started; the text is one sentence that says what to do."""


def recorded_launch(plugin_folder: str, host: str) -> Launch:
    """How to start the worker of the dinplug that installed the plugin in `plugin_folder`.

    Where none is recorded, of the dinplug whose command `COMMAND` is found. `host` is the name
    `dinplug plugin install` knows the host by. Raises LaunchError where there is none, or the
    host's sandbox does not let it start.
    """
    if os.environ.get("SNAP_NAME") == host:
        raise LaunchError(sandbox.NO_SNAP)
    in_flatpak = os.path.isfile(sandbox.INFO)
    python = os.environ.get(OVERRIDE) or _recorded_python(plugin_folder)
    if python is None:
        found = find_command()
        if found is None:
            raise LaunchError(
                f"{os.path.join(plugin_folder, RECORD)} does not say where dinplug is: install "
                f"dinplug and run `dinplug plugin install {host}`"
            )
        command: tuple[str, ...] = (found,)
    elif in_flatpak or os.path.isfile(python):  # a sandbox does not see all of the machine
        command = (python, "-m", MODULE)
    else:
        again = f"run `dinplug plugin install {host}` again"
        raise LaunchError(f"dinplug's Python {python} is not there any more: {again}")
    return _outside_flatpak(command) if in_flatpak else Launch(command)


def _recorded_python(plugin_folder: str) -> str | None:
    """The interpreter that `dinplug plugin install` noted, if it did."""
    try:
        with open(os.path.join(plugin_folder, RECORD), encoding="utf-8") as file:
            python = json.load(file)["python"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return python if isinstance(python, str) else None


def find_command() -> str | None:
    """The command `COMMAND`, also where a desktop leaves the user's own out of PATH."""
    users = os.path.join(os.path.expanduser("~"), ".local", "bin")
    return shutil.which(COMMAND) or shutil.which(COMMAND, path=users)


def _outside_flatpak(command: tuple[str, ...]) -> Launch:
    """Start it outside the sandbox, which sees the app's cache folder under the same name."""
    with open(sandbox.INFO, encoding="utf-8", errors="replace") as file:
        found = sandbox.permissions(file.read())
    if not sandbox.may_start_programs(found):
        app = found.get("Application", "name", fallback="APP")
        raise LaunchError(
            "Flatpak's sandbox does not let this program start dinplug: run "
            f"`{sandbox.remedy(app)}` and start it again"
        )
    return Launch((*sandbox.SPAWN, *command), pixels=os.environ.get("XDG_CACHE_HOME"))


def clean_environment() -> dict[str, str]:
    """The environment without what a host set for itself."""
    return {name: value for name, value in os.environ.items() if name not in _HOSTS_OWN}


@contextlib.contextmanager
def broken_pipes_as_errors() -> Iterator[None]:
    """Let writing to a process that has ended raise BrokenPipeError, and do nothing else.

    A Python of its own ignores SIGPIPE. A program with Python inside need not: Krita, with all that
    is open in it, would die of a worker that ended a moment too early.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        yield
    finally:
        if signal.SIGPIPE not in blocked:
            if signal.SIGPIPE in signal.sigpending():
                signal.sigwait({signal.SIGPIPE})
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


class WorkerProcess:
    """A running worker: lines go to it, lines come from it, and what it says for people is kept.

    `answers` receives its lines, and None when its pipe closes.
    """

    def __init__(self, launch: Launch, folder: str) -> None:
        """Start it in `folder`; raises LaunchError.

        It gets a session of its own, so that Ctrl-C in the host's terminal is the host's affair.
        """
        self.answers: queue.Queue[bytes | None] = queue.Queue()
        self._words = b""
        try:
            self.process = subprocess.Popen(
                launch.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                env={**clean_environment(), **launch.environment},
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise LaunchError(
                f"dinplug's worker cannot be started ({launch.command[0]}: {reason}): "
                "install dinplug and its plugin again"
            ) from error
        self._threads = [
            threading.Thread(target=self._hear_answers, daemon=True),
            threading.Thread(target=self._hear_words, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def send(self, line: bytes) -> None:
        """Write a line; if nobody reads it, `answers` will end."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError, ValueError), broken_pipes_as_errors():
            view = memoryview(line)
            while view:
                view = view[self.process.stdin.write(view) :]

    def wait(self, seconds: float | None) -> None:
        """Wait for its end, up to `seconds`."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def end(self) -> None:
        """Kill it if it lives, collect it, and close the pipes; may be called twice."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait(None)
        for thread in self._threads:
            thread.join(1.0)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    @property
    def words(self) -> str:
        """The last of what it wrote on standard error."""
        return self._words.decode("utf-8", "replace")

    def last_word(self) -> str:
        """The last line of `words` in brackets, or nothing."""
        lines = [line.strip() for line in self.words.split("\n") if line.strip()]
        return f" ({lines[-1][:200]})" if lines else ""

    def how_it_ended(self) -> str:
        """What became of it once its pipe is closed, like "was killed by signal 9"."""
        self.wait(1.0)
        for thread in self._threads:
            thread.join(0.5)
        code = self.process.poll()
        if code is None:
            return "closed its pipe"
        return f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"

    def _hear_answers(self) -> None:
        """Collect lines until the pipe closes; one that is too long comes cut, and is noticed."""
        assert self.process.stdout is not None
        kept = b""
        with contextlib.suppress(OSError, ValueError):
            while True:
                part = self.process.stdout.read(65536)
                if not part:
                    break
                *lines, kept = (kept + part).split(b"\n")
                if len(kept) > protocol.LONGEST_ANSWER:
                    lines.append(kept)
                    kept = b""
                for line in lines:
                    self.answers.put(line)
        self.answers.put(None)

    def _hear_words(self) -> None:
        """Keep the last of what it writes for people, so that its pipe never fills."""
        assert self.process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while True:
                words = self.process.stderr.read(4096)
                if not words:
                    return
                self._words = (self._words + words)[-_KEPT_WORDS:]
