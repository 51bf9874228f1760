"""A photo's colours as a screen without colour management shows them: 8-bit sRGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dinplug.imaging import colour, pixels, profiles
from dinplug.imaging.photo import Photo


def as_srgb(photo: Photo) -> NDArray[np.uint8]:
    """Return a photo's colours as 8-bit sRGB (H, W, 3); what is transparent lies on white.

    Colours that sRGB does not have are clipped.
    """
    rgb, source = photo.rgb, photo.source
    if source.profile is not None and source.output_model in ("rgb", "grey"):
        own = colour.decode_srgb(rgb) if source.transfer == "linear" else rgb
        own = own[..., :1] if source.output_model == "grey" else own
        srgb = profiles.named_profile("srgb")
        rgb = profiles.convert(own, source.profile, source.output_model, srgb, "rgb")
    if photo.alpha is not None:
        rgb = 1 + (rgb - 1) * photo.alpha[..., None]
    return pixels.from_float(rgb, "uint", 8)
