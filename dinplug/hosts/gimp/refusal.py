"""What the plug-in says when it cannot do what was asked."""

from __future__ import annotations


class RefusalError(Exception):
    """A layer, an image or an argument cannot be taken; the text is one sentence."""
