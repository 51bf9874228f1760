"""Restore hazy, rainy, blurred and small photos with the networks of five papers.

`dinplug.restore(pixels, "dehaze")` restores an array, `dinplug.load_model(name)` gives a network
with its weights; errors raised on purpose are `dinplug.errors.DinplugError`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dinplug.checkpoints import LoadedModel as LoadedModel
    from dinplug.checkpoints import load_model as load_model
    from dinplug.restoration import RestoreOptions as RestoreOptions
    from dinplug.restoration import restore as restore

__version__ = "0.1.0"
__all__ = ["LoadedModel", "RestoreOptions", "__version__", "load_model", "restore"]

# A checkout keeps kernels/ and cli.py beside this package; a wheel has them inside it.
_checkout = Path(__file__).resolve().parents[1]
if (_checkout / "pyproject.toml").is_file():
    __path__.append(str(_checkout))

_HOMES = {
    "LoadedModel": "dinplug.checkpoints",
    "RestoreOptions": "dinplug.restoration",
    "load_model": "dinplug.checkpoints",
    "restore": "dinplug.restoration",
}


def __getattr__(name: str) -> object:
    """Import the public names when they are first used: torch takes seconds to load."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
