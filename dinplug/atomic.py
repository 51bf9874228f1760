"""Write a whole file or nothing."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from dinplug.errors import SetupError


def write_atomically(content: bytes, file: Path) -> None:
    """Write `file` and the folders above it; one that is replaced keeps its permissions.

    Raises:
        SetupError: it cannot be written; the old one, if any, is as it was.
    """
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            if file.exists():
                shutil.copymode(file, part)
            os.replace(part, file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SetupError(f"cannot write {file}: {error.strerror or error}") from error
