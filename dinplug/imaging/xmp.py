"""Edit XMP packets: orientation, size, and what the settings of a RAW converter would do twice.

Packets are edited as text, so that everything else in them stays byte for byte. The
properties concerned are simple ones; XMP (part 1, section 7) allows them as attributes
or as elements, and both are handled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

from dinplug.imaging import xmp_tree
from dinplug.imaging.xmp_tree import RDF

_CAMERA_RAW = "http://ns.adobe.com/camera-raw-settings/1.0/"
_CAMERA_RAW_SAVED = "http://ns.adobe.com/camera-raw-saved-settings/1.0/"
_DARKTABLE = "http://darktable.sf.net/"
_DEVELOPMENT = frozenset([_CAMERA_RAW, _CAMERA_RAW_SAVED, _DARKTABLE])
_NO_SETTING = frozenset([(_DARKTABLE, "colorlabels")])
_ENCODINGS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"<\0", "utf-16-le"),
              (b"\0<", "utf-16-be"))  # fmt: skip

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f'<rdf:RDF xmlns:rdf="{RDF}">\n'
    "</rdf:RDF>\n</x:xmpmeta>\n"
    '<?xpacket end="w"?>'
).encode()


def _pattern(name: str) -> re.Pattern[bytes]:
    quoted = re.escape(name.encode())
    return re.compile(
        rb"(\b" + quoted + rb"\s*=\s*[\"'])([^\"'<>]*)([\"'])"
        rb"|(<" + quoted + rb">)([^<>]*)(</" + quoted + rb"\s*>)"
    )


def with_value(packet: bytes, name: str, value: str | int) -> bytes:
    """Set the simple property `name` (with its usual prefix) where the packet states it."""

    def put(found: re.Match[bytes]) -> bytes:
        before, after = found[1] or found[4], found[3] or found[6]
        return before + str(value).encode() + after

    return _pattern(name).sub(put, packet)


def orientation(packet: bytes) -> int | None:
    """Return tiff:Orientation 1..8, or None."""
    found = _pattern("tiff:Orientation").search(packet)
    text = (found[2] or found[5] or b"") if found else b""
    return int(text) if text in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8") else None


def with_size(packet: bytes, width: int, height: int) -> bytes:
    """Set the orientation to upright and the sizes that the packet states to the true ones."""
    packet = with_value(packet, "tiff:Orientation", 1)
    for name, value in (("ImageWidth", width), ("ImageLength", height)):
        packet = with_value(packet, f"tiff:{name}", value)
    for name, value in (("PixelXDimension", width), ("PixelYDimension", height)):
        packet = with_value(packet, f"exif:{name}", value)
    return packet


def as_utf8(packet: bytes) -> bytes:
    """Return a UTF-16 packet as UTF-8, and any other as it is."""
    for start, encoding in _ENCODINGS:
        if packet.startswith(start):
            try:
                return packet.decode(encoding).encode("utf-8")
            except UnicodeError:
                return packet
    return packet


def allowed(text: str) -> str:
    """Leave out of a text what XML 1.0 forbids, halves of letters included."""
    return _FORBIDDEN.sub("", text)


def with_description(packet: bytes | None, properties: str) -> bytes:
    """Add properties, elements that declare their own namespaces but `rdf`, to a packet.

    A packet that is no XMP at all is set aside for a fresh one.
    """
    tree = xmp_tree.parse(packet) if packet else None
    rdf = next(tree.root.find(RDF, "RDF"), None) if tree else None
    about = ""
    if packet and tree and rdf and rdf.tail != rdf.start:
        at, about = rdf.tail, _about(tree.root)
    elif packet and not tree and b"</rdf:RDF>" in packet:
        at = packet.rindex(b"</rdf:RDF>")  # damaged, but somebody may know how to read it
    else:
        packet, at = _EMPTY, _EMPTY.rindex(b"</rdf:RDF>")
    head = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about={quoteattr(about)}>\n'
    return packet[:at] + f"{head}{properties}</rdf:Description>\n".encode() + packet[at:]


def _about(root: xmp_tree.Element) -> str:
    """All descriptions of a packet are about one thing: return the name it already has."""
    first = next(root.find(RDF, "Description"), None)
    found = first.attributes if first else {}
    return found.get((RDF, "about")) or found.get(("", "about")) or ""


def without_development(packet: bytes) -> bytes:
    """Leave out what Camera Raw, Lightroom and darktable did to a RAW's sensor data.

    The result is developed already: read with these settings, it would be developed twice.
    Ratings, labels, keywords and texts are elsewhere in a packet and stay, as does a packet that
    is damaged.
    """
    tree = xmp_tree.parse(packet)
    if tree is None:
        return packet
    prefixes = [p for p, spaces in tree.prefixes.items() if p and spaces & _DEVELOPMENT]
    names = b"|".join(re.escape(prefix.encode()) for prefix in sorted(prefixes))
    setting = re.compile(rb"\s(?:" + names + rb"):[\w.-]+\s*=\s*(?:\"[^\"]*\"|'[^']*')")
    for start, end, is_element in sorted(_settings(tree.root), reverse=True):
        kept = b"" if is_element else setting.sub(b"", packet[start:end])
        packet = packet[:start] + kept + packet[end:]
    return packet


def _settings(root: xmp_tree.Element) -> Iterator[tuple[int, int, bool]]:
    """Yield the bytes of each element that is a setting, and of each start tag that has some."""
    pending = [root]
    while pending:
        element = pending.pop()
        if _is_setting(element.namespace, element.name):
            yield element.start, element.end, True
            continue
        if any(_is_setting(*name) for name in element.attributes):
            yield element.start, element.head_end, False
        pending += element.children


def _is_setting(namespace: str, name: str) -> bool:
    return namespace in _DEVELOPMENT and (namespace, name) not in _NO_SETTING
