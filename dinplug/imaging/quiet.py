"""Collect what the reading libraries would print, and lift Pillow's own size limit meanwhile.

The warning filters and loggers are global, so one photo is decoded at a time; the
libraries spread the work of one photo over threads themselves.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

_lock = threading.RLock()
_LOGGERS = ("tifffile", "imagecodecs", "PIL")
_MOST = 20


class _Collector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._messages) < _MOST:
            self._messages.append(one_line(record.getMessage()))


def one_line(text: object) -> str:
    """Squeeze a library's message into one line of at most 200 characters."""
    flat = " ".join(str(text).split())
    return flat if len(flat) <= 200 else flat[:197] + "..."


@contextmanager
def quiet_libraries() -> Iterator[list[str]]:
    """Yield a list that fills with the libraries' warnings while the block runs."""
    messages: list[str] = []
    collector = _Collector(messages)
    with _lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        before = [(logger.propagate, logger.level) for logger in loggers]
        for logger in loggers:
            logger.propagate = False
            logger.setLevel(logging.WARNING)
            logger.addHandler(collector)
        try:
            yield messages
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            for logger, (propagate, level) in zip(loggers, before, strict=True):
                logger.removeHandler(collector)
                logger.propagate = propagate
                logger.setLevel(level)
            room = _MOST - len(messages)
            messages.extend(one_line(item.message) for item in caught[: max(room, 0)])
