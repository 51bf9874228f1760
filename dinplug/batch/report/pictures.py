"""The pictures of a report: a photo before and after, as small sRGB JPEGs without metadata.

A photo whose result has at most WHOLE_PIXELS is kept whole, so that all of it can be seen at
100 %. Of a larger one there is a preview, and of the part that changed most a crop at 100 %.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dinplug.atomic import write_atomically
from dinplug.batch.report.index import INDEX_NAME
from dinplug.imaging import Photo, read_photo
from dinplug.imaging.profiles import named_profile
from dinplug.imaging.srgb import as_srgb

WHOLE_PIXELS = 4_000_000
PREVIEW_SIDE = 1440
CROP_SIDE = 1024
THUMBNAIL_SIDE = 480
_PREVIEW_QUALITY, _CLOSE_QUALITY = 85, 92
_SCHEME = 1
"""Part of every key: a number for what the constants above and the code below make."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What there is to see of one photo. Sizes are (width, height), boxes (x, y, width, height).

    Files are called after `key`. `crop` is the part of the result shown at 100 %, in its pixels;
    None where the preview is the whole picture at 100 %. `change` is the mean difference of the
    previews, 0..255.
    """

    key: str
    before: Sequence[int]
    after: Sequence[int]
    crop: Sequence[int] | None
    change: float

    def names(self) -> tuple[str, ...]:
        """The names of its files."""
        views = ("thumb", "before", "after")
        close = ("before-100", "after-100") if self.crop else ()
        return tuple(f"{self.key}-{view}.jpg" for view in (*views, *close))


def key_of(source: Path, target: Path) -> str:
    """Name the pictures of a photo and its result as these files are now; OSError without them."""
    states = [source.stat(), target.stat()]
    facts = [str(source), str(target), *((state.st_size, state.st_mtime_ns) for state in states)]
    return hashlib.sha256(json.dumps([_SCHEME, facts]).encode()).hexdigest()[:20]


def make_pictures(source: Path, target: Path, folder: Path) -> Pictures:
    """Read a photo and its result, and write their pictures into `folder`.

    Both are in memory at a time. Raises ReadError where one cannot be read, OSError where it
    vanished, SetupError where the folder cannot be written.
    """
    key = key_of(source, target)
    before, after = read_photo(source), read_photo(target)
    sizes = ((before.width, before.height), (after.width, after.height))
    whole = after.width * after.height <= WHOLE_PIXELS
    size = sizes[1] if whole else _within(sizes[1], PREVIEW_SIDE)
    small_before, small_after = _preview(before, size), _preview(after, size)
    difference = _difference(small_before, small_after)
    crop = None if whole else _busiest(difference, *sizes)
    quality = _CLOSE_QUALITY if whole else _PREVIEW_QUALITY
    views = {
        "thumb": (_halves(small_before, small_after), _PREVIEW_QUALITY),
        "before": (small_before, quality),
        "after": (small_after, quality),
    }
    if crop is not None:
        source_box, result_box = crop
        views["before-100"] = (_cut(before, source_box), _CLOSE_QUALITY)
        views["after-100"] = (_cut(after, result_box), _CLOSE_QUALITY)
    for view, (picture, quality) in views.items():
        write_atomically(_jpeg(picture, quality), folder / f"{key}-{view}.jpg")
    box = None if crop is None else crop[1]
    made = Pictures(key, *sizes, box, round(float(difference.mean()), 2))
    with (folder / INDEX_NAME).open("ab") as index:
        index.write(b"\n" + json.dumps(asdict(made)).encode())
    return made


def read_index(folder: Path) -> dict[str, Pictures]:
    """Return the pictures that are in `folder`, by key; torn lines of its index are passed over."""
    found = {}
    try:
        lines = (folder / INDEX_NAME).read_bytes().split(b"\n")
    except OSError:
        return {}
    for line in lines:
        try:
            values = json.loads(line)
            made = Pictures(**{field.name: values[field.name] for field in fields(Pictures)})
            if all((folder / name).is_file() for name in made.names()):
                found[made.key] = made
        except (ValueError, TypeError, KeyError):
            continue
    return found


def _within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return `size` reduced so that its longer side is at most `side`."""
    factor = min(1.0, side / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _preview(photo: Photo, size: tuple[int, int]) -> Image.Image:
    """Return `photo` at `size`, or as it is where it is smaller: the page enlarges it."""
    if photo.width * photo.height > size[0] * size[1]:
        planes = [_resized(photo.rgb[..., channel], size) for channel in range(3)]
        alpha = None if photo.alpha is None else _resized(photo.alpha, size).clip(0, 1)
        photo = photo.restored(np.stack(planes, axis=2), alpha)
    return Image.fromarray(as_srgb(photo))


def _resized(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Return a plane (H, W) reduced to `size`."""
    small = Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(small, np.float32)


def _cut(photo: Photo, box: tuple[int, int, int, int]) -> Image.Image:
    """Return the part of `photo` in `box`, pixel for pixel."""
    x, y, width, height = box
    place = (slice(y, y + height), slice(x, x + width))
    alpha = None if photo.alpha is None else photo.alpha[place]
    return Image.fromarray(as_srgb(photo.restored(photo.rgb[place], alpha)))


def _difference(before: Image.Image, after: Image.Image) -> NDArray[np.float32]:
    """Return the mean difference of the channels, (H, W) as `after`, 0..255."""
    if before.size != after.size:
        before = before.resize(after.size, Image.Resampling.BICUBIC)
    pair = [np.asarray(picture, np.int16) for picture in (before, after)]
    mean: NDArray[np.float32] = np.abs(pair[1] - pair[0]).mean(axis=2, dtype=np.float32)
    return mean


def _busiest(
    difference: NDArray[np.float32], before: tuple[int, int], after: tuple[int, int]
) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """Return the box that changed most, in pixels of the photo and of its result.

    It has whole pixels of the photo, so that both crops show the same place.
    """
    height, width = difference.shape
    across, down = after[0] / before[0], after[1] / before[1]
    side_x = min(before[0], max(1, round(CROP_SIDE / across)))
    side_y = min(before[1], max(1, round(CROP_SIDE / down)))
    step_x, step_y = width / before[0], height / before[1]
    window_x = max(1, min(width, round(side_x * step_x)))
    window_y = max(1, min(height, round(side_y * step_y)))
    sums = np.pad(difference, ((1, 0), (1, 0))).cumsum(0, np.float64).cumsum(1)
    totals = (
        sums[window_y:, window_x:]
        - sums[:-window_y, window_x:]
        - sums[window_y:, :-window_x]
        + sums[:-window_y, :-window_x]
    )
    row, column = np.unravel_index(int(totals.argmax()), totals.shape)
    x = min(round(int(column) / step_x), before[0] - side_x)
    y = min(round(int(row) / step_y), before[1] - side_y)
    left, top = round(x * across), round(y * down)
    right, bottom = round((x + side_x) * across), round((y + side_y) * down)
    return (x, y, side_x, side_y), (left, top, right - left, bottom - top)


def _halves(before: Image.Image, after: Image.Image) -> Image.Image:
    """Return a thumbnail whose left half is the photo and whose right half is its result."""
    size = _within(after.size, THUMBNAIL_SIDE)
    left, right = (p.resize(size, Image.Resampling.LANCZOS) for p in (before, after))
    right.paste(left.crop((0, 0, size[0] // 2, size[1])), (0, 0))
    return right


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    stream = io.BytesIO()
    # Without a profile some browsers would take the values for those of the monitor.
    profile = named_profile("srgb")
    subsampling = 0 if quality == _CLOSE_QUALITY else 2
    picture.save(stream, "JPEG", quality=quality, subsampling=subsampling, icc_profile=profile)
    return stream.getvalue()
