"""The worker's two pipes, each with a thread of its own: the main one never waits for them."""

from __future__ import annotations

import os
import queue
import threading
from typing import Any, Final

from dinplug.hosts import protocol

TOO_LONG: Final = b"\0too long"
"""Stands for a line that exceeded its limit; no message looks like it."""
_LINES_AHEAD = 64
_ANSWERS_AHEAD = 1024
_DEAF_SECONDS = 20.0
"""A host that reads nothing for so long, with its queue full, is taken for gone."""
_FLUSH_SECONDS = 5.0
"""While torch is imported, the writing thread may not get its turn for a second or two."""


class Inbox:
    """Lines from a pipe, with bounded memory whatever comes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(_LINES_AHEAD)
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def next_line(self, timeout: float) -> bytes | None:
        """The next line, TOO_LONG, b"" at the end (`ended` is set), or None after `timeout`."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            return None
        if line is None:
            self.ended = True
            return b""
        return line

    def _read(self) -> None:
        kept, skipping = b"", False
        while True:
            try:
                part = os.read(self._descriptor, 65536)
            except OSError:
                part = b""
            if not part:
                self._lines.put(None)
                return
            *lines, kept = (kept + part).split(b"\n")
            for line in lines:
                if skipping:
                    skipping = False  # the rest of a line that was too long
                else:
                    self._lines.put(TOO_LONG if len(line) > protocol.LONGEST_LINE else line)
            if len(kept) > protocol.LONGEST_LINE or skipping:
                if not skipping:
                    self._lines.put(TOO_LONG)
                kept, skipping = b"", True


class Outbox:
    """Messages into a pipe; sending never waits long for the one who reads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes] = queue.Queue(_ANSWERS_AHEAD)
        self._closed = threading.Event()
        self._all_written = threading.Condition()
        self._unwritten = 0
        threading.Thread(target=self._write, daemon=True).start()

    @property
    def is_closed(self) -> bool:
        """Whether nobody reads at the other end."""
        return self._closed.is_set()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message."""
        if self.is_closed:
            return
        with self._all_written:
            self._unwritten += 1
        try:
            self._lines.put(protocol.encode(message), timeout=_DEAF_SECONDS)
        except queue.Full:
            self._closed.set()

    def flush(self) -> None:
        """Wait until all is written, for a few seconds at most."""
        with self._all_written:
            self._all_written.wait_for(
                lambda: self._unwritten == 0 or self.is_closed, _FLUSH_SECONDS
            )

    def _write(self) -> None:
        while True:
            view = memoryview(self._lines.get())
            try:
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError:
                self._closed.set()
            with self._all_written:
                self._unwritten -= 1
                self._all_written.notify_all()
