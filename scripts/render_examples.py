"""Render examples/photos: three hazy landscapes whose clean pictures and depth are known.

    python scripts/render_examples.py                 writes examples/photos
    python scripts/render_examples.py --clean DIR     writes the haze-free pictures to DIR too

Haze is mixed in linear light by I = J t + A (1 - t), t = exp(-beta d), sample by sample, and each
pixel is the mean of 2x2 samples.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from dinplug.training.degradations.haze import Haze, apply_haze
from dinplug.training.scenes.landscape import Camera, render_landscape
from dinplug.training.scenes.materials import Season
from dinplug.training.scenes.noise import Noise
from dinplug.training.scenes.sky import Sky
from dinplug.training.scenes.terrain import Relief, Terrain

F32 = NDArray[np.float32]
Colour = tuple[float, float, float]

PHOTOS = Path(__file__).resolve().parents[1] / "examples" / "photos"
SAMPLES = 2

SUMMER = Season(
    grass=(0.055, 0.1, 0.02),
    dry=(0.17, 0.16, 0.05),
    leaves=((0.022, 0.05, 0.014), (0.035, 0.075, 0.016), (0.055, 0.085, 0.02)),
    rock=(0.22, 0.2, 0.18),
    soil=(0.2, 0.16, 0.1),
    snow_line=9999,
    fields=True,
)
AUTUMN = Season(
    grass=(0.11, 0.11, 0.03),
    dry=(0.24, 0.19, 0.07),
    leaves=((0.17, 0.11, 0.025), (0.15, 0.06, 0.018), (0.03, 0.055, 0.018)),
    rock=(0.24, 0.22, 0.2),
    soil=(0.22, 0.18, 0.12),
    snow_line=560,
    fields=False,
)
SPRING = Season(
    grass=(0.07, 0.13, 0.025),
    dry=(0.14, 0.16, 0.045),
    leaves=((0.02, 0.045, 0.016), (0.03, 0.06, 0.02), (0.07, 0.12, 0.03)),
    rock=(0.2, 0.19, 0.18),
    soil=(0.2, 0.17, 0.12),
    snow_line=1000,
    fields=False,
)


@dataclass(frozen=True)
class Example:
    """One example photo: its land, its light, its camera and its haze (`beta` per kilometre)."""

    name: str
    seed: int
    width: int
    height: int
    relief: Relief
    season: Season
    sun_azimuth: float
    sun_height: float
    sunlight: Colour
    skylight: Colour
    zenith: Colour
    horizon: Colour
    clouds: float
    camera: Camera
    exposure: float
    beta: float
    airlight: Colour


EXAMPLES = (
    Example(
        name="valley",
        seed=3,
        width=900,
        height=600,
        relief=Relief(1500, 2500, 14000, 90, 1500, None, 170, 0.4, 0.42),
        season=SUMMER,
        sun_azimuth=-65,
        sun_height=32,
        sunlight=(2.6, 2.35, 1.95),
        skylight=(0.55, 0.68, 0.85),
        zenith=(0.16, 0.3, 0.62),
        horizon=(0.62, 0.72, 0.82),
        clouds=0.45,
        camera=Camera(90, 1.0, 0.3),
        exposure=0.85,
        beta=0.2,
        airlight=(0.8, 0.82, 0.85),
    ),
    Example(
        name="lake",
        seed=13,
        width=960,
        height=640,
        relief=Relief(1300, 1400, 7000, 80, 1400, -125, 200, 0.5, 0.0),
        season=AUTUMN,
        sun_azimuth=75,
        sun_height=26,
        sunlight=(2.7, 2.25, 1.7),
        skylight=(0.5, 0.62, 0.8),
        zenith=(0.14, 0.27, 0.55),
        horizon=(0.66, 0.72, 0.78),
        clouds=0.35,
        camera=Camera(95, 0.95, 0.34),
        exposure=0.9,
        beta=0.28,
        airlight=(0.84, 0.83, 0.81),
    ),
    Example(
        name="ridges",
        seed=21,
        width=900,
        height=600,
        relief=Relief(1700, 900, 7000, 150, 1900, None, 320, 0.62, 0.0),
        season=SPRING,
        sun_azimuth=-100,
        sun_height=38,
        sunlight=(2.7, 2.5, 2.15),
        skylight=(0.5, 0.62, 0.82),
        zenith=(0.12, 0.25, 0.58),
        horizon=(0.6, 0.7, 0.82),
        clouds=0.55,
        camera=Camera(60, 1.1, 0.34),
        exposure=0.9,
        beta=0.16,
        airlight=(0.76, 0.8, 0.85),
    ),
)


def render(example: Example, width: int, samples: int = SAMPLES) -> tuple[F32, F32]:
    """Render an example at a width; return (hazy, clean), display-encoded RGB (H, W, 3), 0..1."""
    rng = np.random.default_rng(example.seed)
    terrain = Terrain(rng, example.relief)
    azimuth, rise = np.radians(example.sun_azimuth), np.radians(example.sun_height)
    sky = Sky(
        sun=(
            float(np.sin(azimuth) * np.cos(rise)),
            float(np.sin(rise)),
            float(np.cos(azimuth) * np.cos(rise)),
        ),
        sunlight=np.array(example.sunlight, np.float32),
        skylight=np.array(example.skylight, np.float32),
        zenith=np.array(example.zenith, np.float32),
        haze=np.array(example.horizon, np.float32),
        clouds=example.clouds,
        noise=Noise(rng),
    )
    height = round(width * example.height / example.width)
    scene = render_landscape(
        terrain,
        sky,
        example.season,
        example.camera,
        height * samples,
        width * samples,
        example.exposure,
    )
    haze = Haze(example.beta, example.airlight, linear=True)
    hazy = apply_haze(scene.picture, np.asarray(scene.depth / 1000, np.float32), haze)
    return _reduce(hazy, samples), _reduce(scene.picture, samples)


def _reduce(picture: F32, samples: int) -> F32:
    """Mean over blocks of samples x samples."""
    height, width = picture.shape[0] // samples, picture.shape[1] // samples
    blocks = picture.reshape(height, samples, width, samples, 3)
    return np.asarray(blocks.mean((1, 3)), np.float32)


def srgb_profile() -> bytes:
    """An sRGB ICC profile with its creation date fixed, so that files come out the same."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    content = bytearray(profile.tobytes())
    # Bytes 24 to 35 of the header are the date (ICC.1:2022, 7.2.8): year, month, day, h, m, s.
    content[24:36] = np.array([2024, 1, 1, 0, 0, 0], ">u2").tobytes()
    # The profile's id, an MD5 over all of it, is optional: zero says it was not computed.
    content[84:100] = bytes(16)
    return bytes(content)


def write_tiff(file: Path, picture: F32) -> None:
    """Write 16-bit RGB with an ICC profile, deflated."""
    tifffile.imwrite(
        file,
        np.round(picture * 65535).astype(np.uint16),
        photometric="rgb",
        compression="zlib",
        predictor=True,
        iccprofile=srgb_profile(),
        metadata=None,
        software="dinplug renderer",
        datetime="2024:06:21 10:30:00",
        resolution=(300, 300),
        resolutionunit="INCH",
    )


def write_jpeg(file: Path, picture: F32) -> None:
    """Write 8-bit JPEG with the Exif fields a camera would write."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "dinplug"
    exif[ExifTags.Base.Model] = "dinplug renderer"
    exif[ExifTags.Base.Orientation] = 1
    exif[ExifTags.Base.DateTime] = "2024:10:12 09:05:00"
    camera = exif.get_ifd(ExifTags.IFD.Exif)
    camera[ExifTags.Base.DateTimeOriginal] = "2024:10:12 09:05:00"
    camera[ExifTags.Base.ExposureTime] = 1 / 250
    camera[ExifTags.Base.FNumber] = 8.0
    camera[ExifTags.Base.ISOSpeedRatings] = 100
    camera[ExifTags.Base.FocalLength] = 35.0
    eight = Image.fromarray(np.round(picture * 255).astype(np.uint8))
    eight.save(file, "JPEG", quality=93, subsampling="4:4:4", exif=exif, icc_profile=srgb_profile())


def write_png(file: Path, picture: F32) -> None:
    """Write 8-bit PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.round(picture * 255).astype(np.uint8)).save(buffer, "PNG", optimize=True)
    file.write_bytes(buffer.getvalue())


WRITERS = {
    "valley": (".tif", write_tiff),
    "lake": (".jpg", write_jpeg),
    "ridges": (".png", write_png),
}


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=PHOTOS, show_default=True)
@click.option("--clean", type=click.Path(path_type=Path), help="Folder for the haze-free pictures.")
@click.option("--only", type=click.Choice([e.name for e in EXAMPLES]), help="One of them only.")
def main(out: Path, clean: Path | None, only: str | None) -> None:
    """Render the example photos."""
    for example in EXAMPLES:
        if only not in (None, example.name):
            continue
        hazy, without = render(example, example.width)
        suffix, write = WRITERS[example.name]
        for folder, picture in ((out, hazy), (clean, without)):
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
                write(folder / (example.name + suffix), picture)
        click.echo(f"{example.name}{suffix}")


if __name__ == "__main__":
    main()
