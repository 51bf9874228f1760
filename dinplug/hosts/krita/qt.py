"""Qt as Krita brings it: PyQt6 in Krita 6, PyQt5 before.

Only the one that Krita's own module has loaded: the other, found beside it on some systems, would
bring a second Qt into the process and crash it.
"""

from __future__ import annotations

import sys

import krita as _krita  # noqa: F401  (loads its Qt)

if "PyQt5.QtCore" in sys.modules:
    from PyQt5 import QtCore, QtGui, QtWidgets
else:
    from PyQt6 import QtCore, QtGui, QtWidgets

__all__ = ["QtCore", "QtGui", "QtWidgets"]
