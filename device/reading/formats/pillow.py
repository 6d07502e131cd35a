"""Files that Pillow opens: header against the limits, scaled decoding, any colour mode to L, RGB or RGBA."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, cast

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageChops
from PIL.ImageFile import ImageFile

from device.base.errors import AnimatedImage, ImageDamaged, ImageError, ImageTruncated
from device.reading.decoding.memory import current_memory
from device.reading.formats.joined import Joined
from device.reading.formats.pixels import (
    GAP,
    LARGE_PX,
    TURNS,
    Stored,
    check_size,
    finish,
    room,
    show_if_all_transparent,
    wanted_size,
)
from device.reading.image import Image, Limits, SizeRule, StatedScale

# Pillow's own guard against decompression bombs warns or raises at other limits and can't name the size; `check_size` is
# stricter. Set once, here, because it is global to the process.
PIL.Image.MAX_IMAGE_PIXELS = None


def read_with(
    plugin: type[ImageFile],
    name: str,
    file: IO[bytes] | Joined,
    limits: Limits,
    target: int | SizeRule | None,
    *,
    ends_early: Callable[[], bool],
    orientation: Callable[[ImageFile], int] = lambda _: 1,
    stated_um_per_px: StatedScale | None = None,
    preview: bool = False,
    check: Callable[[], None] = lambda: None,
    work_bytes: Callable[[int, int], float] = lambda _width, _height: 0,
    colours: Callable[[NDArray[np.uint8]], None] | None = None,
) -> Image:
    """Read a file of 8 bits or fewer with one Pillow plugin, the only one that sees the data. `check` is called once
    the header is within the limits, and raises where it finds damage that Pillow doesn't report. `work_bytes`:
    memory that the format's own decoder takes for a file of so many pixels, (width, height), beside the picture that
    it makes. `ends_early` says whether the file was cut off. It is asked only after decoding has failed, because
    many whole files end irregularly. `colours` decodes a large RGB picture into uint8 [h, w, 3] where Pillow would
    take four bytes a pixel. Raises an `ImageError`."""
    try:
        with plugin(cast(IO[bytes], file)) as picture:
            width, height = picture.size
            check_size(width, height, limits)
            frames = getattr(picture, "n_frames", 1)
            if frames != 1:
                raise AnimatedImage(frames=frames)
            size = wanted_size(width, height, target)
            picture.draft(None, (GAP * size[0], GAP * size[1]))
            turn = orientation(picture)
            lean = colours if picture.size == (width, height) and _is_large_rgb(picture) else None
            at_once = lean is not None and size == (width, height) and turn not in TURNS
            per_px = 0 if at_once else 3 if lean else _bytes_per_px(picture, turn)
            taken = picture.size[0] * picture.size[1] * per_px + work_bytes(width, height)
            in_strips = lean is not None or picture.has_transparency_data
            with room((width, height), size, taken, picture.size, in_strips=in_strips):
                check()
                notes: list[str] = []
                note_profile(picture.info.get("icc_profile"), notes)
                decoded: PIL.Image.Image | Stored
                if lean is None:
                    decoded = expand(picture, notes)
                else:
                    pixels = (
                        current_memory().new_pixels(height, width)
                        if at_once
                        else np.empty((height, width, 3), np.uint8)
                    )
                    lean(pixels)
                    if at_once:
                        return Image(pixels, width, height, name, tuple(notes), stated_um_per_px, preview)
                    decoded = Stored(pixels)
                return finish(
                    decoded,
                    size,
                    (width, height),
                    name,
                    notes,
                    orientation=turn,
                    stated_um_per_px=stated_um_per_px,
                    preview=preview,
                )
    except (ImageError, MemoryError):
        raise
    except Exception as failure:
        # On bytes that make no sense Pillow raises a dozen kinds, from OSError to ZeroDivisionError.
        if ends_early():
            raise ImageTruncated from failure
        raise ImageDamaged from failure


def _is_large_rgb(picture: ImageFile) -> bool:
    across, down = picture.size
    return picture.mode == "RGB" and not picture.has_transparency_data and across * down > LARGE_PX


def _bytes_per_px(picture: ImageFile, orientation: int) -> int:
    """Memory that Pillow takes for a pixel of a decoded picture, with its copies in another mode or turned."""
    mode, transparent = picture.mode, picture.has_transparency_data
    stored = 1 if mode in ("1", "L", "P") else 4
    shown = 1 if mode in ("1", "L") and not transparent else 4
    as_it_is = mode == "RGBA" or (mode in ("L", "RGB") and not transparent)
    copied = 0 if as_it_is else 2 * shown if mode == "CMYK" else shown
    return stored + copied + (shown if orientation in TURNS else 0)


def note_profile(profile: bytes | None, notes: list[str]) -> None:
    """Add a note for a colour profile that isn't sRGB: it is not applied."""
    if profile and b"sRGB" not in profile.replace(b"\0", b""):
        notes.append("icc_ignored")


def expand(picture: ImageFile, notes: list[str]) -> PIL.Image.Image:
    """A picture of 8 bits or fewer in mode L, RGB or RGBA."""
    if picture.mode in ("P", "PA"):
        notes.append("palette_expanded")
    if picture.mode[0] in "1LI" and picture.mode != "LAB":
        notes.append("grey_expanded")
    if picture.mode == "CMYK":
        notes.append("cmyk_converted")
    if picture.has_transparency_data:
        colours = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        colours.load()
        show_if_all_transparent(colours, notes)
        return colours
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode == "CMYK" and picture.format == "JPEG" and "adobe" not in picture.info:
        # Pillow takes the inks as inverted, which only Adobe's programs do, and say.
        return ImageChops.invert(picture).convert("RGB")
    return picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
