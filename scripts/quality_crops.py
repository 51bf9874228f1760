"""Make the crops of docs/quality.md: degraded, by a classical method, by dinplug, and clean.

    python -m scripts.quality_crops [--only derain]

The scenes are those of render_examples.py; rain, blur and reduction are put on by the degradations
of dinplug.training with fixed seeds. A task that has no bundled model yet lacks that panel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dinplug.checkpoints import list_models, load_model
from dinplug.evaluation.baselines import classical_methods
from dinplug.evaluation.evaluate import restorer_8bit
from dinplug.evaluation.metrics import U8Image, to_uint8
from dinplug.evaluation.resize import reduce_bicubic
from dinplug.specs import Task
from dinplug.training.degradations.motion import Motion, blur
from dinplug.training.degradations.rain import Rain, add_rain
from dinplug.training.degradations.streaks import StreakLayer
from scripts.render_examples import EXAMPLES, F32, render

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images" / "quality"
SEED = 7
SIDE = 288
"""Pixels a panel is high and wide: a multiple of every factor."""
GAP = 6
STRIP = 20
"""Height of the line of names, in pixels."""
WIDTH = 504
"""Pixels a scene is wide: with SIDE, as much as can be seen of it, for a quarter of the work."""
MARGIN = 24
"""Pixels around the crop that a blur may draw from."""
RAIN = Rain(
    layers=(
        StreakLayer(45, 2.2, 14, 0.25, 0.5, spread=0.4, tail=0.5, wander=2, fade=0.6),
        StreakLayer(22, 1.1, 12, 0.6, 0.28, spread=0.4, tail=0.5, wander=3, fade=0.5),
    ),
    composition="screen",
)
SHAKE = Motion("shake", extent=11, linear=True)


@dataclass(frozen=True)
class Crop:
    """A part of a rendered scene: which, and the row and column of its corner."""

    name: str
    task: Task
    scene: str
    top: int
    left: int
    scale: int = 1


CROPS = (
    Crop("sr-x2", Task.SR, "lake", 24, 24, scale=2),
    Crop("sr-x4", Task.SR, "lake", 24, 24, scale=4),
    Crop("dehaze", Task.DEHAZE, "ridges", 24, 100),
    Crop("derain", Task.DERAIN, "lake", 24, 168),
    Crop("deblur", Task.DEBLUR, "ridges", 24, 24),
)


def degrade(crop: Crop, hazy: F32, clean: F32) -> tuple[U8Image, U8Image]:
    """The degraded and the clean crop of a scene (H, W, 3) in 0..1."""
    rng = np.random.default_rng(SEED)
    rows = slice(crop.top, crop.top + SIDE)
    columns = slice(crop.left, crop.left + SIDE)
    sharp = clean[rows, columns]
    if crop.task is Task.SR:
        return reduce_bicubic(to_uint8(sharp), crop.scale), to_uint8(sharp)
    if crop.task is Task.DEHAZE:
        return to_uint8(hazy[rows, columns]), to_uint8(sharp)
    if crop.task is Task.DERAIN:
        return to_uint8(add_rain(rng, sharp, RAIN)), to_uint8(sharp)
    wide_rows = slice(crop.top - MARGIN, crop.top + SIDE + MARGIN)
    wide_columns = slice(crop.left - MARGIN, crop.left + SIDE + MARGIN)
    blurred, at_rest = blur(rng, clean[wide_rows, wide_columns], SHAKE, MARGIN)
    return to_uint8(blurred), to_uint8(at_rest)


def bundled_model(task: Task, scale: int) -> str | None:
    """The name of the model that comes with dinplug for a task and a factor, its default first."""
    fitting = [
        info
        for info in list_models()
        if (info.task, info.scale, info.weights) == (task, scale, "bundled")
    ]
    fitting.sort(key=lambda info: not info.is_default)
    return fitting[0].name if fitting else None


def panels(crop: Crop, degraded: U8Image, clean: U8Image) -> list[tuple[str, U8Image]]:
    """The panels with their names; a small input is shown with its pixels as squares."""
    shown = degraded.repeat(crop.scale, axis=0).repeat(crop.scale, axis=1)
    found = [("input", shown)]
    method, restore = next(iter(classical_methods(crop.task, crop.scale).items()))
    found.append((method, restore(degraded)))
    if (name := bundled_model(crop.task, crop.scale)) is not None:
        found.append((f"dinplug: {name}", restorer_8bit(load_model(name))(degraded)))
    return [*found, ("clean", clean)]


def side_by_side(named: list[tuple[str, U8Image]]) -> Image.Image:
    """The panels in a row, each under its name."""
    width = len(named) * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, STRIP + SIDE), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for place, (name, picture) in enumerate(named):
        left = place * (SIDE + GAP)
        pen.text((left + 2, 1), name, fill="black", font=font)
        sheet.paste(Image.fromarray(picture), (left, STRIP))
    return sheet


@click.command()
@click.option("--only", type=click.Choice([crop.name for crop in CROPS]), help="One of them only.")
@click.option("--to", type=click.Path(path_type=Path), default=FOLDER, show_default=True)
def main(only: str | None, to: Path) -> None:
    """Make the crops."""
    to.mkdir(parents=True, exist_ok=True)
    scenes = {}
    for crop in CROPS:
        if only in (None, crop.name):
            if crop.scene not in scenes:
                example = next(one for one in EXAMPLES if one.name == crop.scene)
                scenes[crop.scene] = render(example, WIDTH)
            sheet = side_by_side(panels(crop, *degrade(crop, *scenes[crop.scene])))
            file = to / f"{crop.name}.jpg"
            sheet.save(file, quality=85, optimize=True)
            click.echo(f"{file.name}: {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
