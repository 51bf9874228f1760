"""The messages between a host's plugin and the worker: one JSON object a line, checked both ways.

Every request has `id` and `request`, every answer `id` and `answer`. What they carry, and the
versions, are described in docs/worker-protocol.md.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Message = dict[str, Any]

PROTOCOL = 1
"""The version of these messages; plugin and worker work together if theirs are equal."""

REQUESTS = (
    "handshake", "tasks", "describe", "open", "preview", "restore", "close", "cancel", "shutdown",
)  # fmt: skip
ANSWERS = ("result", "progress", "error", "leaving")
ERROR_KINDS = (
    "protocol", "version", "usage", "setup", "photo", "cancelled", "busy", "internal", "gone",
)  # fmt: skip
"""What an error is about; "gone" is said by the client where the worker is no more."""

LONGEST_LINE = 64 * 1024
"""Bytes of a request, the line break not counted; answers may be `LONGEST_ANSWER` long."""
LONGEST_ANSWER = 1024 * 1024
DEEPEST = 8
"""Levels of arrays and objects in a line."""
LARGEST_ID = 2**53
LARGEST_SIDE = 300000
MOST_PIXELS = 500000000
LARGEST_PROFILE = 8 * 1024 * 1024
"""Bytes of an ICC profile."""
MOST_WAITING = 16
"""Requests that may wait for the one being worked on."""
MOST_PICTURES = 16
"""Pictures that may be open at once."""

SAMPLE_BYTES = {
    "uint8": 1, "uint16": 2, "uint32": 4, "float16": 2, "float32": 4, "float64": 8,
}  # fmt: skip
"""Bytes of a sample of each type; samples have the machine's own byte order."""
CHANNELS = (1, 2, 3, 4)
"""Grey, grey and alpha, RGB, RGB and alpha."""
ENCODINGS = ("profile", "display", "linear")
"""What says whether samples are linear light: their profile, or the plugin."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BRACKET = re.compile(rb"[\[\]{}]")


class ProtocolError(Exception):
    """A line or message that is not as agreed; its text is one sentence."""


def encode(message: Message) -> bytes:
    """Return a message as one line of ASCII, with its line break."""
    return json.dumps(message, allow_nan=False).encode("ascii") + b"\n"


def decode(line: bytes, longest: int = LONGEST_LINE) -> Message:
    """Read one line; raises ProtocolError if it is no JSON object within the limits."""
    line = line.rstrip(b"\r\n")
    if len(line) > longest:
        raise ProtocolError(f"a line of more than {longest} bytes")
    if nesting(line) > DEEPEST:
        raise ProtocolError(f"a line with more than {DEEPEST} levels of brackets")
    try:
        message = json.loads(
            line.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_unique
        )
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a line that is no JSON ({_brief(error)})") from error
    if not isinstance(message, dict):
        raise ProtocolError("a line that is no JSON object")
    return message


def nesting(line: bytes) -> int:
    """How many levels of brackets a line has outside its strings."""
    level = deepest = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", line)):
        level += 1 if bracket.group() in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> Message:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__


def check_keys(message: Message, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    """Raise ProtocolError unless a message has all `required` keys and none but `optional` more."""
    missing = [name for name in required if name not in message]
    if missing:
        raise ProtocolError(f"{missing[0]} is missing")
    unknown = sorted(set(message) - set(required) - set(optional))
    if unknown:
        raise ProtocolError(f"unknown field {unknown[0][:40]!r}")


def whole(message: Message, name: str, least: int, most: int) -> int:
    """The whole number `name`; raises ProtocolError unless it is within least..most."""
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ProtocolError(f"{name} must be a whole number from {least} to {most}")
    return value


def number(value: object, name: str, least: float, most: float) -> float:
    """`value` as a float; raises ProtocolError unless it is a number within least..most."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not (-1e300 < value < 1e300) or not math.isfinite(value):  # type: ignore
        raise ProtocolError(f"{name} must be a number from {least:g} to {most:g}")
    if not least <= value <= most:  # type: ignore[operator]
        raise ProtocolError(f"{name} must be a number from {least:g} to {most:g}")
    return float(value)  # type: ignore[arg-type]


def text(message: Message, name: str, longest: int = 200) -> str:
    """The text `name`; raises ProtocolError unless it is printable and short enough."""
    value = message.get(name)
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ProtocolError(f"{name} must be a text of at most {longest} letters")
    return value


def choice(message: Message, name: str, choices: tuple[str, ...]) -> str:
    """The text `name`; raises ProtocolError unless it is one of `choices`."""
    value = message.get(name)
    if not isinstance(value, str) or value not in choices:
        raise ProtocolError(f"{name} must be one of {', '.join(choices)}")
    return value


def fields_of(message: Message, name: str) -> Message:
    """The object `name`; raises ProtocolError unless it is one."""
    value = message.get(name)
    if not isinstance(value, dict):
        raise ProtocolError(f"{name} must be an object")
    return value


def region_of(message: Message, width: int, height: int) -> tuple[int, int, int, int]:
    """The `region` [x, y, w, h] of a picture, or all of it where none is given.

    Raises ProtocolError unless it lies within `width` x `height` and holds a pixel.
    """
    value = message.get("region")
    if value is None:
        return 0, 0, width, height
    wrong = ProtocolError(f"region must be [x, y, width, height] within {width} x {height}")
    if not isinstance(value, list) or len(value) != 4:
        raise wrong
    if any(isinstance(v, bool) or not isinstance(v, int) for v in value):
        raise wrong
    x, y, w, h = value
    if x < 0 or y < 0 or w < 1 or h < 1 or x + w > width or y + h > height:
        raise wrong
    return x, y, w, h


def error_answer(request: int | None, kind: str, message: str, detail: str = "") -> Message:
    """An answer that tells of an error: one sentence, and what a report of it should hold."""
    sentence = " ".join(message.split())[:2000]
    told = {"kind": kind, "message": sentence, "detail": detail[-20000:]}
    return {"id": request, "answer": "error", **told}


def version_mismatch(plugin: tuple[object, str], worker: tuple[object, str]) -> str:
    """Say that plugin and worker, each (protocol, version of dinplug), do not fit together."""
    return (
        f"the plugin is of dinplug {plugin[1]} (protocol {plugin[0]}) and the installed dinplug is "
        f"{worker[1]} (protocol {worker[0]}): run `dinplug plugin install` for this program again "
        "and restart it"
    )
