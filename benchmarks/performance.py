"""Where benchmarks put their tables: between the marks of docs/performance.md."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def put_table(name: str, lines: list[str], document: Path = DOCUMENT) -> None:
    """Replace what stands between the marks of `name`; ValueError if there are none."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = document.read_text("utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{document} has no marks {begin} and {end}")
    document.write_text(pattern.sub(lambda _: "\n".join([begin, *lines, end]), text), "utf-8")


def machine(*packages: str) -> str:
    """The processor, its load, versions and dinplug's commit, for the line under a table.

    `packages` are named with torch.
    """
    text = Path("/proc/cpuinfo").read_text("ascii", "replace")
    found = re.search(r"model name\s*:\s*(.+)", text)
    name = found[1].strip() if found else platform.processor() or platform.machine()
    features = " with AVX-512" if "avx512f" in text else ""
    load = os.getloadavg()[0]
    versions = [f"{package} {version(package)}" for package in ("torch", *packages)]
    return (
        f"{os.cpu_count()} cores of {name}{features}, {', '.join(versions)}; dinplug {commit()}; "
        f"load {load:.1f} when the table was done."
    )


def commit() -> str:
    """The last commit that changed the package; "?" without git."""
    command = ["git", "log", "-1", "--format=%h", "--", "dinplug"]
    folder = DOCUMENT.parents[1]
    try:
        found = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "?"
    return found.stdout.strip() or "?"
