"""`dinplug models`: the list, and what comes in."""

from pathlib import Path

import pytest
from PIL import Image

from dinplug.checkpoints.weights_file import sha256
from dinplug.errors import SetupError
from dinplug.specs import MODELS
from tests.commands.shell import dinplug_says, photo


class TestModels:
    def test_the_list_has_every_model(self, tiny_models: Path) -> None:
        result = dinplug_says("models")
        assert result.exit_code == 0
        heading, *lines = result.stdout.splitlines()
        assert heading.split() == [
            "task", "model", "network", "scale", "parameters", "weights", "licence",
        ]  # fmt: skip
        listed = {line.split()[1]: line for line in lines}
        assert set(MODELS) | {"tiny-x2"} <= set(listed)
        assert "694,404" in listed["imdn-x2"] and "bundled" in listed["imdn-x2"]
        assert "none" in listed["msfin-x4"]
        assert "imported" in listed["tiny-x2"] and "any" in listed["tiny-as"]

    def test_a_card_is_shown(self, tiny_models: Path) -> None:
        result = dinplug_says("models", "show", "tiny-x2")
        assert result.exit_code == 0
        values = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
        assert values["task"] == "sr" and values["licence"] == "Apache-2.0"
        assert len(values["weights_sha256"]) == 64

    def test_authors_files_are_imported_and_used(
        self, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DINPLUG_DATA_HOME", str(tmp_path / "data"))
        checkpoint = shared / "reference" / "checkpoints" / "IMDN_x2.pth"
        result = dinplug_says("models", "import", checkpoint)
        assert result.exit_code == 0
        name = f"imdn-x2-{sha256(checkpoint.read_bytes())[:8]}"  # imdn-x2 is dinplug's own
        assert result.stdout.startswith(f"imported {name}: IMDN for sr, x2, 694,404 parameters")
        named = dinplug_says("models", "import", checkpoint, "--name", "mine")
        assert "--model mine" in named.stdout
        source = photo(tmp_path / "a.png")
        restored = dinplug_says("restore", "--model", "mine", source, tmp_path / "b.png")
        assert restored.exit_code == 0
        with Image.open(tmp_path / "b.png") as written:
            assert written.size == (48, 34)

    def test_a_file_that_is_no_checkpoint_is_one_line(
        self, tiny_models: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "evil.pth").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
        result = dinplug_says("models", "import", tmp_path / "evil.pth")
        assert result.exit_code == SetupError.exit_code
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ") and "evil.pth" in line
