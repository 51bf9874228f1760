"""The authors' MSFIN checkpoints: which network they are of, and our names for their keys."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from dinplug.networks.msfin import MSFINSpec


def recognise(shapes: Mapping[str, tuple[int, ...]]) -> MSFINSpec | None:
    """The network whose released state dict has these keys and shapes, or None.

    How often blocks are looped is not in the file: once at width 24, never at 16, as published.
    """
    head = shapes.get("head.weight", ())
    grouped = shapes.get("ds0_body.body.0.weight", ())
    squeezed = shapes.get("ds4_rcab.body.5.conv_du.0.weight", ())
    if len(head) != 4 or len(grouped) != 4 or len(squeezed) != 4 or grouped[1] < 1:
        return None
    width = head[0]
    groups = width // grouped[1]
    reductions = [r for r in range(1, width + 1) if 4 * width // r == squeezed[0]]
    narrow = shapes.get("ds0_body.body.5.conv_du.0.weight", (0,))[0]
    reductions = [r for r in reductions if width // r == narrow]
    try:
        return MSFINSpec(width, groups, reductions[0], 0 if width < 24 else 1)
    except (ValueError, IndexError):
        return None


BLOCKS = {
    **{
        name: f"quarter_blocks.{k}"
        for k, name in enumerate(
            ("ds4_rcab", "ds4_rcab1", "ds4_rcab1_2", "ds4_rcab1_3", "ds4_rcab1_4")
        )
    },
    **{
        name: f"rising_blocks.{k}"
        for k, name in enumerate(
            ("ds4_rcab2", "ds4_rcab3", "ds4_rcab3_2", "ds4_rcab3_3", "ds4_rcab3_4")
        )
    },
    **{f"ds2_rcab{k + 1 if k else ''}": f"half_blocks.{k}" for k in range(5)},
    **{f"ds0_body{k + 1 if k else ''}": f"full_blocks.{k}" for k in range(5)},
    **{f"block_re{k + 1}": f"last_blocks.{k}" for k in range(4)},
}
OTHERS = {
    "sub_mean": "colour_in",
    "add_mean": "colour_out",
    "head": "head",
    "tail2": "to_rgb",
    "ds4_down.down1": "down",
    "ds4_down.down2": "down_again",
    "ds2_down.down": "down_beside",
    "c1": "fuse_quarter",
    "c2": "fuse_rising",
    "ds4_up4.0": "up_quarter.conv",
    "ds4_up5.0": "up_rising.conv",
    "ds2_up.up.0": "up_half.conv",
    **{f"Fd2{k + 1}": f"half_links.{k}" for k in range(4)},
    **{f"Ft0{k + 1}": f"full_links.{k}" for k in range(4)},
}
BODY = {"0": "body.0", "2": "body.1", "4": "body.2"}
DOWN = {"0": "0", "2": "1"}


def from_released(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a released MSFIN state dict to this module's."""
    return {rename(key): value for key, value in state.items()}


def rename(key: str) -> str:
    """One released key in this module's words; unknown keys come back unchanged."""
    module, _, kind = key.rpartition(".")
    if module in OTHERS:
        return f"{OTHERS[module]}.{kind}"
    parent, _, index = module.rpartition(".")
    if parent in OTHERS and index in DOWN:
        return f"{OTHERS[parent]}.{DOWN[index]}.{kind}"
    if found := re.fullmatch(r"(\w+)\.body\.(?:([024])|5\.conv_du\.([02]))", module):
        name, body, attention = found.groups()
        if name in BLOCKS:
            part = BODY[body] if body else {"0": "squeeze", "2": "excite"}[attention]
            return f"{BLOCKS[name]}.{part}.{kind}"
    return key
