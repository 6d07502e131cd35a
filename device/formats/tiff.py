"""TIFF, through Pillow."""

from __future__ import annotations

import io
from typing import Literal, cast

import numpy as np
import PIL.Image
from PIL.ExifTags import Base as Tag
from PIL.TiffImagePlugin import TiffImageFile

from device.errors import AnimatedImage, ImageDamaged, ImageError, ImageTruncated, UnsupportedFormat
from device.formats import FORMATS
from device.formats.pillow import expand, note_profile
from device.formats.pixels import TURNS, alone, check_size, eight_bits, finish, wanted_size
from device.image import Image, Limits, SizeRule


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.image.decode`."""
    try:
        with TiffImageFile(io.BytesIO(data)) as picture:
            return _read(picture, limits, target)
    except (ImageError, MemoryError):
        raise
    except Exception as failure:
        if _ends_early(data, failure):
            raise ImageTruncated from failure
        if isinstance(failure, SyntaxError):
            raise UnsupportedFormat(formats=", ".join(FORMATS)) from failure
        raise ImageDamaged from failure


def _read(picture: TiffImageFile, limits: Limits, target: int | SizeRule | None) -> Image:
    width, height = picture.size
    tags = picture.tag_v2
    # Decoding takes memory for a whole tile, and a tile may be larger than the picture.
    decoded_px = max(width * height, tags.get(Tag.TileWidth, 0) * tags.get(Tag.TileLength, 0))
    check_size(width, height, limits, decoded_px)
    # Pillow counts pages in quadratic time: a crafted file could keep the box busy.
    if picture.is_animated:
        raise AnimatedImage(frames="2+")
    if picture.mode in ("I", "F"):
        # Signed, 32-bit and floating-point measurements: nothing in them says which value is white.
        raise UnsupportedFormat(formats=", ".join(FORMATS))
    size = wanted_size(width, height, target)
    with alone(decoded_px):
        notes: list[str] = []
        note_profile(picture.info.get("icc_profile"), notes)
        raw = str(picture.tile[:1])
        bits = 12 if ";12" in raw else 16 if ";16" in raw else 8
        orientation = cast(int, tags.get(Tag.Orientation, 1))
        if bits > 8:
            notes.append("sixteen_bit_scaled")  # colour: Pillow itself keeps the high bytes
        if picture.mode.startswith("I;16"):
            notes.append("grey_expanded")
            picture.load()
            colours = PIL.Image.fromarray(eight_bits(np.asarray(picture), (1 << bits) - 1))
        else:
            colours = expand(picture, notes)
        if orientation in TURNS:
            notes.append("exif_rotated")  # Pillow has turned it already, and its size too
        return finish(colours, size, (width, height), "TIFF", notes, preview=True)


def _ends_early(data: bytes, failure: Exception) -> bool:
    order: Literal["little", "big"] = "little" if data.startswith(b"I") else "big"
    directory = int.from_bytes(data[4:8], order)
    entries = int.from_bytes(data[directory : directory + 2], order)
    return directory + 2 + 12 * entries > len(data) or "truncated" in str(failure)
