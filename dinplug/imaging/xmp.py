"""Edit XMP packets: orientation, size, and how a result was made.

Packets are edited as text, so that everything else in them stays byte for byte. The
properties concerned are simple ones; XMP (part 1, section 7) allows them as attributes
or as elements, and both are handled.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

NAMESPACE = "urn:dinplug:restoration:1.0:"
_OWN = re.compile(rb"\s*<rdf:Description\b[^>]*" + NAMESPACE.encode() + rb"[^>]*/>", re.DOTALL)
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    "</rdf:RDF>\n</x:xmpmeta>\n"
    '<?xpacket end="w"?>'
).encode()


def _pattern(name: str) -> re.Pattern[bytes]:
    quoted = re.escape(name.encode())
    return re.compile(
        rb"(\b" + quoted + rb"\s*=\s*[\"'])([^\"'<>]*)([\"'])"
        rb"|(<" + quoted + rb">)([^<>]*)(</" + quoted + rb"\s*>)"
    )


def _replace(packet: bytes, name: str, value: int) -> bytes:
    def put(found: re.Match[bytes]) -> bytes:
        before, after = found[1] or found[4], found[3] or found[6]
        return before + str(value).encode() + after

    return _pattern(name).sub(put, packet)


def orientation(packet: bytes) -> int | None:
    """Return tiff:Orientation 1..8, or None."""
    found = _pattern("tiff:Orientation").search(packet)
    text = (found[2] or found[5] or b"") if found else b""
    return int(text) if text.isdigit() and 1 <= int(text) <= 8 else None


def with_size(packet: bytes, width: int, height: int) -> bytes:
    """Set the orientation to upright and the sizes that the packet states to the true ones."""
    packet = _replace(packet, "tiff:Orientation", 1)
    for name, value in (("ImageWidth", width), ("ImageLength", height)):
        packet = _replace(packet, f"tiff:{name}", value)
    for name, value in (("PixelXDimension", width), ("PixelYDimension", height)):
        packet = _replace(packet, f"exif:{name}", value)
    return packet


def with_history(packet: bytes | None, history: dict[str, str]) -> bytes:
    """Add how the result was made, in place of an earlier such note.

    A packet without a place for it is set aside for a fresh one only if it is no XMP at all.
    """
    if packet is None or b"</rdf:RDF>" not in packet:
        packet = _EMPTY
    attributes = "".join(
        f"\n    dinplug:{name}={quoteattr(_clean(value))}" for name, value in history.items()
    )
    # All descriptions of a packet are about one thing, under the name it already has.
    about = re.search(rb"rdf:about\s*=\s*[\"']([^\"'<>]*)[\"']", packet)
    thing = about[1].decode("utf-8", "replace") if about else ""
    note = f'<rdf:Description rdf:about="{thing}"\n    xmlns:dinplug="{NAMESPACE}"{attributes}/>\n'
    packet = _OWN.sub(b"", packet)
    at = packet.rindex(b"</rdf:RDF>")
    return packet[:at] + note.encode() + packet[at:]


def _clean(text: str) -> str:
    """Drop the control characters that XML 1.0 forbids."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text)
