"""TIFF and BigTIFF: tiles and strips, pyramids and scanners' slides (SVS), 1 to 16 bits, in any order that TIFF allows.

A pyramid is read at the level just larger than the size that is wanted, so a whole slide costs only what its small copy
does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from device.base.errors import ImageError, MeasurementsNotRead, VarietyNotRead
from device.reading.formats import tiff_directory as tags
from device.reading.formats.mosaic import refuse_without_scale
from device.reading.formats.pillow import note_profile
from device.reading.formats.pixels import (
    Samples,
    Stored,
    check_size,
    finish,
    note_bits,
    room,
    sample_bits,
    scaled,
    wanted_size,
)
from device.reading.formats.scale import UM_PER_UNIT, scale_of_resolution, stated_scale
from device.reading.formats.tiff_directory import Directory, Picture, find_picture
from device.reading.formats.tiff_segments import (
    APERIO_YCC,
    J2K,
    MOST_VALUES,
    Layout,
    layout_of,
    memory_of,
    prepare,
    read_samples,
)
from device.reading.image import Image, Limits, SizeRule, StatedScale

__all__ = ["prepare", "read"]

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, INKS, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, INKS: 4, YCBCR: 3, LAB: 3}  # samples without alpha
BITS = (1, 2, 4, 8, 10, 12, 14, 16)
MOST_SAMPLES = 8
UNSIGNED, UNDEFINED = 1, 4  # sample formats
PREMULTIPLIED, SEPARATE = 1, 2  # extra samples that are alpha

OME_SIZE = re.compile(rb'\bPhysicalSize([XY])="([0-9.eE+-]+)"')
OME_UNIT = re.compile(rb'\bPhysicalSize[XY]Unit="([^"]{1,8})"')
OME_BITS = re.compile(rb'\bSignificantBits="(\d{1,2})"')
APERIO_SIZE = re.compile(rb"\bMPP *= *([0-9.]+)")
IMAGEJ_UNIT = re.compile(rb"^unit=(.{1,12})$", re.MULTILINE)
IMAGEJ_MAX = re.compile(rb"^max=([0-9.]+)", re.MULTILINE)
UM_PER_NAME = {"µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "\\u00b5m": 1.0, "nm": 1e-3, "mm": 1e3,
               "cm": 1e4, "inch": 25_400.0}  # fmt: skip


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    picture = find_picture(data)
    page = picture.page
    layout = layout_of(page)
    _check_variety(page, layout)
    orientation = page.number(tags.ORIENTATION, 1)
    width, height = page.width, page.height
    scale = _stated(page)
    if picture.copies:
        refuse_without_scale((width, height), scale, target, limits)
    level, level_layout = page, layout
    if target is not None:
        check_size(width, height, limits, decoded_px=0)
        level, level_layout = _level(picture, layout, wanted_size(width, height, target))
    decoded_px = max(level.width * level.height, level_layout.tile[0] * level_layout.tile[1])
    check_size(width, height, limits, decoded_px)
    size = wanted_size(width, height, target)
    notes: list[str] = []
    note_profile(page.text(tags.ICC_PROFILE), notes)
    with room((width, height), size, memory_of(level, level_layout), (level.width, level.height)):
        return finish(
            _stored(level, level_layout, notes),
            size,
            (width, height),
            "TIFF",
            notes,
            orientation=orientation,
            stated_um_per_px=scale,
            preview=True,
        )


def _check_variety(page: Directory, layout: Layout) -> None:
    formats = {int(value) for value in page.values(tags.SAMPLE_FORMAT)[:MOST_VALUES]} or {UNSIGNED}
    if layout.bits > 16 or not formats <= {UNSIGNED, UNDEFINED}:
        raise MeasurementsNotRead(format="TIFF", bits=layout.bits)
    photometric = page.number(tags.PHOTOMETRIC, BLACK_IS_ZERO)
    if photometric not in COLOURS:
        raise VarietyNotRead(format="TIFF", variety=f"PhotometricInterpretation {photometric}")
    if not COLOURS[photometric] <= layout.samples <= MOST_SAMPLES:
        raise VarietyNotRead(format="TIFF", variety=f"SamplesPerPixel {layout.samples}")
    if layout.bits not in BITS or (layout.bits != 8 and photometric in (YCBCR, LAB)):
        raise VarietyNotRead(format="TIFF", variety=f"BitsPerSample {layout.bits}")


def _level(picture: Picture, layout: Layout, size: tuple[int, int]) -> tuple[Directory, Layout]:
    """The smallest copy that is at least as large as what is wanted, else the picture itself."""
    for copy in reversed(picture.copies):
        if copy.width >= size[0] and copy.height >= size[1]:
            try:
                copy_layout = layout_of(copy)
                _check_variety(copy, copy_layout)
            except ImageError:  # the picture itself is there
                continue
            return copy, copy_layout
    return picture.page, layout


# --- samples to colours ----------------------------------------------------------------------------------------------


def _stored(page: Directory, layout: Layout, notes: list[str]) -> Stored:
    """The page's samples, and how a strip of them becomes grey, RGB or RGBA of 8 bits."""
    photometric = page.number(tags.PHOTOMETRIC, BLACK_IS_ZERO)
    colours = COLOURS[photometric]
    samples = read_samples(page, layout)
    if samples.ndim == 2:
        samples = samples[..., None]
    alpha, premultiplied = _alpha(page, samples, colours, notes)
    bits = layout.bits
    if bits > 8:
        bits = sample_bits(samples[..., :colours], _stated_bits(page)) if bits == 16 else bits
        note_bits(bits if layout.bits == 16 else 16, notes)
    if colours == 1 and photometric != PALETTE:
        notes.append("grey_expanded")
    to_rgb = _to_rgb(page, photometric, notes)
    opaque = 0 if alpha is None else sample_bits(samples[..., alpha]) if layout.bits > 8 else layout.bits

    def to_eight_bits(strip: Samples) -> NDArray[np.uint8]:
        part = strip[..., :colours]
        shown = to_rgb(np.asarray(part, np.uint8) if photometric == PALETTE else scaled(part, bits))
        if alpha is None:
            return shown
        cover = scaled(strip[..., alpha], opaque)
        if shown.ndim == 2:
            shown = np.stack([shown] * 3, axis=2)
        if premultiplied:
            weight = np.maximum(cover, 1)[..., None].astype(np.uint16)
            shown = np.minimum((shown.astype(np.uint16) * 255 + weight // 2) // weight, 255).astype(np.uint8)
        return np.concatenate([shown, cover[..., None]], axis=2)

    return Stored(samples, to_eight_bits)


def _alpha(
    page: Directory, samples: Samples, colours: int, notes: list[str]
) -> tuple[int | None, bool]:  # fmt: skip
    """Which sample is alpha, None where none is or where it hides the whole picture; and whether colours are multiplied
    by it."""
    extra = samples.shape[2] - colours
    kinds = [int(kind) for kind in page.values(tags.EXTRA_SAMPLES)[:extra]]
    place = next((k for k, kind in enumerate(kinds) if kind in (PREMULTIPLIED, SEPARATE)), None)
    if place is None:
        if extra and not samples[..., colours].any():
            notes.append("alpha_ignored")
        return None, False
    if not samples[..., colours + place].any():
        notes.append("alpha_ignored")
        return None, False
    return colours + place, kinds[place] == PREMULTIPLIED


def _to_rgb(page: Directory, photometric: int, notes: list[str]) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """From the colours of a strip, uint8 [h, w, colours], to grey or RGB."""
    is_ycc = photometric == YCBCR and page.number(tags.COMPRESSION, 1) != 7  # JPEG's decoder has made RGB of it
    if page.number(tags.COMPRESSION, 1) in J2K:
        aperio = page.number(tags.COMPRESSION, 1) == APERIO_YCC and page.text(tags.DESCRIPTION).startswith(b"Aperio")
        is_ycc = photometric == YCBCR or aperio  # Aperio's pages say RGB, and hold YCbCr
    if is_ycc:
        return _ycc_to_rgb(page)
    match photometric:
        case 0:
            return lambda strip: 255 - strip[..., 0]
        case 1:
            return lambda strip: strip[..., 0]
        case 3:
            notes.append("palette_expanded")
            return _palette(page)
        case 5:
            notes.append("cmyk_converted")
            return lambda strip: np.asarray(_as_pillow("CMYK", "CMYK", strip).convert("RGB"))
        case 8:
            return lambda strip: np.asarray(_as_pillow("LAB", "LAB", strip).convert("RGB"))
    return lambda strip: strip


def _as_pillow(mode: str, raw: str, strip: NDArray[np.uint8]) -> PIL.Image.Image:
    height, width, _ = strip.shape
    return PIL.Image.frombytes(mode, (width, height), strip.tobytes(), "raw", raw)


def _palette(page: Directory) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    table = page.values(tags.COLOR_MAP)[: 3 << 16].astype(np.uint16)
    colours = table[: len(table) // 3 * 3].reshape(3, -1).T
    if not len(colours) or page.number(tags.BITS, 1) > 8:
        raise VarietyNotRead(format="TIFF", variety="ColorMap")
    shown = (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)  # old writers give 8 bits
    return lambda strip: shown[np.minimum(strip[..., 0], len(shown) - 1)]


def _ycc_to_rgb(page: Directory) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    weights = page.values(tags.YCBCR_COEFFICIENTS)
    red, green, blue = (float(w) for w in weights[:3]) if len(weights) >= 3 else (0.299, 0.587, 0.114)
    reference = page.values(tags.REFERENCE_BLACK_WHITE)
    black, white, *colour = (float(r) for r in reference[:6]) if len(reference) >= 6 else (0, 255, 128, 255, 128, 255)
    if not green or white == black or colour[1] == colour[0] or colour[3] == colour[2]:
        raise VarietyNotRead(format="TIFF", variety="YCbCrCoefficients")

    def to_rgb(strip: NDArray[np.uint8]) -> NDArray[np.uint8]:
        values = strip.astype(np.float32)
        light = (values[..., 0] - black) * (255 / (white - black))
        r = light + (values[..., 2] - colour[2]) * (127 / (colour[3] - colour[2])) * (2 - 2 * red)
        b = light + (values[..., 1] - colour[0]) * (127 / (colour[1] - colour[0])) * (2 - 2 * blue)
        g = (light - blue * b - red * r) / green
        return np.clip(np.stack([r, g, b], axis=2) + 0.5, 0, 255).astype(np.uint8)

    return to_rgb


def _stated_bits(page: Directory) -> int | None:
    """How many bits of 16 the file says that its samples use."""
    text = page.text(tags.DESCRIPTION)
    if match := OME_BITS.search(text):
        return int(match[1])
    largest = max(
        (int(v) for tag in (tags.MAX_SAMPLE_VALUE, tags.LARGEST_SAMPLE_VALUE) for v in page.values(tag)[:MOST_VALUES]),
        default=0,
    )
    if not largest and text.startswith(b"ImageJ=") and (match := IMAGEJ_MAX.search(text)):
        largest = int(float(match[1]))
    return largest.bit_length() or None


# --- the size of a pixel ---------------------------------------------------------------------------------------------


def _stated(page: Directory) -> StatedScale | None:
    text = page.text(tags.DESCRIPTION)
    if text.startswith(b"Aperio") and (match := APERIO_SIZE.search(text)):
        um = _number(match[1])
        return stated_scale(um, um, "aperio")
    if b"<OME" in text[:2000]:
        sizes = {axis: _number(value) for axis, value in OME_SIZE.findall(text)[:2]}
        unit = OME_UNIT.search(text)
        um = UM_PER_NAME.get(unit[1].decode("utf-8", "replace") if unit else "µm", 0.0)
        return stated_scale(sizes.get(b"X", 0.0) * um, sizes.get(b"Y", 0.0) * um, "ome")
    across, down = (_first(page.values(tag)) for tag in (tags.X_RESOLUTION, tags.Y_RESOLUTION))
    if text.startswith(b"ImageJ=") and (match := IMAGEJ_UNIT.search(text)):
        name = match[1].strip().decode("utf-8", "replace").lower()
        um = UM_PER_NAME.get(name, 0.0)
        return stated_scale(um / across, um / down, "imagej") if across > 0 and down > 0 else None
    unit_code = page.number(tags.RESOLUTION_UNIT, 2)
    return scale_of_resolution((across, down, unit_code), "resolution") if unit_code in UM_PER_UNIT else None


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _first(values: Sequence[Any] | NDArray[Any]) -> float:
    return float(values[0]) if len(values) and np.isfinite(values[0]) else 0.0
