"""Decode one camera RAW with LibRaw, in a process of its own.

Run as a script: `raw_decoder.py PATH MAX_PIXELS info|decode`. LibRaw reports damaged sensor
data only on the standard error stream, and old formats' decoders have crashed on hostile
files; a process of its own lets the parent read the one and survive the other. Standard
output gets a line of JSON and, for "decode", the pixels as 16-bit samples in native order.
Needs rawpy and numpy only.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import rawpy

# IEC 61966-2-1 as LibRaw takes it: power and slope of the straight part.
_SRGB_GAMMA = (2.4, 12.92)
# No camera's lossy mode goes below about 1 bit a pixel; under a tenth of that, data are missing.
_LEAST_BITS = 0.1


def _facts(raw: Any, path: str) -> dict[str, Any]:
    sizes = raw.sizes
    width, height = sizes.iwidth, sizes.iheight
    if sizes.flip in (5, 6):
        width, height = height, width
    other = raw.other
    stamp = other.timestamp
    return {
        "width": width,
        "height": height,
        "sensor": [sizes.raw_width, sizes.raw_height],
        "iso": float(other.iso_speed),
        "exposure": float(other.shutter_speed),
        "aperture": float(other.aperture),
        "focal_length": float(other.focal_length),
        # LibRaw says the start of 1970 where it knows no date.
        "taken": stamp.strftime("%Y:%m:%d %H:%M:%S") if stamp and stamp.year > 1970 else None,
        "artist": str(other.artist or ""),
    }


def _fail(reason: str) -> None:
    sys.stdout.write(json.dumps({"error": reason}) + "\n")
    sys.stdout.flush()


def main(path: str, max_pixels: int, wish: str) -> None:
    """Write the facts, and the pixels if `wish` is "decode"."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
    with rawpy.imread(path) as raw:
        facts = _facts(raw, path)
        count = facts["sensor"][0] * facts["sensor"][1]
        if count > max_pixels:
            _fail(f"{count} pixels are more than the limit of {max_pixels}")
            return
        if size * 8 < count * _LEAST_BITS:
            _fail("the sensor data are missing")
            return
        if wish == "info":
            sys.stdout.write(json.dumps(facts) + "\n")
            return
        sensor = raw.raw_image
        if sensor is not None and sensor.size and sensor.min() == sensor.max():
            _fail("the sensor data are missing")
            return
        pixels = raw.postprocess(
            use_camera_wb=True,
            output_bps=16,
            output_color=rawpy.ColorSpace.sRGB,
            gamma=_SRGB_GAMMA,
            no_auto_bright=True,
        )
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.min() == pixels.max():
        _fail("LibRaw gives no picture for it")
        return
    facts |= {"shape": pixels.shape, "dtype": "u2"}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(np.ascontiguousarray(pixels, np.uint16).data)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    except rawpy.LibRawError as error:
        text = error.args[0] if error.args else ""
        _fail(text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text))
