"""Lists of paths, as `find`, `git ls-files` or a culling program write them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dinplug.errors import UsageError

LARGEST_LIST = 64 << 20
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_path_list(name: str) -> tuple[Path, ...]:
    """Read a file that lists paths, `-` for standard input. Raises UsageError and OSError."""
    with click.open_file(name, "rb") as stream:
        content = stream.read(LARGEST_LIST + 1)
    return parse_path_list(content, "standard input" if name == "-" else name)


def parse_path_list(content: bytes, name: str) -> tuple[Path, ...]:
    """Return the paths of a list, one a line, or each ended by a NUL where there are any.

    Bytes that are no UTF-8 stay what they are; so do spaces, and with NULs line breaks. `name` is
    what the list is called in errors. Raises UsageError for a list without paths.
    """
    if len(content) > LARGEST_LIST:
        raise UsageError(f"{name}: too long for a list of paths (over {LARGEST_LIST >> 20} MiB)")
    if content.startswith(_UTF16_MARKS):
        raise UsageError(f"{name}: is UTF-16; write the list as UTF-8")
    if b"\0" in content:
        entries = content.split(b"\0")
    else:
        content = content.removeprefix(_UTF8_MARK)
        entries = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    paths = tuple(Path(os.fsdecode(entry)) for entry in entries if entry)
    if not paths:
        raise UsageError(f"{name}: no paths in it")
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"{path}, of the list {name}, does not exist")
    return paths
