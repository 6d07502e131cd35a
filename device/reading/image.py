"""From the bytes of a picture file to the pixels that a network reads, within limits.

What each kind of file needs is in `device/reading/formats/`. Above a megapixel decoding costs more than the network, so a
picture is decoded once, at about the scale that the model works at. What leaves this module is pixels, size, format, the
size of a pixel that the file states, and notes on what was done to the pixels: no EXIF, no file name, no file on disk.
Whether the picture may be read is decided by the gate (`device/reading/gate.py`).

Pixels are turned upright as EXIF says; palettes, grey, CMYK and other colour spaces become RGB; 16 bits a channel
become 8 by scaling; transparent parts are laid on white, a microscope's background. Colour profiles are ignored, as
they were for the pictures that the models learnt from; a profile other than sRGB is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import ceil, floor, log, sqrt
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from device.base.errors import ImageDamaged, ImageEmpty, LoupeError, UnsupportedFormat
from device.reading.formats import FORMATS, Kind, kind_of
from device.reading.formats.other import refuse_others

# Sides of what a network reads are multiples of this, its deepest stride.
MULTIPLE_PX = 32

SizeRule = Callable[[int, int], tuple[int, int]]


class FormatModule(Protocol):
    """A module of `device/reading/formats/`."""

    def read(self, data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
        """What `decode` promises, for files of one kind."""


@dataclass(frozen=True)
class Limits:
    """What a picture may be. Sides in pixels; the aspect is the long side over the short one."""

    max_megapixels: float = 64
    min_px: int = 64
    max_aspect: float = 3.0


@dataclass(frozen=True)
class StatedScale:
    """The size of a pixel, µm, that a file states, and where: `source` is a key of the texts' `stated_scale`."""

    um_per_px: float
    source: str


@dataclass(frozen=True)
class Image:
    """A decoded picture: `pixels` uint8 [h, w, 3] RGB; `width` and `height` of the file's picture, upright.

    `stated_um_per_px` is of the file's own pixels, None where the file states none that can be right; it is offered, never
    used unasked. `preview`: browsers can't show the file as the box read it. `covered`: which part of the
    file's picture `pixels` show, its left, top, right and bottom, px, which may lie a little outside, where the picture is
    mirrored; None where they show just the picture.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    format: str
    notes: tuple[str, ...]
    stated_um_per_px: StatedScale | None = None
    preview: bool = False
    covered: tuple[float, float, float, float] | None = None

    @property
    def read_box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what `pixels` show, px of the file's picture."""
        return self.covered or (0.0, 0.0, self.width, self.height)

    @property
    def source_px(self) -> float:
        """How many of the file's pixels `pixels` are made of."""
        left, top, right, bottom = self.read_box
        return (right - left) * (bottom - top)


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


def decode(
    data: bytes, limits: Limits, target: int | SizeRule | None = None, *, stop: Callable[[], bool] | None = None
) -> Image:
    """Decode a picture file of anybody's: at the network's read size where `target` is an area, px; at the size that a rule
    makes of the file's (width, height); otherwise at its own size. `stop` is asked, again and again, whether to give up.

    Raises the `ImageError` that names what is wrong, the rule's own among them; `Busy` where others have the memory,
    `ReadingStopped` where `stop` says so, `DecodingUnavailable`. The header is held against the limits, and the rule asked,
    before pixels take memory. What costs much, and what isn't a JPEG or PNG, is decoded in a process of its own
    (`device/reading/decoding/`).
    """
    from device.reading.decoding.budget import OwnMemory, budget
    from device.reading.decoding.memory import memory_from
    from device.reading.decoding.sandbox import decode as decode_in_child
    from device.reading.decoding.sandbox import this_sandbox
    from device.reading.formats.cost import is_cheap

    kind = known_kind(data)
    if not is_cheap(data, target):
        return decode_in_child(this_sandbox(), budget(), kind.module, data, limits, target, stop)
    with memory_from(OwnMemory(budget(), stop)):
        return decode_in_process(data, limits, target)


def decode_in_process(data: bytes, limits: Limits, target: int | SizeRule | None = None) -> Image:
    """The same in this process, without a child's limits on time and memory: for trusted files."""
    module = cast(FormatModule, import_module(f"device.reading.formats.{known_kind(data).module}"))
    try:
        return module.read(data, limits, target)
    except (LoupeError, MemoryError):
        raise
    except Exception as failure:
        # Decoders raise a dozen kinds on bytes that make no sense, from OSError to ZeroDivisionError.
        raise ImageDamaged from failure


def known_kind(data: bytes) -> Kind:
    """The kind of a file. Raises the `ImageError` that says why it isn't read."""
    if not data:
        raise ImageEmpty
    refuse_others(data)
    kind = kind_of(data)
    if kind is None:
        raise UnsupportedFormat(formats=", ".join(FORMATS))
    return kind
