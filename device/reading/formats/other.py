"""Kinds of files that the box knows by their first bytes but doesn't read. Each is refused by its own name, with the
step that makes a readable file of it.

They are checked before the kinds that are read, because some begin like those: a camera's raw file is a TIFF whose
first picture is a thumbnail.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from device.base.errors import (
    DocumentSent,
    MicroscopeFormatNotRead,
    PictureFormatNotRead,
    RawPhotoNotRead,
    SlideInPieces,
    VideoSent,
)
from device.reading.formats.boxes import brands

# Tags of a TIFF's first directory: what stands there first is a thumbnail; the camera; further directories; DNG's version.
SUBFILE_TYPE, MAKE, SUB_DIRECTORIES, DNG_VERSION = 254, 271, 330, 50706
MOST_TAGS = 500

Matches = Callable[[bytes], bool]


def refuse_others(data: bytes) -> None:
    """Raises the refusal of the file's kind, where it is one of these."""
    for (name, program), matches in MICROSCOPES.items():
        if matches(data):
            raise MicroscopeFormatNotRead(name=name, program=program)
    if _is_mirax(data):
        raise SlideInPieces(name="3DHISTECH MRXS", program="SlideViewer")
    if name := _name(data, RAW):
        raise RawPhotoNotRead(name=name)
    if name := _name(data, PICTURES):
        raise PictureFormatNotRead(name=name)
    if name := _name(data, VIDEOS):
        raise VideoSent(name=name)
    if name := _name(data, DOCUMENTS):
        raise DocumentSent(name=name)


def _name(data: bytes, kinds: Mapping[str, Matches]) -> str:
    return next((name for name, matches in kinds.items() if matches(data)), "")


def _starts(*beginnings: bytes) -> Matches:
    return lambda data: data.startswith(beginnings)


def _branded(*names: bytes) -> Matches:
    return lambda data: brands(data)[:1] in {(name,) for name in names}


def _text(*words: bytes) -> Matches:
    """Whether the file is text that has one of the words near its start, perhaps after a byte-order mark and spaces."""

    def matches(data: bytes) -> bool:
        start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
        return start.startswith(words) or (start.startswith((b"<?xml", b"<!--")) and any(w in start for w in words))

    return matches


def _first_tags(data: bytes) -> dict[int, int]:
    """The tags of a TIFF's first directory, each with its four bytes: a value, or the place of one."""
    if not data.startswith((b"II*\0", b"MM\0*")):
        return {}
    order = "<" if data.startswith(b"I") else ">"
    try:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, at)
        entries = [struct.unpack_from(f"{order}HHII", data, at + 2 + 12 * n) for n in range(min(count, MOST_TAGS))]
    except struct.error:
        return {}
    return {tag: value for tag, _, _, value in entries}


def _is_raw_tiff(data: bytes) -> bool:
    if data[8:10] == b"CR" and data.startswith(b"II*\0"):
        return True
    tags = _first_tags(data)
    return DNG_VERSION in tags or (
        SUBFILE_TYPE in tags and tags[SUBFILE_TYPE] != 0 and {MAKE, SUB_DIRECTORIES} <= set(tags)
    )


def _is_lif(data: bytes) -> bool:
    return data.startswith(b"\x70\0\0\0") and data[8:9] == b"\x2a"


def _is_mirax(data: bytes) -> bool:
    """Whether the file is part of a MIRAX slide's folder, or an archive of one."""
    start = data[:4096].removeprefix(b"\xef\xbb\xbf")
    return (start.startswith(b"[GENERAL]") and b"SLIDE_" in start) or (
        data.startswith(b"PK\x03\x04") and b"Slidedat.ini" in data
    )


# By name and the program that exports from it.
MICROSCOPES = {
    ("Zeiss CZI", "ZEN"): _starts(b"ZISRAWFILE"),
    ("Leica LIF", "LAS X"): _is_lif,
    ("Nikon ND2", "NIS-Elements"): _starts(b"\xda\xce\xbe\x0a"),
    ("Olympus VSI/ETS", "OlyVIA"): _starts(b"SIS\0"),
    ("Olympus OIB", "FluoView"): _starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("Imaris IMS (HDF5)", "Imaris"): _starts(b"\x89HDF\r\n\x1a\n"),
}
RAW = {
    "CR3": _branded(b"crx "),
    "CR2, NEF, ARW, DNG": _is_raw_tiff,
    "RAF": _starts(b"FUJIFILMCCD-RAW"),
    "ORF": _starts(b"IIRO", b"IIRS", b"MMOR"),
    "RW2": _starts(b"IIU\0"),
}
PICTURES = {
    "JPEG XL": _starts(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "JPEG 2000": _starts(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    "JPEG XR": _starts(b"II\xbc\x01"),
    "GIF": _starts(b"GIF87a", b"GIF89a"),
    "Photoshop (PSD)": _starts(b"8BPS"),
    "GIMP (XCF)": _starts(b"gimp xcf"),
    "PNM (PBM, PGM, PPM)": lambda data: data[:1] == b"P" and data[1:2] in b"1234567" and data[2:3].isspace(),
    "ICO": _starts(b"\0\0\1\0"),
    "FITS": _starts(b"SIMPLE  ="),
    "SVG": _text(b"<svg", b"<!doctype svg"),
}
VIDEOS = {
    "MP4, MOV": _branded(b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V ", b"qt  ", b"3gp4", b"3gp5"),
    "AVI": lambda data: data.startswith(b"RIFF") and data[8:12] == b"AVI ",
    "MKV, WebM": _starts(b"\x1a\x45\xdf\xa3"),
    "MPEG": _starts(b"\0\0\1\xba", b"\0\0\1\xb3"),
}
DOCUMENTS = {
    "PDF": lambda data: b"%PDF-" in data[:1024],
    "ZIP, DOCX, PPTX": _starts(b"PK\x03\x04", b"PK\x05\x06"),
    "RAR": _starts(b"Rar!\x1a\x07"),
    "7z": _starts(b"7z\xbc\xaf\x27\x1c"),
    "gzip": _starts(b"\x1f\x8b"),
    "PostScript": _starts(b"%!PS"),
    "HTML": _text(b"<!doctype html", b"<html"),
    "RTF": _starts(b"{\\rtf"),
}
