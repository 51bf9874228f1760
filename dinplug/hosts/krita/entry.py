"""What Krita imports: add dinplug to its extensions."""

from __future__ import annotations

import os

from .hosts.krita.extension import register

register(os.path.dirname(os.path.abspath(__file__)))
