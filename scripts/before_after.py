"""Make the README's picture: an example photo, hazy at the left and restored at the right.

python scripts/before_after.py [PHOTO] [PICTURE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from dinplug.checkpoints import load_model
from dinplug.imaging import read_photo
from dinplug.restoration import Restorer

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "examples" / "photos" / "ridges.png"
PICTURE = ROOT / "docs" / "images" / "before-after.jpg"
GAP = 8
"""White pixels between the two."""


def main(photo: Path = PHOTO, picture: Path = PICTURE) -> None:
    """Restore `photo` with the default model and save both side by side."""
    before = read_photo(photo).rgb
    after = Restorer(load_model(task="dehaze")).restore_pixels(before)
    gap = np.ones((before.shape[0], GAP, 3), np.float32)
    both = np.concatenate([before, gap, after], axis=1).clip(0, 1)
    image = Image.fromarray(np.rint(both * 255).astype(np.uint8))
    image.thumbnail((1200, 1200), Image.Resampling.LANCZOS)
    picture.parent.mkdir(parents=True, exist_ok=True)
    image.save(picture, quality=88)
    print(f"{picture}: {image.width} x {image.height}")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
