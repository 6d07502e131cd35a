"""The directories of a TIFF: what each page says of itself. Classic TIFF and BigTIFF, in either byte order.

Values are looked up on demand and bounded by the file's length, so a hostile directory costs no memory. This module
also decides which page is the picture, and which are smaller copies of it.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from device.base.errors import AnimatedImage, ImageDamaged, ImageTruncated

# Tags by their names in the specification.
NEW_SUBFILE_TYPE, SUBFILE_TYPE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
FILL_ORDER, DESCRIPTION, STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = (
    266,
    270,
    273,
    274,
    277,
    278,
    279,
)
MAX_SAMPLE_VALUE, X_RESOLUTION, Y_RESOLUTION, PLANAR, RESOLUTION_UNIT, PREDICTOR, COLOR_MAP = (
    281,
    282,
    283,
    284,
    296,
    317,
    320,
)
TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_BYTES, SUB_DIRECTORIES, EXTRA_SAMPLES = 322, 323, 324, 325, 330, 338
SAMPLE_FORMAT, LARGEST_SAMPLE_VALUE, JPEG_TABLES, YCBCR_COEFFICIENTS, YCBCR_SUBSAMPLING = 339, 341, 347, 529, 530
REFERENCE_BLACK_WHITE, ICC_PROFILE = 532, 34675

REDUCED, MASK = 1, 4  # bits of NewSubfileType
OLD_REDUCED = 2  # value of SubfileType
MOST_PAGES = 10_000  # nobody counts further
MOST_COPIES = 64
MOST_TEXT = 4_000_000
MOST_ENTRIES = 4096  # of a directory; the specification has some hundred tags
SAME_SHAPE = 0.02  # by which a smaller copy's aspect may differ from the picture's: its sides are rounded

# NumPy's names of the types of values, by TIFF's numbers; of two numbers for rationals.
TYPES = {1: "u1", 2: "S1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "i4", 11: "f4", 12: "f8",
         13: "u4", 16: "u8", 17: "i8", 18: "u8"}  # fmt: skip
RATIONALS = (5, 10)
APART_FROM_THE_SLIDE = re.compile(rb"\b(label|macro)\b", re.IGNORECASE)


Order = Literal["<", ">"]


@dataclass(frozen=True)
class Directory:
    """One page. `entries`: for each tag its type, how many values it has, and where they lie in `data`."""

    data: bytes
    order: Order
    entries: Mapping[int, tuple[int, int, int]]

    def values(self, tag: int) -> NDArray[Any]:
        """All values of a tag, of rationals the quotients; empty where the page lacks it. Raises `ImageTruncated` where
        they lie beyond the file's end."""
        kind, count, place = self.entries.get(tag, (1, 0, 0))
        numbers = count * (2 if kind in RATIONALS else 1)
        dtype = np.dtype(TYPES[kind]).newbyteorder(self.order)
        if place + numbers * dtype.itemsize > len(self.data):
            raise ImageTruncated
        stored = np.frombuffer(self.data, dtype, numbers, place)
        if kind in RATIONALS:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.asarray(stored[::2] / stored[1::2], np.float64)
        return stored

    def number(self, tag: int, default: int) -> int:
        """The first value of a tag as a whole number. Raises `ImageDamaged` where it isn't one."""
        values = self.values(tag)
        if not len(values):
            return default
        if values.dtype.kind not in "ui" or values[0] < 0:
            raise ImageDamaged
        return int(values[0])

    def text(self, tag: int) -> bytes:
        """The bytes of a tag, `MOST_TEXT` at most."""
        try:
            return self.values(tag)[:MOST_TEXT].tobytes()
        except ImageTruncated:  # words beyond the end of the file: the picture may be there all the same
            return b""

    @cached_property
    def width(self) -> int:
        return self.number(WIDTH, 0)

    @cached_property
    def height(self) -> int:
        return self.number(LENGTH, 0)

    @property
    def tiled(self) -> bool:
        return TILE_WIDTH in self.entries

    @property
    def is_reduced(self) -> bool:
        """Whether the page says that it is a smaller copy or a mask of another one."""
        flags = self.number(NEW_SUBFILE_TYPE, 0) & (REDUCED | MASK)
        return bool(flags) or self.number(SUBFILE_TYPE, 0) == OLD_REDUCED


@dataclass(frozen=True)
class Picture:
    """The page that is the picture, and those that are smaller copies of it, largest first."""

    page: Directory
    copies: tuple[Directory, ...]


def find_picture(data: bytes) -> Picture:
    """The one picture of a file. Raises `AnimatedImage` where it has several, `ImageTruncated` or `ImageDamaged`."""
    order: Order = "<" if data.startswith(b"II") else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    pages: list[Directory] = []
    pictures: list[Directory] = []
    count = 0
    for start in _chain(data, order, big):
        count += 1
        if len(pictures) > 1 and not _is_slide(pages[0]):
            continue  # only counted
        directory = _parse(data, start, order, big)
        pages.append(directory)
        if not directory.is_reduced:
            pictures.append(directory)
        if len(pages) > MOST_COPIES:
            break
    page = pictures[0] if pictures else pages[0]
    if len(pictures) > 1 and not _is_slide(page):
        raise AnimatedImage(frames=count - (len(pages) - len(pictures)))
    nested = [_parse(data, int(start), order, big) for start in page.values(SUB_DIRECTORIES)[:MOST_COPIES]]
    if not pictures:  # the only page calls itself a copy, or it is the thumbnail of what lies beneath
        page = next((directory for directory in nested if not directory.is_reduced), page)
    copies = [each for each in (*pages, *nested) if each is not page and _is_copy(each, page)]
    return Picture(page, tuple(sorted(copies, key=lambda each: -each.width)))


def _is_slide(page: Directory) -> bool:
    """Whether an Aperio scanner made the file: its smaller copies don't say that they are copies."""
    return page.tiled and page.text(DESCRIPTION).startswith(b"Aperio")


def _is_copy(page: Directory, picture: Directory) -> bool:
    if not 0 < page.width < picture.width or not 0 < page.height < picture.height:
        return False
    if page.number(NEW_SUBFILE_TYPE, 0) & MASK or APART_FROM_THE_SLIDE.search(page.text(DESCRIPTION)[:200]):
        return False
    aspect = page.width * picture.height / (page.height * picture.width)
    rounding = 1 / min(page.width, page.height)
    return abs(aspect - 1) < SAME_SHAPE + rounding and page.number(PHOTOMETRIC, 0) == picture.number(PHOTOMETRIC, 0)


def _chain(data: bytes, order: Order, big: bool) -> Iterator[int]:
    """Where each page's directory starts. Raises `ImageTruncated` where the first lies beyond the end."""
    pointer, counter, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    pointer_size, counter_size = struct.calcsize(f"<{pointer}"), struct.calcsize(f"<{counter}")
    at = 8 if big else 4
    seen: set[int] = set()
    while len(seen) < MOST_PAGES:
        if at + pointer_size > len(data):
            if seen:
                return
            raise ImageTruncated
        (start,) = struct.unpack_from(f"{order}{pointer}", data, at)
        if start in seen or (seen and start == 0):
            return
        if start + counter_size > len(data):
            raise ImageTruncated
        if start < 8:
            raise ImageDamaged
        seen.add(start)
        yield start
        (count,) = struct.unpack_from(f"{order}{counter}", data, start)
        at = start + counter_size + count * entry


def _parse(data: bytes, start: int, order: Order, big: bool) -> Directory:
    """The directory that starts there. Raises `ImageTruncated` where the file ends before it does."""
    counter, layout, inline, size = ("Q", "HHQ", 8, 20) if big else ("H", "HHI", 4, 12)
    if start + struct.calcsize(f"<{counter}") > len(data):
        raise ImageTruncated
    (count,) = struct.unpack_from(f"{order}{counter}", data, start)
    first = start + struct.calcsize(f"<{counter}")
    if first + count * size > len(data):
        raise ImageTruncated
    if count > MOST_ENTRIES:
        raise ImageDamaged
    entries: dict[int, tuple[int, int, int]] = {}
    for at in range(first, first + count * size, size):
        tag, kind, number = struct.unpack_from(f"{order}{layout}", data, at)
        if kind not in TYPES or tag in entries:
            continue
        length = number * np.dtype(TYPES[kind]).itemsize * (2 if kind in RATIONALS else 1)
        place = at + size - inline
        if length > inline:
            (place,) = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, place)
        entries[tag] = kind, number, place
    return Directory(data, order, entries)
