"""Files that Pillow opens: header against the limits, scaled decoding, any colour mode to L, RGB or RGBA."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import cast

import numpy as np
import PIL.Image
from PIL import ImageChops
from PIL.ExifTags import Base as Tag
from PIL.ImageFile import ImageFile

from device.errors import AnimatedImage, ImageDamaged, ImageError, ImageTruncated, UnsupportedFormat
from device.formats import FORMATS
from device.formats.pixels import GAP, alone, check_size, eight_bits, finish, wanted_size
from device.image import Image, Limits, SizeRule

# Pillow's own guard against decompression bombs warns or raises at other limits and can't name the size; `check_size` is
# stricter. Set once, here, because it is global to the process.
PIL.Image.MAX_IMAGE_PIXELS = None


def read_with(
    plugin: type[ImageFile],
    name: str,
    data: bytes,
    limits: Limits,
    target: int | SizeRule | None,
    ends_early: Callable[[bytes], bool],
) -> Image:
    """Read a file with one Pillow plugin, which alone sees the data. `ends_early` tells whether the file was cut off; it is
    asked only once decoding has failed, for many whole files end untidily. Raises an `ImageError`."""
    try:
        return _read(plugin, name, data, limits, target)
    except (ImageError, MemoryError):
        raise
    except Exception as failure:
        if isinstance(failure, SyntaxError) and name == "JPEG":
            # The header is of a variety that Pillow doesn't read, such as 12-bit JPEG.
            raise UnsupportedFormat(formats=", ".join(FORMATS)) from failure
        # On bytes that make no sense Pillow raises a dozen kinds, from OSError to ZeroDivisionError.
        if ends_early(data):
            raise ImageTruncated from failure
        raise ImageDamaged from failure


def _read(plugin: type[ImageFile], name: str, data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    with plugin(io.BytesIO(data)) as picture:
        width, height = picture.size
        check_size(width, height, limits)
        frames = getattr(picture, "n_frames", 1)
        if frames != 1:
            raise AnimatedImage(frames=frames)
        size = wanted_size(width, height, target)
        with alone(width * height):
            picture.draft(None, (GAP * size[0], GAP * size[1]))
            notes: list[str] = []
            note_profile(picture.info.get("icc_profile"), notes)
            bits = _bits(picture)
            orientation = _orientation(picture)
            if bits > 8:
                notes.append("sixteen_bit_scaled")  # colour: Pillow itself keeps the high bytes
            if picture.mode.startswith("I;16"):
                notes.append("grey_expanded")
                colours = PIL.Image.fromarray(eight_bits(np.asarray(picture), (1 << bits) - 1))
            else:
                colours = expand(picture, notes)
            return finish(colours, size, (width, height), name, notes, orientation=orientation, preview=bits > 8)


def note_profile(profile: bytes | None, notes: list[str]) -> None:
    """Note a colour profile that isn't sRGB: it is not applied."""
    if profile and b"sRGB" not in profile.replace(b"\0", b""):
        notes.append("icc_ignored")


def _bits(picture: ImageFile) -> int:
    """Bits of a sample in the file, where more than 8. Pillow says so only in the raw mode of what isn't loaded yet."""
    raw = str(picture.tile[:1])
    return 16 if ";16" in raw and "BGR;16" not in raw else 8  # BGR;16 is BMP's 5 + 6 + 5 bits


def _orientation(picture: ImageFile) -> int:
    """EXIF's orientation, 1 where there is none that can be read: tissue has no upside, so it does not matter much."""
    picture.load()  # `getexif` would do it for a PNG, and its failures are no failures of EXIF
    try:
        return cast(int, picture.getexif().get(Tag.Orientation, 1))
    except (SyntaxError, struct.error, KeyError, TypeError, ValueError):
        return 1


def expand(picture: ImageFile, notes: list[str]) -> PIL.Image.Image:
    """A picture of 8 bits or fewer in mode L, RGB or RGBA."""
    if picture.mode in ("P", "PA"):
        notes.append("palette_expanded")
    if picture.mode[0] in "1LI" and picture.mode != "LAB":
        notes.append("grey_expanded")
    if picture.mode == "CMYK":
        notes.append("cmyk_converted")
    if picture.has_transparency_data:
        return picture if picture.mode == "RGBA" else picture.convert("RGBA")
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode == "CMYK" and picture.format == "JPEG" and "adobe" not in picture.info:
        # Pillow takes the inks as inverted, which only Adobe's programs do, and say.
        return ImageChops.invert(picture).convert("RGB")
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
