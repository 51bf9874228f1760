"""Commands run in this process, and photos to give them."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from PIL import Image

from dinplug.cli import main


def dinplug_says(*arguments: str | Path) -> Result:
    """Run a command in this process; anything but our own exits is an error of the test."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (24, 17)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path
