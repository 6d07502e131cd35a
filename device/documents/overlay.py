"""What the page draws over a picture, for the command line: the class map in the page's colours over the picture in grey,
and hatching where the picture looks foreign (`device/web/static/colours.js` and `overlay.js`).

The scale is fixed by the bundle, never stretched to a picture's own range, and places with little evidence are left as they
are. Blue speaks against the class, vermilion for it: told apart with any common colour vision (Okabe and Ito 2008); both
grow darker and more opaque with strength.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from device.base.errors import Phrase
from device.reading.reading import Reader, Reading

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
AGAINST_RGB = np.array([[86, 180, 233], [0, 62, 130]])  # weak, strong
FOR_RGB = np.array([[245, 158, 66], [176, 42, 0]])
OPACITY = np.array([0.45, 0.95])
# The page's slider for the overlay starts here.
STRENGTH_OF_OVERLAY = 0.6
LONGEST_PX = 2048
NEARLY_ALL = 0.95  # a picture that is hatched nearly everywhere tells nothing
HATCHES = 55  # lines along the longer side
DARK_RGB, LIGHT_RGB = (20, 33, 43), (255, 255, 255)
DARK_WIDTH, LIGHT_WIDTH = 0.3, 0.12  # of the gap between two lines


def fault(path: Path, picture: str) -> str | None:
    """Why an overlay can't be written to a path, None where it can. `picture`: the name of the file that is read."""
    try:
        if path.is_dir():
            return Phrase("is_folder")
        if path.suffix.lower() not in SUFFIXES:
            return Phrase("overlay_suffix")
        if not path.parent.is_dir():
            return Phrase("folder_missing")
        if path.exists() and Path(picture).exists() and path.samefile(picture):
            return Phrase("is_picture")
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(path if path.exists() else path.parent, os.W_OK) else Phrase("not_writable")


def draw_overlay(reading: Reading, reader: Reader, label: int, *, cells: bool = False) -> Pillow.Image:
    """The picture in grey with the map of class number `label` on it, smooth or as the true `cells`; hatched where it looks
    foreign if it is refused or to be read with caution. A refused picture shows no class and keeps its colours."""
    picture = Pillow.fromarray(reading.image.pixels)
    picture.thumbnail((LONGEST_PX, LONGEST_PX))
    if reading.verdict.accepted:
        # In grey, so that each colour is the map's: beside orange, a stain's pink looks like evidence against.
        picture = _with_map(
            picture.convert("L").convert("RGB"), reading.maps.values[..., label], reader.scale(reading), cells
        )
    strangeness = reading.strangeness
    if strangeness is not None and (reading.caution or not reading.verdict.accepted):
        foreign = strangeness > 1
        if 0 < foreign.mean() < NEARLY_ALL:
            _hatch(picture, foreign)
    return picture


def _enlarge(values: NDArray[np.float64], size: tuple[int, int], how: Pillow.Resampling) -> NDArray[np.float32]:
    return np.asarray(Pillow.fromarray(values.astype(np.float32)).resize(size, how))


def _with_map(
    picture: Pillow.Image, values: NDArray[np.float64], scale: tuple[float, float], cells: bool
) -> Pillow.Image:
    blank_below, limit = scale
    size, counts = picture.size, ~np.isnan(values)
    own = _enlarge(counts.astype(np.float64), size, Pillow.Resampling.NEAREST) > 0
    # Between the middles of the cells that count: what is left out doesn't pull its neighbours towards nothing.
    how = Pillow.Resampling.NEAREST if cells else Pillow.Resampling.BILINEAR
    weight = _enlarge(counts.astype(np.float64), size, how)
    drawn = _enlarge(np.where(counts, values, 0), size, how) / np.where(own, weight, 1)
    strength = np.clip((np.abs(drawn) - blank_below) / (limit - blank_below), 0, 1)[..., None]

    def mix(ends: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(ends[0] + (ends[1] - ends[0]) * strength)

    colour = np.where((drawn > 0)[..., None], mix(FOR_RGB), mix(AGAINST_RGB))
    shown = own & (np.abs(drawn) >= blank_below)
    opacity = mix(OPACITY) * STRENGTH_OF_OVERLAY * shown[..., None]
    return Pillow.fromarray((np.asarray(picture) * (1 - opacity) + colour * opacity).round().astype(np.uint8))


def _hatch(picture: Pillow.Image, foreign: NDArray[np.bool_]) -> None:
    """Diagonal lines over the cells that are foreign, dark beside light so that they show on any picture."""
    inside = Pillow.fromarray(foreign).resize(picture.size, Pillow.Resampling.NEAREST)
    lines, (width, height) = picture.copy(), picture.size
    gap, pen = max(width, height) / HATCHES, ImageDraw.Draw(lines)
    for colour, share in ((DARK_RGB, DARK_WIDTH), (LIGHT_RGB, LIGHT_WIDTH)):
        for start in np.arange(-height, width, gap).tolist():
            pen.line([(start, height), (start + height, 0)], fill=colour, width=max(1, round(share * gap)))
    picture.paste(lines, mask=inside)
