"""What the plug-in says when it cannot do what was asked."""

from __future__ import annotations


class Refusal(Exception):
    """A layer, an image or an argument cannot be taken; the text is one sentence."""
