"""Pictures for Krita: samples as it keeps them, and what `dinplug restore` makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray

from dinplug.cli import main

Samples = NDArray[Any]
PROFILES = Path("/usr/share/color/icc/krita")
TYPES = {"U8": "uint8", "U16": "uint16", "F16": "float16", "F32": "float32"}
SRGB, LINEAR = "sRGB-elle-V2-srgbtrc.icc", "sRGB-elle-V2-g10.icc"
GREY, LINEAR_GREY = "Gray-D50-elle-V2-srgbtrc.icc", "Gray-D50-elle-V2-g10.icc"


def picture(depth: str, channels: int, width: int, height: int, alpha: str = "opaque") -> Samples:
    """Hazy shapes with noise (H, W, C), alpha last: "opaque", or "soft" from clear to opaque."""
    random = np.random.default_rng(width * height + channels)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [0.5 + 0.3 * np.sin(9 * x + 5 * y + phase) for phase in range(channels - 1)]
    values = np.stack(waves, axis=2) + random.normal(0, 0.03, (height, width, 1))
    values[height // 3 : height // 2, width // 4 : width // 2] *= 0.4
    opacity = np.ones((height, width)) if alpha == "opaque" else np.clip(1.4 * x, 0, 1)
    unit = np.concatenate([np.clip(values, 0, 1), opacity[..., None]], axis=2)
    kind = np.dtype(TYPES[depth])
    full = 1.0 if kind.kind == "f" else float(np.iinfo(kind).max)
    scaled: Samples = (unit * full + (0 if kind.kind == "f" else 0.5)).astype(kind)
    return scaled


def swapped(samples: Samples) -> Samples:
    """Samples in Krita's order, or back: whole numbers have blue first."""
    if samples.shape[2] == 4 and samples.dtype.kind == "u":
        return np.ascontiguousarray(samples[..., [2, 1, 0, 3]])
    return samples


def read(path: Path, depth: str, channels: int, size: tuple[int, int]) -> Samples:
    """Samples (H, W, C) that were dumped in Krita's order; `size` is (width, height)."""
    flat = np.frombuffer(path.read_bytes(), TYPES[depth])
    return swapped(flat.reshape(size[1], size[0], channels))


def restored(samples: Samples, profile: str, folder: Path, *options: str) -> Samples:
    """What `dinplug restore` makes of a TIFF of the same samples and profile."""
    before, after = folder / "before.tif", folder / "after.tif"
    tifffile.imwrite(
        before,
        samples,
        photometric="rgb" if samples.shape[2] == 4 else "minisblack",
        extrasamples=["unassalpha"],
        planarconfig="contig",
        metadata=None,
        iccprofile=(PROFILES / profile).read_bytes(),
    )
    done = CliRunner().invoke(main, ["restore", *options, "--overwrite", str(before), str(after)])
    assert done.exit_code == 0, done.output
    found = tifffile.imread(after)
    assert isinstance(found, np.ndarray) and found.dtype == samples.dtype
    return found
