"""`dinplug verify`: results are made again and compared."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import dinplug
from dinplug.atomic import write_atomically
from dinplug.checkpoints.cards import read_card
from dinplug.checkpoints.weights_file import write_safetensors
from dinplug.cli import main
from dinplug.imaging import WriteOptions, read_photo, write_photo
from dinplug.specs import build_network
from tests.tiny_models import TINY


def dinplug_says(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def photo(name: str, channels: int = 3, size: tuple[int, int] = (90, 70)) -> Path:
    """A soft picture with some noise, of several kinds of channels."""
    rows, columns = np.mgrid[: size[1], : size[0]]
    planes = [rows * 2, columns * 2, rows + columns, 255 - rows][:channels]
    noise = np.random.default_rng(4).integers(0, 40, (size[1], size[0], channels))
    pixels = (np.stack(planes, axis=2) + noise).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels.squeeze()).save(name)
    return Path(name)


def made(source: Path, target: str, *wishes: str) -> Path:
    result = dinplug_says("restore", "--model", "tiny-derain", *wishes, source, target)
    assert result.exit_code == 0, result.output
    return Path(target)


def changed(result: Path, pixels: tuple[slice, slice], by: float) -> None:
    """Change some of a result's pixels, and keep its note."""
    read = read_photo(result)
    rgb = read.rgb.copy()
    rgb[pixels] += by
    options = WriteOptions(quality=100 if result.suffix == ".jpg" else None)
    write_photo(read.restored(rgb), Path("changed"), options)
    Path("changed").replace(result)


@pytest.mark.parametrize(
    ("channels", "target", "wishes"),
    [
        (3, "b.png", []),
        (3, "b.jpg", ["--quality", "70"]),
        (3, "b.webp", ["--quality", "60"]),
        (3, "b.tif", ["--bit-depth", "16", "--strength", "0.4", "--compression", "lzw"]),
        (3, "b.tif", ["--bit-depth", "32", "--ensemble"]),
        (1, "b.png", ["--tile", "32"]),
        (4, "b.png", ["--model", "tiny-x2"]),
        (3, "b.png", ["--model", "tiny-as", "--scale", "1.7"]),
        (3, "b.jpg", ["--output-profile", "display-p3", "--max-memory", "1G"]),
        (3, "b.png", ["--reference"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_dinplug_makes_is_the_same(channels: int, target: str, wishes: list[str]) -> None:
    source = photo("a.png", channels)
    result = dinplug_says("verify", source, made(source, target, *wishes))
    assert result.exit_code == 0, result.output
    first, difference, bound, _ = result.stdout.splitlines()
    assert first == f"{target}: the same, made again untiled"
    assert "largest " in difference
    assert ("through the lossy coding" in bound) is (target in ("b.jpg", "b.webp"))


@pytest.mark.parametrize("target", ["b.png", "b.tif", "b.jpg"])
def test_a_few_changed_pixels_are_found(target: str) -> None:
    source = photo("a.png")
    result = made(source, target)
    changed(result, (slice(20, 24), slice(30, 34)), 0.3)
    verdict = dinplug_says("verify", source, result, "--json")
    assert verdict.exit_code == 1, verdict.output
    found = json.loads(verdict.stdout)
    assert not found["same"] and found["levels"] == 255
    assert found["difference"]["largest"] > max(found["bound"], 40)
    assert "NOT the same" in dinplug_says("verify", source, result).stdout


def test_ordinary_tiles_are_not_the_same_and_show() -> None:
    """The very fault: each tile restored as if it were a picture of its own."""
    source = photo("a.png", size=(256, 192))
    with Image.open(source) as picture:
        pixels = np.asarray(picture)
    result = made(source, "b.png")
    read = read_photo(result)
    rgb = read.rgb.copy()
    rng = np.random.default_rng(1)
    for top in range(0, 192, 64):
        for left in range(0, 256, 64):
            tile = pixels[top : top + 64, left : left + 64]
            restored = dinplug.restore(tile, model="tiny-derain").astype(np.float32) / 255
            rgb[top : top + 64, left : left + 64] = restored + rng.uniform(-0.2, 0.2)
    result.unlink()
    write_photo(read.restored(rgb), result)
    verdict = dinplug_says("verify", source, result, "--tile", "64", "--json")
    assert verdict.exit_code == 1
    seams = json.loads(verdict.stdout)["seams"]
    assert seams["borders"] == 5 and seams["score"] > seams["highest"] > 1


def test_another_photo_is_not_the_same() -> None:
    source = photo("a.png")
    result = made(source, "b.png")
    Image.new("RGB", (90, 70), (9, 90, 120)).save(source)
    assert dinplug_says("verify", source, result).exit_code == 1


def test_the_last_of_several_steps_is_verified() -> None:
    first = photo("a.png")
    second = made(first, "b.png")
    third = made(second, "c.png", "--model", "tiny-x2")
    assert dinplug_says("verify", second, third).exit_code == 0
    result = dinplug_says("verify", first, third)
    assert result.exit_code == 2
    assert "c.png was not made from a.png: the last of its 2 restorations was of b.png" in (
        result.stderr
    )


def test_tiles_are_as_large_as_memory_allows() -> None:
    source = photo("a.png", size=(300, 300))
    result = made(source, "b.tif", "--bit-depth", "16")
    verdict = dinplug_says("verify", source, result, "--max-memory", "30M")
    assert verdict.exit_code == 0, verdict.output
    assert "made again in tiles of side " in verdict.stdout


def complaint(source: Path, result: Path, exit_code: int) -> str:
    verdict = dinplug_says("verify", source, result)
    assert (verdict.exit_code, verdict.stdout) == (exit_code, "")
    (line,) = verdict.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


class TestWhatCannotBeVerified:
    def test_a_file_that_dinplug_did_not_make(self) -> None:
        assert "not made by dinplug" in complaint(photo("a.png"), photo("b.png"), 2)

    def test_another_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source = photo("a.png")
        with monkeypatch.context() as patched:
            patched.setattr(dinplug, "__version__", "0.0.9")
            result = made(source, "b.png")
        assert "made by dinplug 0.0.9, and this is" in complaint(source, result, 2)

    def test_weights_that_are_not_here(
        self, tmp_path: Path, tiny_models: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = photo("a.png")
        result = made(source, "b.png")
        shutil.copytree(tiny_models / "models", tmp_path / "other" / "models")
        monkeypatch.setenv("DINPLUG_DATA_HOME", str(tmp_path / "other"))
        weights = tmp_path / "other" / "models" / "tiny-derain.safetensors"
        card = read_card(weights.with_suffix(".json"))
        weights.unlink()
        digest = write_safetensors(build_network(TINY["tiny-derain"][1]).state_dict(), weights)
        text = replace(card, weights_sha256=digest).to_json().encode()
        weights.with_suffix(".json").unlink()
        write_atomically(text, weights.with_suffix(".json"))
        assert "made with weights of tiny-derain that are not here" in complaint(source, result, 3)

    @pytest.mark.parametrize("case", ["cropped", "resized"])
    def test_a_result_of_another_size(self, case: str) -> None:
        source = photo("a.png")
        result = made(source, "b.png")
        read = read_photo(result)
        rgb = read.rgb[:60] if case == "cropped" else np.repeat(read.rgb, 2, axis=0)
        result.unlink()
        write_photo(read.restored(rgb), result)
        assert "cropped or resized since" in complaint(source, result, 2)

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            (WriteOptions(bit_depth=8), "bits"),
            (WriteOptions(output_profile="display-p3"), "colour profile"),
        ],
        ids=["bits", "profile"],
    )
    def test_a_result_that_was_converted(self, options: WriteOptions, what: str) -> None:
        source = photo("a.png")
        result = made(source, "b.tif", "--bit-depth", "16")
        read = read_photo(result)
        result.unlink()
        write_photo(read, result, options)
        assert f"its {what} is not what dinplug wrote" in complaint(source, result, 2)

    def test_folders(self, tmp_path: Path) -> None:
        assert "compared with --same" in complaint(tmp_path, photo("a.png"), 2)

    def test_what_is_no_photo(self) -> None:
        source = photo("a.png")
        Path("b.png").write_text("no photo")
        assert "b.png" in complaint(source, Path("b.png"), 1)


class TestSamePixels:
    def test_of_two_files(self) -> None:
        source = photo("a.png")
        one, other = made(source, "one.png"), made(source, "other.tif")
        same = dinplug_says("verify", "--same", one, other)
        assert same.exit_code == 0, same.output
        changed(one, (slice(3, 4), slice(5, 6)), 2 / 255)
        result = dinplug_says("verify", "--same", one, other)
        assert result.exit_code == 1
        assert "largest difference 2 of 255 levels" in result.stdout

    def test_of_two_runs(self) -> None:
        Path("photos/trip").mkdir(parents=True)
        for name in ("a.png", "b.png", "trip/c.png", "d.png"):
            photo(f"photos/{name}")
        for out in ("one", "other"):
            arguments = ["--model", "tiny-derain", "--out", out]
            assert dinplug_says("batch", "photos", *arguments).exit_code == 0
        result = dinplug_says("verify", "--same", "one", "other")
        assert result.exit_code == 0
        assert result.stdout == "4 of 4 photos have the same pixels\n"
        Path("other/a.png").unlink()
        changed(Path("one/trip/c.png"), (slice(0, 1), slice(0, 1)), -0.1)
        shutil.copy("photos/b.png", "one/e.png")
        Path("one/d.png").write_bytes(b"damaged")
        found = json.loads(dinplug_says("verify", "--same", "one", "other", "--json").stdout)
        assert found["compared"] == 5
        assert set(found["differing"]) == {"a.png", "d.png", "e.png", "trip/c.png"}
        assert found["differing"]["a.png"] == "not in other"
        assert found["differing"]["e.png"] == "not in other"

    def test_of_a_file_and_a_folder(self, tmp_path: Path) -> None:
        result = dinplug_says("verify", "--same", photo("a.png"), tmp_path)
        assert result.exit_code == 2 and "two files, or two folders" in result.stderr

    def test_of_folders_without_photos(self, tmp_path: Path) -> None:
        assert dinplug_says("verify", "--same", tmp_path, tmp_path).exit_code == 2
