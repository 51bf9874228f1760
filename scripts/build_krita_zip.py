#!/usr/bin/env python
"""Build the zip that Krita imports: Tools > Scripts > Import Python Plugin from File.

The same source gives the same bytes: names are sorted, times fixed, nothing is compressed.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import dinplug
from dinplug.atomic import write_atomically
from dinplug.errors import DinplugError
from dinplug.hosts.installation import plugin_files

_FIRST_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest a zip can name."""


def zip_of(files: Mapping[PurePosixPath, bytes]) -> bytes:
    """A zip of the files and of their folders, without whose entries Krita finds no plugin."""
    buffer = io.BytesIO()
    folders = {parent for path in files for parent in path.parents[:-1]}
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted({*files, *folders}):
            entry = zipfile.ZipInfo(f"{path}/" if path in folders else str(path), _FIRST_TIME)
            entry.create_system = 3  # POSIX, whatever this machine is
            entry.external_attr = (0o40755 if path in folders else 0o100644) << 16
            archive.writestr(entry, files.get(path, b""))
    return buffer.getvalue()


def main() -> None:
    """Write the zip."""
    parser = argparse.ArgumentParser(description="Build the zip that Krita's importer takes.")
    default = Path("dist") / f"dinplug-krita-{dinplug.__version__}.zip"
    parser.add_argument("zip", type=Path, nargs="?", default=default, help=f"default: {default}")
    target = parser.parse_args().zip
    try:
        write_atomically(zip_of(plugin_files("krita")), target)
    except DinplugError as error:
        sys.exit(f"Error: {error}")
    print(target)


if __name__ == "__main__":
    main()
