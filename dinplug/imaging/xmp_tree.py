"""Parse an XMP packet within limits, keeping where in its bytes each element lies.

Packets come from strangers. Document types, and with them every kind of entity, are refused;
so are packets larger, deeper or of more elements than any program writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

LARGEST_PACKET = 16 * 2**20
_MOST_ELEMENTS = 50_000
_MOST_TEXTS = 500_000  # pieces, of which expat makes one for each line
_DEEPEST = 100
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_BETWEEN = " "  # parts namespace and name; expat refuses namespaces that hold it


class _RefusedError(ValueError):
    """The packet is beyond a limit."""


@dataclass
class Element:
    """An element: its bytes are `packet[start:end]`, its start tag `packet[start:head_end]`.

    Its end tag begins at `tail`. `attributes` are by (namespace, name); `texts` are the pieces of
    its own text, without that of its children.
    """

    namespace: str
    name: str
    attributes: dict[tuple[str, str], str]
    start: int
    head_end: int = -1
    tail: int = -1
    end: int = -1
    texts: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The element's own text."""
        return "".join(self.texts)

    def walk(self) -> Iterator[Element]:
        """Yield the element and everything below it, in the order of the packet."""
        pending = [self]
        while pending:
            element = pending.pop()
            yield element
            pending += reversed(element.children)

    def find(self, namespace: str, name: str) -> Iterator[Element]:
        """Yield the elements of this name at or below this one."""
        return (e for e in self.walk() if e.namespace == namespace and e.name == name)


@dataclass
class Tree:
    """A parsed packet: its outermost element, and the namespaces by each prefix it binds."""

    root: Element
    prefixes: dict[str, set[str]]


def parse(packet: bytes) -> Tree | None:
    """Return the packet's tree, or None where it is damaged or beyond what XMP may be."""
    if len(packet) > LARGEST_PACKET:
        return None
    reader = _Reader()
    try:
        reader.parser.Parse(packet.rstrip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, _RefusedError, ValueError, LookupError):
        return None
    reader.settle(len(packet))
    return Tree(reader.root, reader.prefixes) if reader.root else None


def _split(name: str) -> tuple[str, str]:
    namespace, _, local = name.rpartition(_BETWEEN)
    return namespace, local


class _Reader:
    """Receives expat's events. Where a tag ends is known at the event that follows it."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self.prefixes: dict[str, set[str]] = {}
        self._open: list[Element] = []
        self._count = self._texts = 0
        self._opened: Element | None = None
        self._closed: Element | None = None
        self.parser = expat.ParserCreate(namespace_separator=_BETWEEN)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartNamespaceDeclHandler = self._bind
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.CommentHandler = self._other
        self.parser.DefaultHandler = self._other

    def settle(self, at: int) -> None:
        """Take `at` for the end of the tag before."""
        if self._opened:
            self._opened.head_end = at
        if self._closed:
            self._closed.end = at
        self._opened = self._closed = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        at = self.parser.CurrentByteIndex
        self.settle(at)
        self._count += 1
        if self._count > _MOST_ELEMENTS or len(self._open) >= _DEEPEST:
            raise _RefusedError
        named = {_split(key): value for key, value in attributes.items()}
        element = Element(*_split(name), named, at)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._opened = element

    def _end(self, name: str) -> None:
        element, at = self._open.pop(), self.parser.CurrentByteIndex
        if at == element.start:  # <empty/>: one tag is both, and ends at the next event
            self._closed = element
            element.tail = at
            return
        self.settle(at)
        element.tail = at
        self._closed = element

    def _text(self, text: str) -> None:
        self.settle(self.parser.CurrentByteIndex)
        self._texts += 1
        if self._texts > _MOST_TEXTS:
            raise _RefusedError
        if self._open:
            self._open[-1].texts.append(text)

    def _bind(self, prefix: str | None, namespace: str) -> None:
        self.prefixes.setdefault(prefix or "", set()).add(namespace)

    def _other(self, text: str) -> None:
        self.settle(self.parser.CurrentByteIndex)

    def _refuse(self, *about: object) -> NoReturn:
        raise _RefusedError
