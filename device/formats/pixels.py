"""What all format modules share: holding a header against the limits, the size at which a picture is wanted, and the way
from a picture as its file stores it to upright RGB pixels of that size.

A format module opens the header, calls `check_size`, then `wanted_size`, decodes within `alone`, and ends in `finish`.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from math import ceil, floor

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL.Image import Resampling, Transpose

from device.errors import ImageTooNarrow, ImageTooSmall, TooManyPixels
from device.image import Image, Limits, SizeRule, StatedScale, read_size

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
QUARTER_TURNS = (5, 6, 7, 8)

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


def check_size(width: int, height: int, limits: Limits, decoded_px: int | None = None) -> None:
    """Hold a header's picture of width × height against the limits. `decoded_px`: pixels that decoding takes memory for,
    where not width × height: more where tiles are larger than the picture, fewer where a smaller copy in the file is
    decoded instead. Raises `TooManyPixels`, `ImageTooSmall` or `ImageTooNarrow`."""
    if (width * height if decoded_px is None else decoded_px) > limits.max_megapixels * 1e6:
        raise TooManyPixels(width=width, height=height, limit_megapixels=limits.max_megapixels)
    if min(width, height) < limits.min_px:
        raise ImageTooSmall(width=width, height=height, minimum_px=limits.min_px)
    if max(width, height) > limits.max_aspect * min(width, height):
        raise ImageTooNarrow(width=width, height=height, limit_ratio=limits.max_aspect)


def wanted_size(width: int, height: int, target: int | SizeRule | None) -> tuple[int, int]:
    """(width, height) at which `decode`'s `target` wants a picture of width × height. Raises what the rule raises."""
    if target is None:
        return width, height
    return read_size(width, height, target) if isinstance(target, int) else target(width, height)


def alone(decoded_px: int) -> AbstractContextManager[object]:
    """Within this, a picture for which so many pixels take memory is the only large one that is being decoded."""
    return _large_picture if decoded_px > ALONE_ABOVE_PX else nullcontext()


def finish(
    picture: PIL.Image.Image,
    size: tuple[int, int],
    full_size: tuple[int, int],
    name: str,
    notes: list[str],
    *,
    orientation: int = 1,
    stated_um_per_px: StatedScale | None = None,
    preview: bool = False,
) -> Image:
    """The `Image` of a decoded picture in mode L, RGB or RGBA.

    `picture` may already be smaller than the file's, which is `full_size` (width, height); `size` is what is wanted. Both
    are as stored: an EXIF `orientation` of 2 to 8 is applied here, to them too. Transparent parts become white.
    """
    (width, height), colours = full_size, picture
    # Turned at full size and flattened at the small one: so all orientations give the same pixels, at little memory.
    if orientation in TURNS:
        notes.append("exif_rotated")
        colours = colours.transpose(TURNS[orientation])
        if orientation in QUARTER_TURNS:
            width, height, size = height, width, (size[1], size[0])
    if size[0] * size[1] > LARGE_PX:
        pixels = _in_strips(colours, size, notes)
    else:
        pixels = np.asarray(_flatten(_resize(colours, size), notes))
    return Image(pixels, width, height, name, tuple(dict.fromkeys(notes)), stated_um_per_px, preview)


def eight_bits(samples: NDArray[np.uint16], white: int) -> NDArray[np.uint8]:
    """Samples from 0 to `white` scaled to 0 to 255, a strip of rows at a time: the arithmetic takes four bytes a sample."""
    scaled = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), STRIP_PX):
        strip = samples[top : top + STRIP_PX].astype(np.uint32)
        scaled[top : top + STRIP_PX] = np.minimum((strip * 255 + white // 2) // white, 255)
    return scaled


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
