"""Shells complete commands, options, tasks, models and presets, and soon."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dinplug.cli import main
from dinplug.commands.completion import SHELLS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(tmp_path: Path, tiny_models: Path) -> dict[str, str]:
    """Models, a preset and a command `dinplug` of this tree."""
    (tmp_path / "config" / "presets").mkdir(parents=True)
    (tmp_path / "config" / "presets" / "web.toml").write_text("tile = 64")
    (tmp_path / "config" / "config.toml").write_text("damaged")  # nobody reads it for this
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "dinplug"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dinplug "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "DINPLUG_CONFIG_HOME": str(tmp_path / "config"),
        "DINPLUG_DATA_HOME": str(tiny_models),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
    }


def offered(environment: dict[str, str], line: str) -> list[str]:
    """What the last word of a line may become, asked as bash asks."""
    words = line.split(" ")
    asked = {
        **environment,
        "_DINPLUG_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    code = (
        "import sys; sys.argv = ['dinplug']\n"
        "from dinplug.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=asked)
    assert (result.returncode, result.stderr) == (0, "")
    return [item.partition(",")[2] for item in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("dinplug wat", {"watch"}),
        ("dinplug batch --task de", {"deblur", "derain", "dehaze"}),
        ("dinplug restore --model tiny-d", {"tiny-derain", "tiny-dehaze"}),
        ("dinplug watch --preset ", {"web"}),
        ("dinplug presets show w", {"web"}),
        ("dinplug models show imdn-x", {"imdn-x2", "imdn-x3", "imdn-x4"}),
        ("dinplug batch --preset web --compr", {"--compression"}),
        ("dinplug completion z", {"zsh"}),
    ],
)
def test_words_are_completed_without_torch(
    environment: dict[str, str], line: str, expected: set[str]
) -> None:
    assert set(offered(environment, line)) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_DINPLUG_COMPLETE" in result.stdout


CHECKS = {
    "bash": 'eval "$(dinplug completion bash)"; complete -p dinplug; COMP_WORDS=(dinplug batch '
    "--task deh); COMP_CWORD=3; _dinplug_completion dinplug; echo ${COMPREPLY[@]}",
    "zsh": 'autoload -Uz compinit; compinit -u; eval "$(dinplug completion zsh)"; '
    "echo ${_comps[dinplug]}; dinplug completion zsh | zsh -n",
    "fish": 'dinplug completion fish | source; complete -C "dinplug batch --task deh"',
}
ANSWERS = {"bash": "dehaze", "zsh": "_dinplug_completion", "fish": "dehaze"}


@pytest.mark.parametrize("shell", SHELLS)
def test_real_shells_take_it(shell: str, environment: dict[str, str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    result = subprocess.run(
        [shell, "-c", CHECKS[shell]], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert ANSWERS[shell] in result.stdout
