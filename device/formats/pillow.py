"""Files that Pillow opens: header against the limits, scaled decoding, any colour mode to L, RGB or RGBA."""

from __future__ import annotations

import io
from collections.abc import Callable

import PIL.Image
from PIL import ImageChops
from PIL.ImageFile import ImageFile

from device.errors import AnimatedImage, ImageDamaged, ImageError, ImageTruncated
from device.formats.pixels import (
    GAP,
    TURNS,
    alone,
    check_memory,
    check_size,
    finish,
    show_if_all_transparent,
    wanted_size,
)
from device.image import Image, Limits, SizeRule, StatedScale

# Pillow's own guard against decompression bombs warns or raises at other limits and can't name the size; `check_size` is
# stricter. Set once, here, because it is global to the process.
PIL.Image.MAX_IMAGE_PIXELS = None


def read_with(
    plugin: type[ImageFile],
    name: str,
    data: bytes,
    limits: Limits,
    target: int | SizeRule | None,
    *,
    ends_early: Callable[[bytes], bool],
    orientation: Callable[[ImageFile], int] = lambda _: 1,
    stated_um_per_px: StatedScale | None = None,
    preview: bool = False,
    check: Callable[[], None] = lambda: None,
    work_bytes_per_px: float = 0,
) -> Image:
    """Read a file of 8 bits or fewer with one Pillow plugin, which alone sees the data. `check` is called once the header
    is within the limits, and raises where it knows of damage that Pillow keeps silent about. `work_bytes_per_px`: what the
    format's own decoder takes for a pixel of the file, beside the picture that it makes. `ends_early` tells whether
    the file was cut off; it is asked only once decoding has failed, for many whole files end untidily. Raises an
    `ImageError`."""
    try:
        with plugin(io.BytesIO(data)) as picture:
            width, height = picture.size
            check_size(width, height, limits)
            frames = getattr(picture, "n_frames", 1)
            if frames != 1:
                raise AnimatedImage(frames=frames)
            size = wanted_size(width, height, target)
            picture.draft(None, (GAP * size[0], GAP * size[1]))
            turn = orientation(picture)
            taken = picture.size[0] * picture.size[1] * _bytes_per_px(picture.mode, turn)
            check_memory((width, height), size, taken + width * height * work_bytes_per_px, limits)
            with alone(width * height):
                check()
                notes: list[str] = []
                note_profile(picture.info.get("icc_profile"), notes)
                return finish(
                    expand(picture, notes),
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
        if ends_early(data):
            raise ImageTruncated from failure
        raise ImageDamaged from failure


def _bytes_per_px(mode: str, orientation: int) -> int:
    """What Pillow takes for a pixel of a decoded picture, with its copy in another mode or turned."""
    stored = 1 if mode in ("1", "L", "P") else 4
    shown = 1 if mode in ("1", "L") else 4
    return (stored if mode not in ("L", "RGB", "RGBA") else 0) + shown * (2 if orientation in TURNS else 1)


def note_profile(profile: bytes | None, notes: list[str]) -> None:
    """Note a colour profile that isn't sRGB: it is not applied."""
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
