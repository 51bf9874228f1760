"""What runs inside a host keeps to Python 3.8 and the standard library."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dinplug.hosts.installation import IN_HOST
from tests.test_imports import HOSTS, IN_HOST_SOURCES, ROOT

# Names of the standard library that came after Python 3.8.
NEWER_METHODS = {"removeprefix", "removesuffix", "is_relative_to", "bit_count", "pairwise"}
NEWER_MODULES = {"tomllib", "zoneinfo", "graphlib"}


@pytest.mark.parametrize("path", IN_HOST_SOURCES, ids=lambda p: str(p.relative_to(HOSTS)))
def test_it_is_python_3_8(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text, feature_version=(3, 8))
    # Annotations are not evaluated, so that they may be of a newer kind.
    code = [node for node in tree.body if not isinstance(node, ast.Expr)]
    assert not code or "from __future__ import annotations" in text
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Match)
        if isinstance(node, ast.Attribute):
            assert node.attr not in NEWER_METHODS
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not {alias.name for alias in node.names} & NEWER_MODULES
        if isinstance(node, ast.Call):
            is_zip = isinstance(node.func, ast.Name) and node.func.id == "zip"
            assert not is_zip or "strict" not in {keyword.arg for keyword in node.keywords}
            assert not _is_check_of_union(node)


def _is_check_of_union(call: ast.Call) -> bool:
    """Whether a call is isinstance(x, A | B), which came with Python 3.10."""
    named = isinstance(call.func, ast.Name) and call.func.id in ("isinstance", "issubclass")
    return named and isinstance(call.args[1], ast.BinOp)


def test_it_works_alone_without_any_package(tmp_path: Path) -> None:
    plugin = tmp_path / "some_plugin"
    plugin.mkdir()
    (plugin / "__init__.py").write_text("")
    for name in IN_HOST:
        shutil.copy(HOSTS / f"{name}.py", plugin)
    shutil.copy(ROOT / "plugin_manifest.json", plugin)
    code = f"""
import json, sys
sys.path.insert(0, {str(tmp_path)!r})
from some_plugin import client, launch, manifest, pixels, protocol, sandbox
assert manifest.manifest_path() == {str(plugin / "plugin_manifest.json")!r}
task = manifest.task_of(manifest.load_manifest(), "dehaze")
assert manifest.checked(task, {{"strength": 0.5}})["strength"] == 0.5
try:
    client.Client(launch.Launch(("/nowhere/python",)), "test", "0.1.0", parent={str(tmp_path)!r})
except launch.LaunchError:
    pass
print(json.dumps(sorted(name.split(".")[0] for name in sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert loaded <= sys.stdlib_module_names | {"some_plugin", "__main__"}
