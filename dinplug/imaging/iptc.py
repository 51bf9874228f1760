"""Say in XMP what an IPTC block says, for kinds of file that hold no IPTC block.

IPTC-IIM 4.2; the properties are those that the IPTC Photo Metadata Standard names for each.
"""

from __future__ import annotations

import struct
from xml.sax.saxutils import escape

from dinplug.imaging import xmp, xmp_tree

_DC = "http://purl.org/dc/elements/1.1/"
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
_PREFIXES = {_DC: "dc", _PHOTOSHOP: "photoshop"}
# Data sets of record 2: the property's namespace and name, and the form of its value.
_PROPERTIES = {
    5: (_DC, "title", "Alt"),
    25: (_DC, "subject", "Bag"),
    40: (_PHOTOSHOP, "Instructions", ""),
    80: (_DC, "creator", "Seq"),
    85: (_PHOTOSHOP, "AuthorsPosition", ""),
    90: (_PHOTOSHOP, "City", ""),
    95: (_PHOTOSHOP, "State", ""),
    101: (_PHOTOSHOP, "Country", ""),
    103: (_PHOTOSHOP, "TransmissionReference", ""),
    105: (_PHOTOSHOP, "Headline", ""),
    110: (_PHOTOSHOP, "Credit", ""),
    115: (_PHOTOSHOP, "Source", ""),
    116: (_DC, "rights", "Alt"),
    120: (_DC, "description", "Alt"),
    122: (_PHOTOSHOP, "CaptionWriter", ""),
}


def texts_of(block: bytes) -> dict[int, list[str]]:
    """Return the texts of an IPTC block by data set; what follows a damaged one is left out."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at + 5 <= len(block) and block[at] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", block, at + 1)
        at += 5
        if size & 0x8000 or at + size > len(block):  # extended sizes are for pictures
            break
        value = block[at : at + size]
        at += size
        if record == 2 and number in _PROPERTIES:
            found.setdefault(number, []).append(value)
    return {number: [_decoded(value) for value in values] for number, values in found.items()}


def _decoded(value: bytes) -> str:
    """Decode a text; many programs write UTF-8 without saying so, and some say so wrongly."""
    try:
        return value.decode("utf-8").strip("\0")
    except UnicodeDecodeError:
        return value.decode("latin-1").strip("\0")


def as_xmp(packet: bytes | None, block: bytes) -> bytes | None:
    """Add to a packet what `block` says and the packet does not."""
    tree = xmp_tree.parse(packet) if packet else None
    stated: set[tuple[str, str]] = set()
    for element in tree.root.walk() if tree else ():
        stated |= {(element.namespace, element.name), *element.attributes}
    body = "".join(
        _property(*_PROPERTIES[number], values)
        for number, values in sorted(texts_of(block).items())
        if _PROPERTIES[number][:2] not in stated
    )
    return xmp.with_description(packet, body) if body else packet


def _property(namespace: str, name: str, form: str, values: list[str]) -> str:
    prefix = _PREFIXES[namespace]
    texts = [escape(xmp.allowed(value)) for value in values]
    inner = texts[0]
    if form:
        language = ' xml:lang="x-default"' if form == "Alt" else ""
        items = "".join(f"<rdf:li{language}>{text}</rdf:li>" for text in texts)
        inner = f"<rdf:{form}>{items}</rdf:{form}>"
    return f'<{prefix}:{name} xmlns:{prefix}="{namespace}">{inner}</{prefix}:{name}>\n'
