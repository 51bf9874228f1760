"""Weights: bundled models, imported ones, and the safe import of authors' files."""

from dinplug.checkpoints.importing import ImportReport, import_checkpoint
from dinplug.checkpoints.models import (
    LoadedModel,
    ModelInfo,
    list_models,
    load_model,
    load_weights,
    model_card,
)

__all__ = [
    "ImportReport",
    "LoadedModel",
    "ModelInfo",
    "import_checkpoint",
    "list_models",
    "load_model",
    "load_weights",
    "model_card",
]
