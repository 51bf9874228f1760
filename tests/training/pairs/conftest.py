"""Photos to make pairs of."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Three photos of 240 x 200 pixels, patches of random colours of all brightnesses."""
    files = [tmp_path / f"photo{n}.png" for n in range(3)]
    for number, file in enumerate(files):
        colours = np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(colours).resize((240, 200), Image.Resampling.BICUBIC).save(file)
    return files
