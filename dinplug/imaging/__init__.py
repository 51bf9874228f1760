"""Photos in and out: RAW, TIFF, JPEG, PNG, WebP, with everything that belongs to them."""

from dinplug.imaging.kinds import is_photo_name, output_suffix
from dinplug.imaging.options import WriteOptions
from dinplug.imaging.photo import Photo, PhotoInfo, Provenance, Source
from dinplug.imaging.provenance import read_provenance
from dinplug.imaging.read import probe_photo, read_photo
from dinplug.imaging.write import write_photo

__all__ = [
    "Photo",
    "PhotoInfo",
    "Provenance",
    "Source",
    "WriteOptions",
    "is_photo_name",
    "output_suffix",
    "probe_photo",
    "read_photo",
    "read_provenance",
    "write_photo",
]
