"""Note in XMP how a result was made, and read such notes back from files of strangers.

A packet holds one property, `dinplug:Restorations`: an ordered array of structures, one for
each restoration, the latest last. XMP part 1, sections 6.3 and 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from xml.sax.saxutils import escape

from dinplug.imaging import xmp, xmp_tree
from dinplug.imaging.xmp_tree import RDF, Element

NAMESPACE = "https://dinplug.invalid/ns/1.0/"
_PROPERTY = "Restorations"
_MOST_STEPS = 32
_MOST_VALUES = 32
_LONGEST_VALUE = 1000  # letters


def read_history(packet: bytes) -> list[dict[str, str]] | None:
    """Return the notes of a packet, the latest last; None where it cannot be parsed safely.

    Each is a mapping of names such as "Task" to text of at most 1000 letters.
    """
    tree = xmp_tree.parse(xmp.as_utf8(packet))
    return None if tree is None else _notes(tree.root)


def with_history(packet: bytes | None, note: Mapping[str, str]) -> bytes:
    """Add to a packet (or to a new one) how the result was made, behind earlier such notes.

    A packet that is no XMP at all is set aside for a fresh one.
    """
    packet = xmp.as_utf8(packet) if packet else None
    tree = xmp_tree.parse(packet) if packet else None
    array = _array([*(_notes(tree.root)[1 - _MOST_STEPS :] if tree else ()), dict(note)])
    old = _arrays(tree.root) if tree else []
    if packet is None or not old:
        return xmp.with_description(packet, array + "\n")
    for element in sorted(old[1:], key=lambda e: e.start, reverse=True):
        packet = packet[: element.start] + packet[element.end :]
    return packet[: old[0].start] + array.encode() + packet[old[0].end :]


def only_history(packet: bytes) -> bytes | None:
    """Return a packet with the notes of `packet` and nothing else; None where it has none."""
    tree = xmp_tree.parse(packet)
    notes = _notes(tree.root) if tree else []
    return xmp.with_description(None, _array(notes) + "\n") if notes else None


def _arrays(root: Element) -> list[Element]:
    """Return the elements of our property, those within another left out."""
    found: list[Element] = []
    for element in root.find(NAMESPACE, _PROPERTY):
        if not found or element.start >= found[-1].end:
            found.append(element)
    return found


def _notes(root: Element) -> list[dict[str, str]]:
    notes = []
    for array in _arrays(root):
        for item in array.find(RDF, "li"):
            note = dict(islice(_values(item), _MOST_VALUES))
            if note:
                notes.append(note)
    return notes[-_MOST_STEPS:]


def _values(item: Element) -> Iterator[tuple[str, str]]:
    """Yield the values of a structure, in any of the forms that RDF allows for it."""
    inner = [c for c in item.children if (c.namespace, c.name) == (RDF, "Description")]
    for holder in (item, *inner):
        for (namespace, name), value in holder.attributes.items():
            if namespace == NAMESPACE:
                yield name, value[:_LONGEST_VALUE]
        for child in holder.children:
            if child.namespace == NAMESPACE:
                yield child.name, child.text[:_LONGEST_VALUE]


def _array(notes: list[dict[str, str]]) -> str:
    items = "".join(
        '  <rdf:li rdf:parseType="Resource">'
        + "".join(
            f"\n   <dinplug:{name}>{escape(xmp.allowed(value))}</dinplug:{name}>"
            for name, value in note.items()
        )
        + "</rdf:li>\n"
        for note in notes
    )
    return (
        f'<dinplug:{_PROPERTY} xmlns:dinplug="{NAMESPACE}" xmlns:rdf="{RDF}">\n'
        f" <rdf:Seq>\n{items} </rdf:Seq>\n</dinplug:{_PROPERTY}>"
    )
