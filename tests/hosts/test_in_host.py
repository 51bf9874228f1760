"""What runs inside a host keeps to Python 3.8, the standard library and the host's API."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import vermin

from dinplug.hosts.installation import LAYOUTS, write_plugin
from tests.test_imports import HOST_APIS, HOSTS, IN_HOST_SOURCES

# Methods of the standard library that came after Python 3.8, on values whose type vermin misses.
NEWER_METHODS = {"removeprefix", "removesuffix", "is_relative_to", "bit_count"}


@pytest.mark.parametrize("path", IN_HOST_SOURCES, ids=lambda p: str(p.relative_to(HOSTS)))
def test_it_is_python_3_8(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text, feature_version=(3, 8))
    least = vermin.detect(text)[1]
    assert least is not None and least <= (3, 8)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert node.attr not in NEWER_METHODS
        if isinstance(node, ast.Call):
            assert not _is_check_of_union(node)
        if isinstance(node, ast.FunctionDef | ast.AnnAssign | ast.arg):
            # They are not evaluated then, so that they may be of a newer kind.
            assert "from __future__ import annotations" in text


def _is_check_of_union(call: ast.Call) -> bool:
    """Whether a call is isinstance(x, A | B), which came with Python 3.10."""
    named = isinstance(call.func, ast.Name) and call.func.id in ("isinstance", "issubclass")
    return named and isinstance(call.args[1], ast.BinOp)


def python_3_8() -> str | None:
    """A Python 3.8 of this machine, if there is one (DINPLUG_PYTHON38 names one)."""
    named = os.environ.get("DINPLUG_PYTHON38")
    found = [path for path in (named, shutil.which("python3.8")) if path]
    found += map(str, Path.home().glob(".pyenv/versions/3.8.*/bin/python"))
    for path in found:
        said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        if said.startswith("Python 3.8."):
            return path
    return None


@pytest.fixture(params=["this Python", "Python 3.8"])
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter to load the plugins with."""
    found = sys.executable if request.param == "this Python" else python_3_8()
    if found is None:
        pytest.skip("no Python 3.8 here (DINPLUG_PYTHON38 names one)")
    return found


@pytest.mark.parametrize("host", LAYOUTS)
def test_the_installed_plugin_loads_alone(host: str, python: str, tmp_path: Path) -> None:
    """Every module, as the host imports it, where nothing else can be imported."""
    write_plugin(host, tmp_path)
    base = tmp_path / LAYOUTS[host].plugin
    root = base.parent if host == "krita" else base  # what the host puts on Python's path
    modules = [
        ".".join(path.relative_to(root).with_suffix("").parts).replace(".__init__", "")
        for path in sorted(base.rglob("*.py"))
    ]
    loader = Path(__file__).with_name("load_alone.py")
    done = subprocess.run(
        [python, "-I", "-S", "-W", "error", loader, root, ",".join(HOST_APIS[host]), *modules],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == modules
