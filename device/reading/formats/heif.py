"""HEIC, as phones save it, through pi-heif: libheif and libde265, which decode it and encode nothing.

libheif turns and mirrors as the file's properties say, as browsers do; EXIF's orientation doesn't count beside them
(ISO 23008-12, 6.5.10). Of several pictures, such as a burst, the one that the file calls primary is read.
"""

from __future__ import annotations

from typing import Any

import PIL.Image

# The compiled part of pi-heif. What stands around it asks for EXIF at once, which crashes the process on some damaged files
# (1.4.0); size, turns and pixels did in none of 4,000. So nothing looks at EXIF, where telephones put places.
from _pi_heif import load_file

from device.base.errors import CompressionNotRead, ImageDamaged, ImageTruncated, VarietyNotRead
from device.reading.formats.boxes import brands, ends_early
from device.reading.formats.pillow import note_profile
from device.reading.formats.pixels import check_size, finish, room, wanted_size
from device.reading.image import Image, Limits, SizeRule

NAME = "HEIC"
# libde265's planes and those that it refers to, libheif's picture of them, and Pillow's copy.
WORK_BYTES_PER_PX = 10
SEQUENCES = (b"hevc", b"hevx", b"msf1")


def read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    """See `device.reading.image.decode`."""
    if brands(data)[0] in SEQUENCES:
        raise VarietyNotRead(format=NAME, variety="image sequence")
    try:
        return _read(data, limits, target)
    except (ValueError, EOFError, SyntaxError, RuntimeError, OSError) as failure:
        # What pi-heif raises. libheif puts the kind of failure into the words alone.
        words = str(failure)
        if "Unsupported" in words or "not been built in" in words:
            raise CompressionNotRead(format=NAME, compression=_codec(data)) from failure
        if ends_early(data) or "end of file" in words.lower():
            raise ImageTruncated from failure
        raise ImageDamaged from failure


def _read(data: bytes, limits: Limits, target: int | SizeRule | None) -> Image:
    pictures: list[Any] = [each for each in _opened(data) if each is not None]
    main = next((each for each in pictures if each.primary), pictures[0])
    (width, height), mode = main.size_mode
    if mode not in ("RGB", "RGBA") and main.bit_depth > 8:
        # pi-heif (1.4.0) writes beyond its memory where a header says so of grey and the stream has 8 bits.
        raise VarietyNotRead(format=NAME, variety=f"grey, {main.bit_depth} bits")
    check_size(width, height, limits)
    size = wanted_size(width, height, target)
    notes: list[str] = []
    profile = main.color_profile
    note_profile(profile.get("data") if profile.get("type") in ("rICC", "prof") else None, notes)
    if len(pictures) > 1:
        notes.append("main_of_several")
    if main.bit_depth > 8:
        notes.append("sixteen_bit_scaled")
    if mode[0] == "L":
        notes.append("grey_expanded")
    with room((width, height), size, WORK_BYTES_PER_PX * width * height):
        picture = PIL.Image.frombytes(mode, (width, height), main.data, "raw", mode, main.stride)
        if mode not in ("L", "RGB", "RGBA"):
            picture = picture.convert("RGBA")
        return finish(picture, size, (width, height), NAME, notes, preview=True)


def _opened(data: bytes) -> list[Any]:
    """The file's pictures, not decoded yet. A reader stays in its own thread. Samples become 8 bits, without padding."""
    threads, eight_bits, bgr, no_padding, sixteen_bits, decoder, no_limits = 1, True, False, True, True, "", False
    return list(load_file(data, threads, eight_bits, bgr, no_padding, sixteen_bits, decoder, no_limits))


def _codec(data: bytes) -> str:
    """The name of the picture's compression, where HEIF knows it beside HEVC."""
    names = {b"av01": "AV1", b"jpeg": "JPEG", b"avc1": "H.264", b"j2k1": "JPEG 2000", b"vvc1": "H.266", b"unci": "none"}
    return next((name for code, name in names.items() if code in data[:4096]), "?")
