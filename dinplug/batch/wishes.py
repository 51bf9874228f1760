"""What a user may wish for a restoration, and what it becomes: a restorer, a recipe, options."""

from __future__ import annotations

from dataclasses import dataclass, replace

import dinplug
from dinplug.batch.journal import OptionValue, Recipe
from dinplug.batch.remote import Terms, software
from dinplug.checkpoints import LoadedModel, load_model
from dinplug.errors import UsageError
from dinplug.imaging import WriteOptions
from dinplug.imaging.profiles import PROFILE_NAMES, load_profile
from dinplug.restoration import RestoreOptions, Restorer


@dataclass(frozen=True)
class Wishes:
    """The options that `batch` and `restore` have in common, named as on the command line.

    `max_memory` and `max_vram` are in bytes, `scale` a factor of enlargement; None leaves a choice
    to dinplug.
    """

    task: str | None = None
    model: str | None = None
    scale: float | None = None
    strength: float = 1.0
    ensemble: bool = False
    reference: bool = False
    device: str = "auto"
    kernels: str | None = None
    tile: int | None = None
    max_memory: int | None = None
    max_vram: int | None = None
    precision: str = "auto"
    format: str | None = None
    quality: int | None = None
    compression: str | None = None
    bit_depth: int | None = None
    output_profile: str | None = None

    @property
    def write_options(self) -> WriteOptions:
        """How results are written."""
        return WriteOptions(
            self.format, self.quality, self.compression, self.bit_depth, self.output_profile
        )

    def load(self) -> LoadedModel:
        """Load the model; UsageError for wishes that contradict, SetupError without weights."""
        if self.task is None and self.model is None:
            raise UsageError("say what to restore with --task, or name a --model")
        if self.scale is not None and self.task not in (None, "sr"):
            raise UsageError(f"--scale is for --task sr; {self.task} keeps a photo's size")
        limits = (self.tile, self.max_memory, self.max_vram)
        if self.reference and any(limit is not None for limit in limits):
            raise UsageError(
                "--reference runs untiled: leave out --tile, --max-memory and --max-vram"
            )
        model = load_model(self.model, task=self.task, scale=self.scale)
        if model.any_factor and self.scale is None:
            raise UsageError(f"{model.name} enlarges by any factor: say by which with --scale")
        return model

    def restorer(self, model: LoadedModel) -> Restorer:
        """Make the restorer for `model`."""
        return Restorer(
            model,
            RestoreOptions(
                device=self.device,
                kernels=self.kernels,
                tile=self.tile,
                max_memory=self.max_memory,
                max_vram=self.max_vram,
                precision=self.precision,
                ensemble=self.ensemble,
                reference=self.reference,
                strength=self.strength,
                factor=self.scale if model.any_factor else None,
            ),
        )

    def recipe(self, model: LoadedModel) -> Recipe:
        """Return everything that decides results: tiles, memory, device and kernels do not."""
        options: dict[str, OptionValue] = {
            "scale": self.scale if model.any_factor else float(model.scale),
            "strength": self.strength,
            "ensemble": self.ensemble,
            "reference": self.reference,
            "precision": self.precision,
            "format": self.format,
            "quality": self.quality,
            "compression": self.compression,
            "bit_depth": self.bit_depth,
            "output_profile": self.output_profile,
        }
        return Recipe(
            str(model.task), model.name, model.weights_sha256, options, dinplug.__version__
        )

    def terms(self, model: LoadedModel) -> Terms:
        """Return what other processes need to do the same; they choose the model by its name."""
        profile = None
        if self.output_profile is not None and self.output_profile.lower() not in PROFILE_NAMES:
            profile = load_profile(self.output_profile)
        wishes = replace(self, model=model.name, task=str(model.task))
        return Terms(wishes, model.weights_sha256, software(), profile)

    def described(self, model: LoadedModel, restorer: Restorer | None) -> list[str]:
        """Say what photos are restored with, line by line; no `restorer`: elsewhere."""
        lines = [
            f"dinplug {dinplug.__version__}, {model.name} for {model.task}, "
            f"weights SHA-256 {model.weights_sha256}"
        ]
        if restorer is not None:
            lines.append(
                f"device {restorer.runner.device}, kernels {self.kernels or 'auto'}, "
                f"{restorer.runner.workers} tiles at a time; {restorer.options.described()}"
            )
        return lines
