"""Restore hazy, rainy, blurred and small photos with the networks of five papers."""

from pathlib import Path

__version__ = "0.1.0"

# A checkout keeps kernels/ and cli.py beside this package; a wheel has them inside it.
_checkout = Path(__file__).resolve().parents[1]
if (_checkout / "pyproject.toml").is_file():
    __path__.append(str(_checkout))
