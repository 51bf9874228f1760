"""What the sources never call: shells, code from data, temporary files that others could take."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path
    for place in ("dinplug", "kernels", "scripts", "benchmarks", "cli.py")
    for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py"))
)
FORBIDDEN = {
    "eval", "exec", "os.system", "os.popen", "os.spawnl", "os.spawnv", "pty.spawn",
    "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads",
    "shelve.open", "yaml.load", "tempfile.mktemp", "tempfile.NamedTemporaryFile",
    "tarfile.open", "shutil.unpack_archive", "urllib.request.urlopen", "torch.hub.load",
    "torch.hub.load_state_dict_from_url",
}  # fmt: skip
NETWORK = {
    "aiohttp", "ftplib", "http.client", "httpx", "requests", "smtplib", "telnetlib",
    "urllib.request", "urllib3", "websocket", "xmlrpc",
}  # fmt: skip


def called(node: ast.Call) -> str:
    """The dotted name of what is called."""
    names = []
    function: ast.expr = node.func
    while isinstance(function, ast.Attribute):
        names.append(function.attr)
        function = function.value
    names.append(function.id if isinstance(function, ast.Name) else "")
    return ".".join(reversed(names))


def faults(tree: ast.AST) -> Iterator[str]:
    """Everything in a module that must not be there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = called(node)
            keywords = {word.arg: word.value for word in node.keywords}
            if name in FORBIDDEN or name.endswith(".extractall"):
                yield f"line {node.lineno}: {name}"
            if "shell" in keywords:
                yield f"line {node.lineno}: {name} with shell"
            if name == "torch.load" and ast.unparse(keywords.get("weights_only", node)) != "True":
                yield f"line {node.lineno}: torch.load without weights_only=True"
            if "allow_pickle" in keywords:
                yield f"line {node.lineno}: {name} with allow_pickle"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in NETWORK:
                    yield f"line {node.lineno}: import {alias.name}"
        elif isinstance(node, ast.ImportFrom) and node.module in NETWORK:
            yield f"line {node.lineno}: from {node.module} import"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_dangerous_is_called(path: Path) -> None:
    assert list(faults(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "line",
    [
        "subprocess.run(command, shell=True)",
        "os.system('ls')",
        "exec(text)",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "numpy.load(file, allow_pickle=True)",
        "archive.extractall(folder)",
        "import requests",
        "from urllib.request import urlopen",
    ],
)
def test_it_would_be_noticed(line: str) -> None:
    assert list(faults(ast.parse(line)))


def test_there_are_sources() -> None:
    assert len(SOURCES) > 100
