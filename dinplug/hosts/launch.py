"""Start dinplug's worker from inside a host: find its Python, and give it a clean environment."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import threading
from typing import TYPE_CHECKING, NamedTuple

from . import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORD = "dinplug.json"
"""Beside the plugin, written when it was installed: {"python": "/path/to/python"}."""
OVERRIDE = "DINPLUG_PYTHON"
"""The environment variable that names another Python."""
MODULE = "dinplug.hosts.worker"
_KEPT_WORDS = 8000

# What hosts and their bundles set for themselves would break another Python and its libraries.
_HOSTS_OWN = (
    "GDK_PIXBUF_MODULE_FILE", "GI_TYPELIB_PATH", "GIO_MODULE_DIR", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP",
    "QT_PLUGIN_PATH", "QML2_IMPORT_PATH",
)  # fmt: skip


class Launch(NamedTuple):
    """How to start the worker: the command, and what its environment has besides the host's."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = {}


class LaunchError(Exception):
    """The worker cannot be started; the text is one sentence that says what to do."""


def recorded_launch(plugin_folder: str, host: str) -> Launch:
    """How to start the worker of the dinplug that installed the plugin in `plugin_folder`.

    `host` is the name `dinplug plugin install` knows the host by. Raises LaunchError where
    dinplug's Python is not recorded or gone.
    """
    again = f"run `dinplug plugin install {host}` again"
    python = os.environ.get(OVERRIDE)
    if not python:
        path = os.path.join(plugin_folder, RECORD)
        try:
            with open(path, encoding="utf-8") as file:
                python = json.load(file)["python"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LaunchError(f"{path} does not say where dinplug is: {again}") from error
    if not isinstance(python, str) or not os.path.isfile(python):
        raise LaunchError(f"dinplug's Python {python} is not there any more: {again}")
    return Launch((python, "-m", MODULE))


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
        environment = {k: v for k, v in os.environ.items() if k not in _HOSTS_OWN}
        environment.update(launch.environment)
        try:
            self.process = subprocess.Popen(
                launch.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=folder,
                env=environment,
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
        with contextlib.suppress(OSError, ValueError):
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
