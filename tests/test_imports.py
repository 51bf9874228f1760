"""Imports go one way: a module sees its own layer's parts and what lies below."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dinplug.hosts.installation import ENTRY, IN_HOST, LAYOUTS

ROOT = Path(__file__).resolve().parents[1]

# Layer by layer from the bottom; a module imports only from lower layers or its own package.
LAYERS = [
    {"errors", "folders", "thread_cache"},
    {"cpu", "startup"},
    {"atomic", "ops"},
    {"networks"},
    {"specs"},
    {"checkpoints"},
    {"imaging", "inference"},
    {"restoration", "evaluation", "listing"},
    {"training"},
    {"batch", "hosts"},
    {"commands", "doctor"},
    {"cli"},
    {"__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
SELF_CONTAINED = {"errors": set(), "imaging": {"errors"}, "thread_cache": set()}
"""Parts that need no more of dinplug than this, and so no torch."""


def sources() -> list[Path]:
    """Every module of the product."""
    return [*sorted((ROOT / "dinplug").rglob("*.py")), ROOT / "cli.py"]


HOSTS = ROOT / "dinplug" / "hosts"
IN_HOST_SOURCES = [
    *(HOSTS / f"{name}.py" for name in IN_HOST),
    *sorted(path for host in LAYOUTS for path in (HOSTS / host).rglob("*.py")),
]
"""Files that are copied into plugins: they import the standard library and the host's API only."""
HOST_APIS = {"krita": {"krita", "PyQt5", "PyQt6"}, "gimp": {"gi"}}


def part_of(path: Path) -> str:
    """The layer's part a file belongs to: a package or a module directly in dinplug."""
    if path.parent == ROOT:
        return path.stem
    return path.relative_to(ROOT / "dinplug").parts[0].removesuffix(".py")


def imported_parts(path: Path) -> Iterator[str]:
    """The parts of dinplug a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            if path in IN_HOST_SOURCES and node.level:
                continue
            assert node.level == 0, f"{path}: relative import"
            if node.module == "dinplug":
                names = [f"dinplug.{alias.name}" for alias in node.names]
            else:
                names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("dinplug."):
                yield name.split(".")[1]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downwards(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    assert part in LEVEL, f"{part} has no place in the layers"
    for imported in imported_parts(path):
        if imported == part or imported.startswith("__"):
            continue
        assert imported in LEVEL, f"{imported} has no place in the layers"
        assert LEVEL[imported] < LEVEL[part], f"{part} imports {imported}"
        if part in SELF_CONTAINED:
            assert imported in SELF_CONTAINED[part], f"{part} imports {imported}"


@pytest.mark.parametrize("path", IN_HOST_SOURCES, ids=lambda p: str(p.relative_to(HOSTS)))
def test_what_runs_in_a_host_imports_the_standard_library_only(path: Path) -> None:
    known = set(sys.stdlib_module_names) | HOST_APIS.get(path.parent.name, set())
    siblings = {file.stem for file in IN_HOST_SOURCES if file.parent == path.parent}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            modules = [alias.name for alias in node.names] if not node.module else [node.module]
            if path.name == ENTRY:
                allowed = {f"hosts.{path.parent.name}.{name}" for name in siblings}
            else:
                allowed = siblings if node.level == 1 else set(IN_HOST)
            assert set(modules) <= allowed, f"{path} imports {modules}"
        elif isinstance(node, ast.ImportFrom):
            first = (node.module or "").split(".")[0]
            assert first in known | ({"hosts"} if path.name == ENTRY else set())
        elif isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= known


def test_kernels_import_nothing_of_dinplug() -> None:
    for path in (ROOT / "kernels").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").split(".")[0] not in ("dinplug", "kernels")
            elif isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & {
                    "dinplug",
                    "kernels",
                }
