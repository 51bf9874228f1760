"""A made-up CMYK profile that is linear in Lab, so that its look-up tables are exact.

L = 100 - 60 c - 40 k, a = 40 (m - 1/2), b = 40 (y - 1/2); the way back has no black ink.
Layout: ICC.1:2001, lut16Type (6.5.8), with Lab in the 16-bit encoding of version 2.
"""

import itertools
import struct

import numpy as np
from numpy.typing import NDArray


def lab_of(ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Lab of inks 0..1 (..., 4)."""
    cyan, magenta, yellow, black = np.moveaxis(ink, -1, 0)
    lightness = 100 - 60 * cyan - 40 * black
    return np.stack([lightness, 40 * (magenta - 0.5), 40 * (yellow - 0.5)], axis=-1)


def _lab_codes(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([lab[..., 0] * 652.8, (lab[..., 1] + 128) * 256, (lab[..., 2] + 128) * 256], -1)


def _ink_of(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    ink = np.stack([(100 - lab[..., 0]) / 60, lab[..., 1] / 40 + 0.5, lab[..., 2] / 40 + 0.5], -1)
    return np.concatenate([np.clip(ink, 0, 1), np.zeros((*ink.shape[:-1], 1))], -1)


def _table(inputs: int, outputs: int, grid: int, values: NDArray[np.float64]) -> bytes:
    head = struct.pack(">4s4xBBBx", b"mft2", inputs, outputs, grid)
    head += struct.pack(">9i", *(65536 * v for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    head += struct.pack(">HH", 2, 2)
    ramp = struct.pack(">HH", 0, 65535)
    codes = np.clip(np.rint(values), 0, 65535).astype(">u2").tobytes()
    return head + ramp * inputs + codes + ramp * outputs


def cmyk_profile() -> bytes:
    """Return the profile."""
    nodes = np.array(list(itertools.product([0.0, 1.0], repeat=4)))
    forward = _table(4, 3, 2, _lab_codes(lab_of(nodes)))
    # Nodes of the way back every 2 units of lightness or 4 of a and b: enough to follow the
    # clipping of inks, which is the only bend.
    grid = 65
    steps = np.linspace(0, 65535, grid)
    codes = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    lab = np.stack([codes[:, 0] / 652.8, codes[:, 1] / 256 - 128, codes[:, 2] / 256 - 128], -1)
    backward = _table(3, 4, grid, _ink_of(lab) * 65535)
    text = b"made-up inks\0"
    description = struct.pack(">4s4xI", b"desc", len(text)) + text + bytes(78)
    parts = {
        b"desc": description,
        b"cprt": b"text\0\0\0\0free to use\0",
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
        b"A2B0": forward,
        b"B2A0": backward,
    }
    table, body = b"", b""
    start = 132 + 12 * len(parts)
    for name, data in parts.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytearray(128)
    struct.pack_into(
        ">I4xI4s4s4s", header, 0, start + len(body), 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    struct.pack_into(">6H", header, 24, 2025, 1, 1, 0, 0, 0)
    header[36:40] = b"acsp"
    header[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    return bytes(header) + struct.pack(">I", len(parts)) + table + body
