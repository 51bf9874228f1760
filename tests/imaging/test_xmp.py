"""XMP packets keep everything but what a result changes."""

import pytest

from dinplug.imaging import xmp, xmp_tree

PACKET = b"""<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
<rdf:Description rdf:about='uuid:1234' xmlns:tiff='http://ns.adobe.com/tiff/1.0/'
 xmlns:exif='http://ns.adobe.com/exif/1.0/' tiff:Orientation='6' tiff:ImageWidth="100">
 <exif:PixelXDimension>100</exif:PixelXDimension><tiff:Make>Maker &amp; Co</tiff:Make>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"""


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


def test_a_number_of_thousands_of_digits_is_no_orientation() -> None:
    # Python refuses to read such a number at all.
    assert xmp.orientation(b"<tiff:Orientation>" + b"1" * 5000 + b"</tiff:Orientation>") is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_wide_letters_become_utf8(encoding: str) -> None:
    text = PACKET.decode()
    assert xmp.as_utf8(text.encode(encoding)) == PACKET
    assert xmp.as_utf8(PACKET) == PACKET
    assert xmp.as_utf8(b"<\0\x00\xd8") == b"<\0\x00\xd8"  # half a letter: left as it is


DEVELOPED = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"
 xmlns:c="http://ns.adobe.com/camera-raw-settings/1.0/" c:Version="15.0" c:Exposure2012='+1.50'
 xmlns:darktable="http://darktable.sf.net/" darktable:xmp_version="5">
 <c:ToneCurve><rdf:Seq><rdf:li>0, 0</rdf:li></rdf:Seq></c:ToneCurve>
 <darktable:history><rdf:Seq><rdf:li darktable:operation="exposure"/></rdf:Seq></darktable:history>
 <darktable:colorlabels><rdf:Seq><rdf:li>2</rdf:li></rdf:Seq></darktable:colorlabels>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def test_settings_of_raw_converters_are_left_out_and_the_rest_is_kept() -> None:
    changed = xmp.without_development(DEVELOPED)
    assert xmp_tree.parse(changed) is not None
    for gone in (b"Exposure", b"15.0", b"ToneCurve", b"history", b"xmp_version", b"0, 0"):
        assert gone not in changed
    assert b'xmp:Rating="4"' in changed and b"<rdf:li>2</rdf:li>" in changed
    assert xmp.without_development(changed) == changed
    assert xmp.without_development(PACKET) == PACKET
    assert xmp.without_development(DEVELOPED[:-9]) == DEVELOPED[:-9]  # damaged
