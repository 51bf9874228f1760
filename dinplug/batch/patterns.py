"""File name patterns for `--include` and `--exclude`, matched without regard to case."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", re.DOTALL)


@dataclass(frozen=True)
class Patterns:
    """Shell-style patterns over paths relative to the folder that is walked.

    A pattern without a slash fits any one part of the path (`*.jpg`, `rejects`); one with a slash
    fits the path itself or a folder above it (`2023/*`, `trip/raw`). `**/` stands for any folders.
    """

    texts: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.texts)

    def fit(self, relative: PurePath) -> bool:
        """Tell whether any of the patterns fits `relative`."""
        parts = relative.parts
        paths = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        return any(
            expression.fullmatch(candidate)
            for expression, whole_path in self._expressions
            for candidate in (paths if whole_path else parts)
        )

    @cached_property
    def _expressions(self) -> list[tuple[re.Pattern[str], bool]]:
        return [
            (re.compile(_translate(text.strip("/")), re.IGNORECASE | re.DOTALL), "/" in text)
            for text in _nonempty(self.texts)
        ]


def _nonempty(texts: Iterable[str]) -> Iterable[str]:
    return (text for text in texts if text.strip("/"))


def _translate(pattern: str) -> str:
    parts = []
    for token in _TOKEN.findall(pattern):
        if token.startswith("[") and len(token) > 2:
            negated = token[1] == "!"
            letters = token[1 + negated : -1].replace("\\", r"\\").replace("^", r"\^")
            parts.append(f"[{'^' if negated else ''}{letters}]")
        else:
            parts.append(_WILDCARDS.get(token) or re.escape(token))
    return "".join(parts)
