"""Files that the box doesn't read: each is refused by its own name, with its own next step, in both languages."""

from __future__ import annotations

import io
import struct
import zipfile

import PIL.Image
import pytest

from device.base.errors import (
    DocumentSent,
    ImageError,
    MicroscopeFormatNotRead,
    PictureFormatNotRead,
    RawPhotoNotRead,
    SlideInPieces,
    UnsupportedFormat,
    VideoSent,
)
from device.base.texts import LANGUAGES, error_words
from device.reading.image import Limits, decode

LIMITS = Limits()


def tiff_directory(order: str, *entries: tuple[int, int, int, int]) -> bytes:
    """A TIFF of one directory: tag, type, count, value of each."""
    body = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, len(entries)) + body + bytes(4)


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for name in names:
            written.writestr(name, "content")
    return file.getvalue()


def saved(file_format: str) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (80, 80), "pink").save(file, file_format)
    return file.getvalue()


def boxed(brand: bytes) -> bytes:
    return struct.pack(">I", 16) + b"ftyp" + brand + bytes(4)


FILES: list[tuple[bytes, type[ImageError], str]] = [
    (b"ZISRAWFILE" + bytes(100), MicroscopeFormatNotRead, "CZI"),
    (b"\x70\0\0\0\x08\0\0\0\x2a" + bytes(100), MicroscopeFormatNotRead, "LIF"),
    (b"\xda\xce\xbe\x0a" + bytes(100), MicroscopeFormatNotRead, "ND2"),
    (b"SIS\0" + bytes(100), MicroscopeFormatNotRead, "VSI"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), MicroscopeFormatNotRead, "OIB"),
    (b"\x89HDF\r\n\x1a\n" + bytes(100), MicroscopeFormatNotRead, "IMS"),
    (b"\xef\xbb\xbf[GENERAL]\r\nSLIDE_ID = 1\r\n", SlideInPieces, "MRXS"),
    (archive("slide.mrxs", "slide/Slidedat.ini"), SlideInPieces, "MRXS"),
    (boxed(b"crx "), RawPhotoNotRead, "CR3"),
    (b"II*\0\x10\0\0\0CR\x02\0" + bytes(100), RawPhotoNotRead, "CR2"),
    (tiff_directory("<", (254, 4, 1, 1), (50706, 1, 4, 1)), RawPhotoNotRead, "DNG"),
    (tiff_directory(">", (254, 4, 1, 1), (271, 2, 18, 8), (330, 4, 2, 8)), RawPhotoNotRead, "NEF"),
    (b"FUJIFILMCCD-RAW 0201", RawPhotoNotRead, "RAF"),
    (b"IIRO\x08\0\0\0", RawPhotoNotRead, "ORF"),
    (b"IIU\0\x08\0\0\0", RawPhotoNotRead, "RW2"),
    (b"\xff\x0a\xfa\x1f", PictureFormatNotRead, "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100), PictureFormatNotRead, "JPEG XL"),
    (saved("JPEG2000"), PictureFormatNotRead, "JPEG 2000"),
    (saved("GIF"), PictureFormatNotRead, "GIF"),
    (saved("PPM"), PictureFormatNotRead, "PPM"),
    (saved("ICO"), PictureFormatNotRead, "ICO"),
    (b"8BPS\0\1" + bytes(100), PictureFormatNotRead, "PSD"),
    (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', PictureFormatNotRead, "SVG"),
    (b"\xef\xbb\xbf  <svg/>", PictureFormatNotRead, "SVG"),
    (boxed(b"isom"), VideoSent, "MP4"),
    (boxed(b"qt  "), VideoSent, "MOV"),
    (b"RIFF\0\0\0\0AVI LIST", VideoSent, "AVI"),
    (b"\x1a\x45\xdf\xa3" + bytes(100), VideoSent, "MKV"),
    (saved("PDF"), DocumentSent, "PDF"),
    (archive("word/document.xml"), DocumentSent, "DOCX"),
    (b"7z\xbc\xaf\x27\x1c" + bytes(100), DocumentSent, "7z"),
    (b"<!DOCTYPE html><html></html>", DocumentSent, "HTML"),
]


@pytest.mark.parametrize(("data", "error", "name"), FILES, ids=[f"{name}-{n}" for n, (_, _, name) in enumerate(FILES)])
def test_each_kind_is_refused_by_its_own_name(data: bytes, error: type[ImageError], name: str) -> None:
    with pytest.raises(error) as raised:
        decode(data, LIMITS)
    for language in LANGUAGES:
        told = error_words(raised.value, language)
        assert name in " ".join(told.values())
        assert told["next_step"]


@pytest.mark.parametrize("data", [b"hello", b"\0" * 1000, b"P", b"<?xml version='1.0'?><patient/>", boxed(b"zzzz")])
def test_what_nobody_knows_is_refused_with_the_list_of_what_is_read(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        decode(data, LIMITS)


@pytest.mark.parametrize("tags", [((254, 4, 1, 0), (271, 2, 18, 8), (330, 4, 2, 8)), ((254, 4, 1, 1),)])
def test_a_pyramid_is_no_raw_photo(tags: tuple[tuple[int, int, int, int], ...]) -> None:
    """A slide names its scanner and has further directories; a thumbnail alone is a picture."""
    with pytest.raises(ImageError) as raised:
        decode(tiff_directory("<", *tags), LIMITS)
    assert not isinstance(raised.value, RawPhotoNotRead)
