"""The kinds of picture files that the box reads. Each is known by its first bytes and read by a module of this package.

A module is imported only when a file of its kind comes: a box that sees only JPEG never loads a decoder of TIFF or
DICOM. Each module has one function, `read(data, limits, target) -> Image`, as `device.reading.image.decode` describes
it. It raises the `ImageError` that names what is wrong; any other exception is reported as `ImageDamaged`. `pixels.py`
(any picture) and `pillow.py` (files that Pillow opens) hold what modules share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from device.reading.formats.boxes import brands


@dataclass(frozen=True)
class Kind:
    """A kind of file: `name` as people know it, `module` of this package that reads it, `matches` its first bytes."""

    name: str
    module: str
    matches: Callable[[bytes], bool]


def _starts(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(beginnings)


HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

# The elements that a DICOM file without the usual preamble starts with, in either byte order: the length or the version of
# its header, its own length, its character set, the kind of its picture.
_DICOM_STARTS = (
    *(b"\x02\0\0\0UL\x04\0", b"\x02\0\x01\0OB"),
    *(b"\x08\0\0\0", b"\x08\0\x05\0", b"\x08\0\x08\0", b"\0\x08\0\0", b"\0\x08\0\x05", b"\0\x08\0\x08"),
)


def _is_dicom(data: bytes) -> bool:
    return data[128:132] == b"DICM" or data.startswith(_DICOM_STARTS)


# What stands in the TIFFs of scanners whose pages fit together in a way of their own. What merely bears such a name, a
# region that was exported, is read as any TIFF.
SCANNERS = (b"Hamamatsu", b"leica-microsystems.com/scn", b"iScan", b'<DataObject ObjectType="DPUfsImport"', b"MedScan")
SAKURA = b"SQLite format 3\0"


def _is_slide(data: bytes) -> bool:
    is_tiff = data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
    return data.startswith(SAKURA) or (is_tiff and any(scanner in data for scanner in SCANNERS))


# Asked in this order.
KINDS = (
    Kind("JPEG", "jpeg", _starts(b"\xff\xd8\xff")),
    Kind("PNG", "png", _starts(b"\x89PNG\r\n\x1a\n")),
    Kind("NDPI", "slide", _is_slide),
    Kind("TIFF", "tiff", _starts(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    Kind("WebP", "webp", lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP"),
    Kind("BMP", "bmp", _starts(b"BM")),
    Kind("DICOM", "dicom", _is_dicom),
    Kind("AVIF", "avif", lambda data: bool({b"avif", b"avis"} & set(brands(data)))),
    Kind("HEIC", "heif", lambda data: bool(HEIF_BRANDS & set(brands(data)))),
)

# What the box says that it reads.
FORMATS = tuple(kind.name for kind in KINDS)


def kind_of(data: bytes) -> Kind | None:
    """The kind of a file by its first bytes; None for an unknown one."""
    return next((kind for kind in KINDS if kind.matches(data)), None)
