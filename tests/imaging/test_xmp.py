"""XMP packets keep everything but what a result changes."""

import xml.etree.ElementTree as ElementTree

import pytest

from dinplug.imaging import xmp

PACKET = b"""<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='uuid:1234' xmlns:tiff='http://ns.adobe.com/tiff/1.0/'
 xmlns:exif='http://ns.adobe.com/exif/1.0/' tiff:Orientation='6' tiff:ImageWidth="100">
 <exif:PixelXDimension>100</exif:PixelXDimension><tiff:Make>Maker &amp; Co</tiff:Make>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def notes(packet: bytes) -> list[dict[str, str]]:
    """Return the attributes of each description that dinplug made, by plain names."""
    body = packet[packet.index(b"<x:xmpmeta") : packet.index(b"</x:xmpmeta>") + 12]
    found = []
    for element in ElementTree.fromstring(body.decode()).iter(f"{RDF}Description"):
        own = {
            name.split("}")[1]: value
            for name, value in element.attrib.items()
            if name.startswith("{" + xmp.NAMESPACE)
        }
        if own:
            found.append(own | {"about": element.attrib[f"{RDF}about"]})
    return found


def test_orientation_as_attribute_or_element() -> None:
    assert xmp.orientation(PACKET) == 6
    assert xmp.orientation(b"<tiff:Orientation>3</tiff:Orientation>") == 3
    assert xmp.orientation(b'tiff:Orientation="9"') is None
    assert xmp.orientation(b"nothing") is None


def test_size_and_orientation_are_set_and_the_rest_is_kept() -> None:
    changed = xmp.with_size(PACKET, 640, 480)
    assert b"tiff:Orientation='1'" in changed and b'tiff:ImageWidth="640"' in changed
    assert b"<exif:PixelXDimension>640</exif:PixelXDimension>" in changed
    back = changed.replace(b"'1'", b"'6'").replace(b"640", b"100")
    assert back == PACKET


@pytest.mark.parametrize("packet", [None, PACKET, b"no XMP at all"])
def test_history_is_added_once(packet: bytes | None) -> None:
    first = xmp.with_history(packet, {"Task": "derain", "Options": "old"})
    again = xmp.with_history(first, {"Task": "dehaze", "Options": 'a "b" <c> & d\x01'})
    about = "uuid:1234" if packet == PACKET else ""
    assert notes(again) == [{"Task": "dehaze", "Options": 'a "b" <c> & d', "about": about}]
    if packet == PACKET:
        assert b"Maker &amp; Co" in again
