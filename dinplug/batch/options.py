"""The command line options that `batch`, `restore` and `watch` have in common."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dinplug.batch.completion import complete_models

TASKS = ("sr", "deblur", "derain", "dehaze")
FORMATS = ("tiff", "jpeg", "png", "webp")
FORMAT_OF_SUFFIX = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".png": "png",
    ".webp": "webp",
}
COMPRESSIONS = ("none", "lzw", "deflate", "zstd", "packbits")
BIT_DEPTHS = ("8", "16", "32")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
LARGEST_FACTOR = 64
KERNELS = ("auto", "on", "off")
PRECISIONS = ("auto", "float32", "float16", "bfloat16")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
Command = TypeVar("Command", bound=Callable[..., Any])


class ResultsFolder(click.Path):
    """A path that is not '', which a shell makes of an unset variable and Path takes for `.`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the name of a folder is empty", param, ctx)
        return super().convert(value, param, ctx)


def parse_size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Read a number of bytes, with K, M, G or T for powers of 1024."""
    if value is None:
        return None
    match = _SIZE.fullmatch(value.strip())
    size = int(float(match[1]) * 1024 ** _POWERS[match[2].lower()]) if match else 0
    if size < 1:
        raise click.BadParameter(
            f"{value!r} is no amount of memory; write it like 800M or 4G", ctx, param
        )
    return size


def parse_factor(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Read a factor of enlargement above 1; `x2` and `2` mean the same."""
    if value is None:
        return None
    try:
        factor = float(value.lower().removeprefix("x"))
    except ValueError:
        factor = 0.0
    if not 1 < factor <= LARGEST_FACTOR:
        raise click.BadParameter(
            f"{value!r} is no factor above 1, up to {LARGEST_FACTOR}", ctx, param
        )
    return factor


def parse_device(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Read auto, cpu, cuda or cuda:N."""
    if not _DEVICE.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is no device; choose auto, cpu, cuda or cuda:N", ctx, param
        )
    return value


device_option = click.option(
    "--device",
    metavar="DEVICE",
    callback=parse_device,
    default="auto",
    show_default=True,
    help="auto, cpu, cuda or cuda:N.",
)
kernels_option = click.option(
    "--kernels",
    type=click.Choice(KERNELS),
    envvar="DINPLUG_KERNELS",
    show_envvar=True,
    default="auto",
    show_default=True,
    help="Triton kernels: auto is on CUDA devices.",
)

tile_option = click.option(
    "--tile", type=click.IntRange(min=1), help="Largest tile side in pixels."
)
vram_option = click.option(
    "--max-vram",
    metavar="SIZE",
    callback=parse_size,
    help="Most memory of a CUDA device to use. Default: what is free.",
)
precision_option = click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="auto",
    show_default=True,
    help="auto: float32 on a CPU; on CUDA float16 where a trial stays within 0.1 level of 255.",
)
memory_option = click.option(
    "--max-memory", metavar="SIZE", callback=parse_size, help="Most memory to use, e.g. 4G."
)

_RESTORATION = [
    click.option("--task", type=click.Choice(TASKS), help="What to restore photos from."),
    click.option(
        "--model",
        metavar="NAME",
        shell_complete=complete_models,
        help="The model; `dinplug models` lists them.",
    ),
    click.option(
        "--scale",
        metavar="FACTOR",
        callback=parse_factor,
        help="How many times to enlarge (task sr): 2, 3, 4 or 8; with IMDN_AS any factor.",
    ),
    click.option(
        "--strength",
        type=click.FloatRange(0, 1),
        default=1.0,
        show_default=True,
        help="How much of the result to take; the rest is the original.",
    ),
    click.option(
        "--ensemble/--no-ensemble", help="Average over 8 flips and turns: better, 8 times slower."
    ),
    device_option,
    kernels_option,
    tile_option,
    memory_option,
    vram_option,
    precision_option,
    click.option(
        "--reference/--no-reference",
        help="Run the network as published: untiled, unfused, slow.",
    ),
    click.option(
        "--format",
        type=click.Choice(FORMATS),
        help="Kind of file to write. Default: the photo's own kind, TIFF for RAW.",
    ),
    click.option(
        "--quality", type=click.IntRange(1, 100), help="Quality of results that are JPEG or WebP."
    ),
    click.option(
        "--compression",
        type=click.Choice(COMPRESSIONS),
        help="Compression of results that are TIFF.",
    ),
    click.option(
        "--bit-depth",
        type=click.Choice(BIT_DEPTHS),
        callback=lambda ctx, param, value: value and int(value),
        help="Bits of a sample. Default: the photo's own, 16 for RAW.",
    ),
    click.option(
        "--output-profile",
        metavar="PROFILE",
        help="Colour profile of results: srgb, display-p3, adobe-rgb, prophoto or an .icc file. "
        "Default: the photo's own.",
    ),
]
_MANNER = [
    click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines."),
    click.option("--overwrite", is_flag=True, help="Replace results that exist."),
    click.option("-q", "--quiet", "detail", flag_value="quiet", help="Tell of failures only."),
    click.option(
        "-v", "--verbose", "detail", flag_value="verbose", help="Tell more, a line for each photo."
    ),
]
_WHERE = click.option(
    "--out",
    type=ResultsFolder(path_type=Path),
    metavar="FOLDER",
    help="Where results go. Default: beside the folder (of a photo: the one it is in), named "
    "after it and the task.",
)
_SELECTION = [
    click.option(
        "--include", multiple=True, metavar="PATTERN", help="Only what fits, e.g. '*.tif'."
    ),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Nothing that fits."),
    click.option(
        "--name",
        default="{stem}{suffix}",
        show_default=True,
        metavar="TEMPLATE",
        help="Names of results: {stem}, {task}, {model}, {scale}, {suffix} and other text.",
    ),
]


def _with(options: list[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def restoration_options(command: Command) -> Command:
    """Give a click command the options of every restoration, in the order above."""
    return _with([*_RESTORATION, *_MANNER], command)


def folder_options(command: Command) -> Command:
    """Give a click command the options on which photos to take and where results go."""
    return _with([_WHERE, *_SELECTION], command)


SETTINGS: dict[str, click.Option] = {
    option.opts[0].removeprefix("--"): option
    for option in click.command("settings")(
        _with([*_RESTORATION, *_SELECTION], lambda: None)
    ).params
    if isinstance(option, click.Option)
}
"""What presets and config.toml may state, by the name that it has there."""
