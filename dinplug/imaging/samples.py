"""Photos that come as samples in memory, not as a file: from a painting program's layer, and back.

The way there and the way back are those of a TIFF of the same samples and profile.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dinplug.imaging import colour, pixels
from dinplug.imaging.decoded import Decoded
from dinplug.imaging.photo import Photo, SampleFormat, Samples, Transfer
from dinplug.imaging.read import photo_of

_NOWHERE = Path("layer")
_FORMATS: dict[str, tuple[SampleFormat, int]] = {
    "uint8": ("uint", 8),
    "uint16": ("uint", 16),
    "uint32": ("uint", 32),
    "float16": ("float", 16),
    "float32": ("float", 32),
    "float64": ("float", 64),
}
SAMPLE_TYPES = tuple(_FORMATS)


def photo_from_samples(
    samples: Samples, profile: bytes | None = None, *, transfer: Transfer | None = None
) -> Photo:
    """Make a photo of samples (H, W, C): grey, grey and alpha, RGB, or RGB and alpha (C 1 to 4).

    Their type is one of SAMPLE_TYPES; full intensity is the largest whole number, or 1.0; alpha
    is straight. `profile` is an ICC profile for them; one that does not fit is ignored, which
    `source.warnings` tells. `transfer` says whether they are linear light; None leaves that to
    the profile, and takes floats without one for linear. Raises ValueError for other types.
    """
    if samples.ndim != 3 or samples.shape[2] not in (1, 2, 3, 4) or 0 in samples.shape:
        raise ValueError(f"samples must be (H, W, 1 to 4), not {samples.shape}")
    if samples.dtype.name not in _FORMATS:
        raise ValueError(f"samples must be {', '.join(SAMPLE_TYPES)}, not {samples.dtype}")
    sample, bits = _FORMATS[samples.dtype.name]
    has_alpha = samples.shape[2] in (2, 4)
    count = samples.shape[2] - has_alpha
    decoded = Decoded(
        samples[..., :count],
        "grey" if count == 1 else "rgb",
        bits,
        1.0 if sample == "float" else float(2**bits - 1),
        sample,
        samples[..., count] if has_alpha else None,
        "straight" if has_alpha else "none",
        profile=profile,
    )
    return photo_of(_NOWHERE, "tiff", decoded, transfer=transfer)


def samples_from_photo(photo: Photo) -> Samples:
    """Return the pixels of a photo made by `photo_from_samples`, (H, W, C) as they came.

    Whole numbers are rounded and clipped; floats keep all values that their type holds.
    """
    source = photo.source
    values = pixels.put_back(photo.rgb, source.held)
    if source.model == "grey":
        values = colour.rgb_to_grey(values)[..., None]
    if source.transfer == "linear":
        values = colour.decode_srgb(values)
    samples = pixels.from_float(values, source.sample, source.bits)
    if photo.alpha is None:
        return samples
    alpha = pixels.from_float(photo.alpha, source.sample, source.bits)
    return np.concatenate([samples, alpha[..., None]], axis=2)
