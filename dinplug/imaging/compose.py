"""Turn a photo's float pixels into the samples of a result: depth, colour model, profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dinplug.errors import WriteError
from dinplug.imaging import colour, kinds, pixels, profiles
from dinplug.imaging.options import MOST_BITS, WriteOptions
from dinplug.imaging.photo import ColourModel, F32Image, Photo, SampleFormat, Samples


@dataclass(frozen=True)
class Composed:
    """Samples ready for an encoder.

    `colour` (H, W, C) in stored units, `model` "grey", "rgb", "cmyk" or "lab"; `alpha` (H, W)
    of the same sample type; `extras` (H, W, K). `same_space` says that the colours are still in
    the source's space. `notes` say what a person may not expect.
    """

    format: str
    colour: Samples
    model: ColourModel
    sample: SampleFormat
    bits: int
    alpha: Samples | None
    extras: Samples | None
    profile: bytes | None
    same_space: bool
    notes: tuple[str, ...] = ()


def compose(photo: Photo, options: WriteOptions) -> Composed:
    """Make the samples of a result; raises WriteError where the wish cannot be met safely."""
    source = photo.source
    target = kinds.output_format(source.kind, options.format)
    # An alpha that hides nothing can go without loss.
    alpha = photo.alpha
    if target == "jpeg" and alpha is not None and float(alpha.min()) < 1:
        raise WriteError(
            f"{source.path}: it has transparency, which JPEG cannot hold; use --format png or tiff"
        )
    alpha = None if target == "jpeg" else alpha
    if source.extras is not None and target != "tiff":
        raise WriteError(
            f"{source.path}: it has extra channels, which only TIFF can hold; use --format tiff"
        )
    sample, bits = _depth(photo, target, options.bit_depth)
    rgb = pixels.put_back(photo.rgb, source.held)
    values, model, profile, same = _colour(photo, rgb, target, sample, bits, options)
    notes = []
    if options.output_profile is not None and model == "grey":
        notes.append("a grey photo keeps its own grey; the output profile is for colour")
    if alpha is not None and source.alpha == "premultiplied" and target == "tiff":
        values = pixels.premultiplied(values, alpha)
    return Composed(
        format=target,
        colour=_lab_samples(values, sample, bits)
        if model == "lab"
        else pixels.from_float(values, sample, bits),
        model=model,
        sample=sample,
        bits=bits,
        alpha=None if alpha is None else pixels.from_float(alpha, sample, bits),
        extras=_sized(source.extras, photo.height, photo.width, sample, bits),
        profile=profile,
        same_space=same,
        notes=tuple(notes),
    )


def stored_depth(photo: Photo) -> tuple[SampleFormat, int]:
    """Return the sample type that holds the source's own depth: 8, 16 or 32 bits and more."""
    source = photo.source
    bits = next(b for b in (8, 16, 32, 64) if source.bits <= b)
    sample: SampleFormat = "uint" if source.output_model != source.model else source.sample
    if bits == 64:
        return ("float", 64) if sample == "float" else (sample, 32)
    return sample, bits


def _depth(photo: Photo, target: str, wish: int | None) -> tuple[SampleFormat, int]:
    sample, bits = stored_depth(photo)
    most = MOST_BITS[target]
    if wish is not None and wish > most:
        raise WriteError(
            f"{photo.source.path}: {target.upper()} holds {most} bits at most; use --format tiff"
        )
    if wish == 32:
        return ("float", 32)
    if wish is not None:
        return (sample, bits) if bits == wish else ("uint", wish)
    if target != "tiff":
        return "uint", min(bits, most)
    return sample, bits


def _colour(
    photo: Photo,
    rgb: F32Image,
    target: str,
    sample: SampleFormat,
    bits: int,
    options: WriteOptions,
) -> tuple[F32Image, ColourModel, bytes | None, bool]:
    """Return values in the result's model and space, its profile, and if the space is the same."""
    source = photo.source
    linear = source.transfer == "linear"
    srgb = profiles.named_profile("srgb")
    model = source.output_model
    if options.output_profile is not None and model != "grey":
        goal = profiles.load_profile(options.output_profile)
        if source.profile is None or model in ("lab", "cmyk"):
            return profiles.convert(rgb, srgb, "rgb", goal, "rgb"), "rgb", goal, False
        own = colour.decode_srgb(rgb) if linear else rgb
        return profiles.convert(own, source.profile, "rgb", goal, "rgb"), "rgb", goal, False
    if model == "lab":
        if target == "tiff" and (sample == "float" or bits in (8, 16)):
            return colour.rgb_to_lab(rgb), "lab", source.profile, True
        return rgb, "rgb", srgb, False
    if model == "cmyk" and source.profile is not None:
        if target in ("tiff", "jpeg"):
            ink = profiles.convert(rgb, srgb, "rgb", source.profile, "cmyk")
            return ink, "cmyk", source.profile, True
        return rgb, "rgb", srgb, False
    # Linear light needs its full depth: it is kept where the result is as deep as the source.
    same = (sample, bits) == stored_depth(photo) and target == kinds.output_format(
        source.kind, None
    )
    if linear and not same:
        if model == "grey":
            return colour.rgb_to_grey(rgb)[..., None], "grey", None, False
        if source.profile is None:
            return rgb, "rgb", srgb, False
        own = colour.decode_srgb(rgb)
        return profiles.convert(own, source.profile, "rgb", srgb, "rgb"), "rgb", srgb, False
    values = colour.rgb_to_grey(rgb)[..., None] if model == "grey" else rgb
    if linear:
        return colour.decode_srgb(values), model, source.profile, True
    if sample == "float" and source.profile is None:
        # Floats without a profile are taken for linear light: say or make it so.
        if model == "grey":
            return colour.decode_srgb(values), model, None, True
        return values, model, srgb, True
    return values, model, source.profile, True


def _lab_samples(lab: F32Image, sample: SampleFormat, bits: int) -> Samples:
    """Store L 0..100, a, b as TIFF's CIELAB does: a and b signed (TIFF 6.0, section 23)."""
    if sample == "float":
        return lab.astype(np.float32)
    unit = float(2 ** (bits - 8))
    out = np.empty(lab.shape, f"u{bits // 8}")
    lightness = np.nan_to_num(lab[..., 0]).astype(np.float64)
    out[..., 0] = np.clip(np.rint(lightness * (2**bits - 1) / 100), 0, 2**bits - 1)
    half = 2 ** (bits - 1)
    chroma = np.clip(
        np.rint(np.nan_to_num(lab[..., 1:]).astype(np.float64) * unit), -half, half - 1
    )
    out[..., 1:] = chroma.astype(f"i{bits // 8}").view(out.dtype)
    return out


def _sized(
    extras: Samples | None, height: int, width: int, sample: SampleFormat, bits: int
) -> Samples | None:
    """Bring extra channels (H, W, K) to the result's size (nearest) and sample type."""
    if extras is None:
        return None
    rows = (np.arange(height) * extras.shape[0]) // height
    columns = (np.arange(width) * extras.shape[1]) // width
    chosen: Samples = extras[rows][:, columns]
    wanted = np.dtype(f"{ {'uint': 'u', 'int': 'i', 'float': 'f'}[sample] }{bits // 8}")
    if chosen.dtype == wanted:
        return chosen
    white = 1.0 if chosen.dtype.kind == "f" else float(np.iinfo(chosen.dtype).max)
    return pixels.from_float(pixels.to_float(chosen, white), sample, bits)
