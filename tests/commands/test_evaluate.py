"""`dinplug evaluate`: scores of a model."""

import json
from pathlib import Path

import pytest

from tests.commands.shell import dinplug_says, photo


class TestEvaluate:
    def test_one_json_object(self, tiny_models: Path, tmp_path: Path) -> None:
        for number, name in enumerate(("b", "a")):
            photo(tmp_path / "hr" / f"{name}.png", number, (35, 33))
        result = dinplug_says("evaluate", "--model", "tiny-x2", "--hr", tmp_path / "hr", "--json")
        assert result.exit_code == 0, result.output
        values = json.loads(result.stdout)
        assert set(values) == {"model", "scale", "psnr", "ssim", "images"}
        assert (values["model"], values["scale"]) == ("tiny-x2", 2)
        assert [image["name"] for image in values["images"]] == ["a", "b"]
        for measure in ("psnr", "ssim"):
            mean = sum(image[measure] for image in values["images"]) / 2
            assert values[measure] == pytest.approx(mean, rel=1e-12)

    def test_a_table(self, tiny_models: Path, tmp_path: Path) -> None:
        photo(tmp_path / "hr" / "a.png", 1, (36, 32))
        photo(tmp_path / "lr" / "ax2.png", 2, (18, 16))
        arguments = ("--model", "tiny-x2", "--hr", tmp_path / "hr", "--lr", tmp_path / "lr")
        result = dinplug_says("evaluate", *arguments, "--ensemble", "--protocol", "whole")
        assert result.exit_code == 0, result.output
        heading, row, mean = result.stdout.splitlines()
        assert heading.split() == ["tiny-x2", "PSNR", "SSIM"]
        assert row.split()[1:] == mean.split()[1:] and mean.split()[0] == "mean"

    def test_pictures_that_do_not_fit_are_exit_code_1(
        self, tiny_models: Path, tmp_path: Path
    ) -> None:
        photo(tmp_path / "hr" / "a.png", 1, (36, 32))
        photo(tmp_path / "lr" / "a.png", 2, (18, 15))
        arguments = ("--model", "tiny-x2", "--hr", tmp_path / "hr", "--lr", tmp_path / "lr")
        result = dinplug_says("evaluate", *arguments)
        assert result.exit_code == 1
        assert "is 18x15, and a.png at scale 2 needs 18x16" in result.stderr
