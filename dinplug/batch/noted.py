"""Read the options in a result's note on how it was made, which may come from a stranger."""

from __future__ import annotations

import re
import shlex

# What may follow each option: anything else, and the note is not one that dinplug writes.
_NUMBER = r"\d{1,4}(\.\d{1,20})?(e-\d{1,3})?"
_OPTIONS = {
    "strength": _NUMBER,
    "scale": _NUMBER,
    "quality": r"\d{1,3}",
    "compression": r"[a-z]{1,10}",
    "bit-depth": r"\d{1,2}",
    "precision": "float32|float16|bfloat16",
    "output-profile": r"[^-\W][^/\\]{0,200}",
}
_FLAGS = ("ensemble", "reference")
_MODEL = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,100}"


def is_model_name(text: str) -> bool:
    """Tell whether a text can be the name of a model."""
    return bool(re.fullmatch(_MODEL, text))


def noted_options(text: str) -> list[tuple[str, str | None]] | None:
    """Return the options of a note by their long names, None for flags' values.

    Returns None for a note that dinplug would not write.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    options: list[tuple[str, str | None]] = []
    for word in words:
        name, _, value = word.partition("=")
        if name in _FLAGS and word == name:
            options.append((name, None))
        elif name in _OPTIONS and re.fullmatch(_OPTIONS[name], value) and value.isprintable():
            options.append((name, value))
        else:
            return None
    return options
