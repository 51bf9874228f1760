"""Stands in for Krita 6's module where there is no such Krita: one picture with one layer."""

from __future__ import annotations

from typing import Any

from PyQt6 import QtCore, QtGui


class Node:
    """A layer of one colour."""

    def __init__(self, width: int, height: int) -> None:
        self.size = width, height
        self.pixels = b""

    def setPixelData(self, pixels: bytes, _x: int, _y: int, width: int, height: int) -> None:
        self.pixels, self.size = bytes(pixels), (width, height)

    def projectionPixelData(self, _x: int, _y: int, width: int, height: int) -> bytes:
        return b"\x40\x60\x80\xff" * (width * height)

    def bounds(self) -> QtCore.QRect:
        return QtCore.QRect(0, 0, *self.size)

    def name(self) -> str:
        return "Background"

    def visible(self) -> bool:
        return True

    def parentNode(self) -> None:
        return None

    def colorModel(self) -> str:
        return "RGBA"

    def colorDepth(self) -> str:
        return "U8"

    def colorProfile(self) -> str:
        return "sRGB"


class Document:
    def __init__(self, width: int, height: int, *_colours: object) -> None:
        self.node = Node(width, height)

    def rootNode(self) -> Node:
        return self.node

    def topLevelNodes(self) -> list[Node]:
        return [self.node]

    def projection(self, _x: int, _y: int, _width: int, _height: int) -> QtGui.QImage:
        width, height = self.node.size
        kind = QtGui.QImage.Format.Format_ARGB32
        return QtGui.QImage(self.node.pixels, width, height, 4 * width, kind).copy()

    def width(self) -> int:
        return self.node.size[0]

    def height(self) -> int:
        return self.node.size[1]

    def selection(self) -> None:
        return None

    def refreshProjection(self) -> None:
        pass

    def waitForDone(self) -> None:
        pass

    def close(self) -> None:
        pass


class Krita(QtCore.QObject):
    _instance: Krita | None = None

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Document] = []
        self.settings: dict[str, str] = {}

    @staticmethod
    def instance() -> Krita:
        if Krita._instance is None:
            Krita._instance = Krita()
        return Krita._instance

    def documents(self) -> list[Document]:
        return self.opened

    def createDocument(self, *sizes_and_colours: Any) -> Document:
        return Document(*sizes_and_colours)

    def activeWindow(self) -> None:
        return None

    def readSetting(self, _group: str, name: str, default: str) -> str:
        return self.settings.get(name, default)

    def writeSetting(self, _group: str, name: str, value: str) -> None:
        self.settings[name] = value


class Extension(QtCore.QObject):
    pass


class ManagedColor:
    """A colour in a profile that is not linear."""

    def __init__(self, _model: str, _depth: str, profile: str) -> None:
        self.profile = profile

    def colorProfile(self) -> str:
        return self.profile

    def setComponents(self, _values: list[float]) -> None:
        pass

    def setColorSpace(self, *_colours: str) -> bool:
        return True

    def components(self) -> list[float]:
        return [0.05, 0.05, 0.05, 1.0]
