"""The documents say what is true: links lead somewhere, commands and snippets exist and run."""

import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest

from dinplug.cli import main

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(path: Path) -> str:
    """A document's name for test ids."""
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{name_of(path)} links to {target}"


def documented_commands() -> list[str]:
    """Every dinplug call in a shell block of a document."""
    lines = [
        line.split("#")[0].split("&&")[-1].strip()
        for path in DOCUMENTS
        for block in blocks(path, "sh")
        for line in block.splitlines()
    ]
    return [re.sub(r"^\S*dinplug ", "", line) for line in lines if re.match(r"\S*dinplug ", line)]


@pytest.mark.parametrize("line", documented_commands())
def test_documented_commands_exist(line: str) -> None:
    words = shlex.split(line)
    command: click.Command = main
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert command is not main, f"no command in: dinplug {line}"
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known | {"--help"}


def test_every_command_is_shown_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for name in main.commands:
        assert f"dinplug {name}" in readme


def test_the_readmes_python_runs(tiny_models: Path) -> None:
    (snippet,) = blocks(ROOT / "README.md", "python")
    names: dict[str, object] = {"pixels": np.zeros((12, 16, 3), np.uint8)}
    exec(snippet, names)
    restored = names["restored"]
    assert isinstance(restored, np.ndarray)
    assert restored.shape == (12, 16, 3)
