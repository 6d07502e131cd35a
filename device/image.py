"""From the bytes of a picture file to the pixels that a network reads, within limits.

Decoding costs more than reading above a megapixel, so a picture is decoded once, at about the scale that the model works
at. Nothing but pixels, size, format and what was done to them leaves here: no EXIF, no name, no file on disk.
Whether the picture shows something that may be read is the gate's question.

What is done to pixels: turned as EXIF says; palettes, grey, CMYK and other colour spaces become RGB; 16 bits a channel
become 8 by scaling; transparent parts are laid on white, a microscope's background. A colour profile is ignored, as it
was for the pictures that the models learnt from; unless it is sRGB, the notes say so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import BmpImagePlugin, ImageChops, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ExifTags import Base as Tag

from device.errors import (
    AnimatedImage,
    ImageDamaged,
    ImageError,
    ImageTooNarrow,
    ImageTooSmall,
    ImageTruncated,
    NoImage,
    TooManyPixels,
    UnsupportedFormat,
)

# Pillow's guard against decompression bombs warns or raises at limits of its own, with no size to tell people; `_check`
# is stricter. Set once, at import: it is global to the process.
PIL.Image.MAX_IMAGE_PIXELS = None

FORMATS = ("JPEG", "PNG", "TIFF", "WebP", "BMP")

# By the first bytes, not by name. Only this one plugin then sees the data.
_PLUGINS = {
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}
