"""From the bytes of a picture file to the pixels that a network reads, within limits.

Above a megapixel decoding costs more than the network does, so a picture is decoded once, at about the scale that the
model works at. Only pixels, size, format and what was done to them leave here: no EXIF, no file name, no file on disk.
Whether the picture shows something that may be read is the gate's question.

Pixels are turned upright as EXIF says; palettes, grey, CMYK and other colour spaces become RGB; 16 bits a channel
become 8 by scaling; transparent parts are laid on white, a microscope's background. Colour profiles are ignored, as
they were for the pictures that the models learnt from; a profile other than sRGB is noted.
"""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil, floor, log, sqrt
from typing import Literal, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import BmpImagePlugin, ImageChops, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin
from PIL.ExifTags import Base as Tag
from PIL.Image import Resampling, Transpose
from PIL.ImageFile import ImageFile

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

# Pillow's own guard against decompression bombs warns or raises at other limits and can't name the size; `_check` is
# stricter. Set once, here, because it is global to the process.
PIL.Image.MAX_IMAGE_PIXELS = None

# A format is known by its first bytes, and only its own plugin then sees the data.
FORMATS: dict[str, tuple[type[ImageFile], tuple[bytes, ...]]] = {
    "JPEG": (JpegImagePlugin.JpegImageFile, (b"\xff\xd8\xff",)),
    "PNG": (PngImagePlugin.PngImageFile, (b"\x89PNG\r\n\x1a\n",)),
    "TIFF": (TiffImagePlugin.TiffImageFile, (b"II*\0", b"MM\0*")),
    "WebP": (WebPImagePlugin.WebPImageFile, (b"RIFF",)),
    "BMP": (BmpImagePlugin.BmpImageFile, (b"BM",)),
}

# EXIF's orientations 2 to 8: what brings the stored picture upright.
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

# The cheap first step (JPEG's scaled decoding, box averaging) stops at twice the size that is wanted; Lanczos does the
# rest. Going all the way with the cheap step would save 8 ms of 17 on a 2048 × 1536 JPEG, but read it 8 % blurrier and
# 3 grey levels apart from the same picture in another format; stopping at twice, it is 1 level.
GAP = 2
LANCZOS_REACH = 3  # pixels of the coarser of the two scales that Pillow's filter sees on either side

# A result of more pixels than this is made in strips of so many rows.
LARGE_PX, STRIP_PX = 4_000_000, 256

# Above this many pixels pictures are decoded one at a time, whichever thread asks: 64 megapixels with transparency take a
# quarter of a gigabyte, for which a file of 0.3 MB suffices, and a small box has no room for several. The others wait.
ALONE_ABOVE_PX = 16_000_000
_large_picture = threading.Lock()

# Sides of what a network reads are multiples of this, its deepest stride.
MULTIPLE_PX = 32

SizeRule = Callable[[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Limits:
    """What a picture may be. Sides in pixels; the aspect is the long side over the short one."""

    max_megapixels: float = 64
    min_px: int = 64
    max_aspect: float = 3.0


@dataclass(frozen=True)
class Image:
    """A decoded picture: `pixels` uint8 [h, w, 3] RGB; `width` and `height` of the file's picture, upright."""

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    notes: tuple[str, ...]


def read_size(width: int, height: int, area_px: int) -> tuple[int, int]:
    """(width, height) at which a network reads: about `area_px` large and shaped like the picture, sides multiples of 32.

    At the default model's area, pictures up to 3:1 are stretched by at most 5 % (mean 2 %) to fit them.
    """
    columns, rows = sqrt(area_px * width / height) / MULTIPLE_PX, sqrt(area_px * height / width) / MULTIPLE_PX

    def misfit(cells: tuple[int, int]) -> float:
        across, down = cells
        return abs(log(across * height / (down * width))) + abs(log(across * down / (columns * rows))) / 2

    near = [(max(2, a), max(2, d)) for a in (floor(columns), ceil(columns)) for d in (floor(rows), ceil(rows))]
    across, down = min(near, key=misfit)
    return across * MULTIPLE_PX, down * MULTIPLE_PX


def decode(data: bytes, limits: Limits, target: int | SizeRule | None = None) -> Image:
    """Decode a picture file: at the network's read size where `target` is an area, px; at the size that a rule makes of
    the file's (width, height); otherwise at its own size.

    Raises the `ImageError` that names what is wrong, the rule's own among them. The header is held against the limits, and
    the rule asked, before pixels take memory.
    """
    if not data:
        raise NoImage
    name = next((name for name, (_, starts) in FORMATS.items() if data.startswith(starts)), None)
    if name is None:
        raise UnsupportedFormat(formats=", ".join(FORMATS))
    plugin, _ = FORMATS[name]
    try:
        with plugin(io.BytesIO(data)) as picture:
            alone = _check(picture, limits) > ALONE_ABOVE_PX
            with _large_picture if alone else nullcontext():
                return _read(picture, name, target)
    except (ImageError, MemoryError):
        raise
    except Exception as failure:
        # On bytes that make no sense Pillow raises a dozen kinds, from OSError to ZeroDivisionError.
        if _ends_early(name, data, failure):
            raise ImageTruncated from failure
        if isinstance(failure, SyntaxError) and name != "PNG":
            # The header is of a variety that Pillow doesn't read, such as 12-bit JPEG. PNG has no such varieties.
            raise UnsupportedFormat(formats=", ".join(FORMATS)) from failure
        raise ImageDamaged from failure


def _check(picture: ImageFile, limits: Limits) -> int:
    """Hold the header against the limits. Returns how many pixels decoding takes memory for."""
    width, height = picture.size
    largest_px = width * height
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        # Decoding takes memory for a whole tile, and a tile may be larger than the picture.
        largest_px = max(largest_px, picture.tag_v2.get(Tag.TileWidth, 0) * picture.tag_v2.get(Tag.TileLength, 0))
        # Pillow counts pages in quadratic time: a crafted file could keep the box busy.
        frames = "2+" if picture.is_animated else 1
    else:
        frames = getattr(picture, "n_frames", 1)
    if largest_px > limits.max_megapixels * 1e6:
        raise TooManyPixels(width=width, height=height, limit_megapixels=limits.max_megapixels)
    if frames != 1:
        raise AnimatedImage(frames=frames)
    if min(width, height) < limits.min_px:
        raise ImageTooSmall(width=width, height=height, minimum_px=limits.min_px)
    if max(width, height) > limits.max_aspect * min(width, height):
        raise ImageTooNarrow(width=width, height=height, limit_ratio=limits.max_aspect)
    if picture.mode in ("I", "F"):
        # Signed, 32-bit and floating-point measurements: nothing in them says which value is white.
        raise UnsupportedFormat(formats=", ".join(FORMATS))
    return largest_px


def _read(picture: ImageFile, name: str, target: int | SizeRule | None) -> Image:
    """Decode what `_check` let pass."""
    notes: list[str] = []
    width, height = picture.size
    if isinstance(target, int):
        size = read_size(width, height, target)
    else:
        size = target(width, height) if target else picture.size
    picture.draft(None, (GAP * size[0], GAP * size[1]))
    profile = picture.info.get("icc_profile")
    if profile and b"sRGB" not in profile.replace(b"\0", b""):
        notes.append("icc_ignored")
    bits = _bits(picture)
    orientation = _orientation(picture)
    colours = _expand(picture, bits, notes)
    if orientation in TURNS:
        notes.append("exif_rotated")
        if name != "TIFF":  # Pillow turns a TIFF itself when it loads it
            colours = colours.transpose(TURNS[orientation])
            if orientation >= 5:
                width, height, size = height, width, (size[1], size[0])
    # Turned at full size and flattened at the small one: so all orientations give the same pixels, at little memory.
    if size[0] * size[1] > LARGE_PX:
        pixels = _in_strips(colours, size, notes)
    else:
        pixels = np.asarray(_flatten(_resize(colours, size), notes))
    return Image(pixels, width, height, name, tuple(dict.fromkeys(notes)))


def _bits(picture: ImageFile) -> int:
    """Bits of a sample in the file, where more than 8. Pillow says so only in the raw mode of what isn't loaded yet."""
    raw = str(picture.tile[:1])
    if ";12" in raw:
        return 12
    return 16 if ";16" in raw and "BGR;16" not in raw else 8  # BGR;16 is BMP's 5 + 6 + 5 bits


def _orientation(picture: ImageFile) -> int:
    """EXIF's orientation, 1 where there is none that can be read: tissue has no upside, so it does not matter much."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return cast(int, picture.tag_v2.get(Tag.Orientation, 1))
    picture.load()  # `getexif` would do it for a PNG, and its failures are no failures of EXIF
    try:
        return cast(int, picture.getexif().get(Tag.Orientation, 1))
    except (SyntaxError, struct.error, KeyError, TypeError, ValueError):
        return 1


def _expand(picture: ImageFile, bits: int, notes: list[str]) -> PIL.Image.Image:
    """The picture in mode L, RGB or RGBA."""
    if bits > 8:
        notes.append("sixteen_bit_scaled")  # colour: Pillow itself keeps the high bytes
    if picture.mode in ("P", "PA"):
        notes.append("palette_expanded")
    if picture.mode[0] in "1LI" and picture.mode != "LAB":
        notes.append("grey_expanded")
    if picture.mode == "CMYK":
        notes.append("cmyk_converted")

    if picture.mode.startswith("I;16"):
        return _eight_bits(picture, (1 << bits) - 1)
    if picture.has_transparency_data:
        return picture if picture.mode == "RGBA" else picture.convert("RGBA")
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode == "CMYK" and picture.format == "JPEG" and "adobe" not in picture.info:
        # Pillow takes the inks as inverted, which only Adobe's programs do, and say.
        return ImageChops.invert(picture).convert("RGB")
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")


def _eight_bits(picture: ImageFile, white: int) -> PIL.Image.Image:
    """Grey of 16 bits a pixel, scaled to mode L, a strip at a time: the arithmetic takes eight bytes a pixel."""
    picture.load()
    width, height = picture.size
    grey = PIL.Image.new("L", picture.size)
    for top in range(0, height, STRIP_PX):
        strip = np.asarray(picture.crop((0, top, width, min(height, top + STRIP_PX))), np.uint32)
        grey.paste(PIL.Image.fromarray(((strip * 255 + white // 2) // white).astype(np.uint8)), (0, top))
    return grey


def _resize(picture: PIL.Image.Image, size: tuple[int, int]) -> PIL.Image.Image:
    if picture.size == size:
        return picture
    if picture.mode == "RGBA":
        return _resize_transparent(picture, size)
    return picture.resize(size, Resampling.LANCZOS, reducing_gap=GAP)


def _resize_transparent(picture: PIL.Image.Image, size: tuple[int, int]) -> PIL.Image.Image:
    """What `resize` makes of an RGBA picture, to the value. Pillow would multiply the whole large picture by its alpha
    first, in a second copy; here a strip of it at a time, which the cheap first step shrinks at once."""
    width, height = picture.size
    across, down = (max(1, int(whole / part / GAP)) for whole, part in zip(picture.size, size, strict=True))
    reduced = PIL.Image.new("RGBa", (ceil(width / across), ceil(height / down)))
    step = max(1, STRIP_PX // down) * down
    for top in range(0, height, step):
        strip = picture.crop((0, top, width, min(height, top + step))).convert("RGBa")
        reduced.paste(strip.reduce((across, down)), (0, top // down))
    box = (0, 0, width / across, height / down)
    return reduced.resize(size, Resampling.LANCZOS, box=box).convert("RGBA")


def _in_strips(picture: PIL.Image.Image, size: tuple[int, int], notes: list[str]) -> NDArray[np.uint8]:
    """Resized and flattened a strip at a time, so that the large picture is never there twice: uint8 [h, w, 3]."""
    width, height = size
    scale = picture.height / height
    reach = ceil(LANCZOS_REACH * max(1.0, scale)) + 1  # rows that the filter sees beyond its box: so there are no seams
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP_PX):
        bottom = min(height, top + STRIP_PX)
        first, last = max(0, floor(top * scale) - reach), min(picture.height, ceil(bottom * scale) + reach)
        seen = picture.crop((0, first, picture.width, last))
        box = (0, top * scale - first, picture.width, min(bottom * scale - first, last - first))
        strip = seen.resize((width, bottom - top), Resampling.LANCZOS, box=box)
        pixels[top:bottom] = np.asarray(_flatten(strip, notes))
    return pixels


def _flatten(picture: PIL.Image.Image, notes: list[str]) -> PIL.Image.Image:
    """Lay transparent parts on white."""
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255):
        notes.append("alpha_flattened")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def _ends_early(name: str, data: bytes, failure: Exception) -> bool:
    """Whether the file was cut off. Asked only once decoding has failed: many whole files end untidily."""
    match name:
        case "JPEG":
            return b"\xff\xd9" not in data[-64:]
        case "PNG":
            return b"IEND" not in data[-64:]
        case "WebP":
            return len(data) < 8 + int.from_bytes(data[4:8], "little")
        case "BMP":
            return len(data) < int.from_bytes(data[2:6], "little")
    order: Literal["little", "big"] = "little" if data.startswith(b"I") else "big"
    directory = int.from_bytes(data[4:8], order)
    entries = int.from_bytes(data[directory : directory + 2], order)
    return directory + 2 + 12 * entries > len(data) or "truncated" in str(failure)
