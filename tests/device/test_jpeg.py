"""JPEG: damage is told, untidy but whole files are read, EXIF alone turns."""

from __future__ import annotations

import io
import struct
import time
from contextlib import suppress
from typing import Any

import numpy as np
import PIL.Image
import pytest

from device.base.errors import ImageDamaged, ImageError, ImageTruncated
from device.reading.formats.jpeg import check_whole, walk
from device.reading.image import Limits, decode
from tests.support.drawn_files import difference, encode, tissue

LIMITS = Limits()
KINDS: dict[str, dict[str, Any]] = {
    "4:2:0": {"subsampling": 2},
    "4:4:4": {"subsampling": 0},
    "optimized": {"optimize": True},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "grey": {"grey": True},
}


def jpeg(width: int = 480, height: int = 360, seed: int = 0, *, grey: bool = False, **options: object) -> bytes:
    """Tissue with noise, so that each place has its own code."""
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    pixels = np.clip(np.asarray(tissue(width, height, seed)) + noise, 0, 255).astype(np.uint8)
    picture = PIL.Image.fromarray(pixels)
    return encode(picture.convert("L") if grey else picture, "JPEG", **({"quality": 90} | options))


def scan_of(data: bytes) -> tuple[int, int]:
    """Where the data of the first scan start and end."""
    start = data.index(b"\xff\xda")
    return start + 2 + int.from_bytes(data[start + 2 : start + 4]), len(data) - 2


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_read(kind: str) -> None:
    decode(jpeg(**KINDS[kind]), LIMITS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.4, 0.8, 0.95, 0.99])
def test_an_end_that_is_missing_is_told_though_somebody_closed_the_file(kind: str, kept: float) -> None:
    data = jpeg(**KINDS[kind])
    start, end = scan_of(data)
    cut = data[: start + int((end - start) * kept)].rstrip(b"\xff") + b"\xff\xd9"
    with pytest.raises((ImageDamaged, ImageTruncated)):
        decode(cut, LIMITS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_or_emptied_sector_is_told(kind: str) -> None:
    data = jpeg(**KINDS[kind])
    start, end = scan_of(data)
    silent = 0
    places = np.random.default_rng(3).integers(start, end - 1024, 12)
    for at in places.tolist():
        for broken in (
            data[:at] + data[at + 512 :],
            data[:at] + bytes(512) + data[at + 512 :],
            data[:at] + b"\xff" * 512 + data[at + 512 :],
        ):
            try:
                decode(broken, LIMITS)
                silent += 1
            except ImageError:
                pass
    # A sector may by chance start and end between two blocks, and a refinement may lack one.
    assert silent <= (6 if kind == "progressive" else 1)


def test_zeros_are_no_damage_where_they_mean_a_blank_picture() -> None:
    for colour in ("white", (235, 190, 215), "black"):
        for options in ({}, {"optimize": True}, {"progressive": True}):
            decode(encode(PIL.Image.new("RGB", (2000, 1500), colour), "JPEG", **options), LIMITS, 512 * 384)


def test_junk_beside_the_picture_is_no_damage() -> None:
    data = jpeg()
    first = data.index(b"\xff\xdb")
    expected = decode(data, LIMITS).pixels
    for untidy in (
        data + b"junk" * 200,
        data + bytes(4096),
        data[:first] + b"\0\1\2\3" * 5 + data[first:],
        data[:first] + b"\xff\xff\xff" + data[first:],
        data[:-2] + bytes(300) + data[-2:],
        data[:-2] + b"\x5a\x01" + data[-2:],
        data[:2] + segment(0xE5, b"maker's notes \xff\xd9\xff\xda" * 9) + segment(0xFE, b"a comment") + data[2:],
        data + jpeg(96, 96),  # a telephone's second picture
    ):
        assert (decode(untidy, LIMITS).pixels == expected).all()


def test_what_is_dropped_before_decoding_changes_no_pixel() -> None:
    profile = segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(2000))
    for kind, options in KINDS.items():
        data = jpeg(**options)
        busy = data[:2] + segment(0xE1, b"Exif\0\0nonsense") + profile + data[2:]
        plain = np.asarray(PIL.Image.open(io.BytesIO(data)).convert("RGB"))
        assert (decode(busy, LIMITS).pixels == plain).all(), kind


@pytest.mark.parametrize("size", [(768, 576), (2048, 1536)])
def test_looking_for_damage_costs_less_than_reading(size: tuple[int, int]) -> None:
    data = jpeg(*size)

    def fastest(action: object) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            action()  # type: ignore[operator]
            times.append(time.process_time() - start)
        return min(times)

    looking = fastest(lambda: check_whole(list(walk(data))))
    assert looking < 1.2 * fastest(lambda: PIL.Image.open(io.BytesIO(data)).convert("RGB"))


# --- turning ---------------------------------------------------------------------------------------------------------


def exif(kind: int, count: int, value: int, *, order: str = "<", directory: int = 0) -> bytes:
    """An EXIF block with one orientation, in the first or the second directory."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    packed = struct.pack(f"{order}H", value) + b"\0\0" if kind == 3 else struct.pack(f"{order}I", value)
    entry = struct.pack(f"{order}HHI", 0x0112, kind, count) + packed
    one = struct.pack(f"{order}H", 1) + entry
    if directory:
        return b"Exif\0\0" + head + struct.pack(f"{order}HI", 0, 14) + one + bytes(4)
    return b"Exif\0\0" + head + one + bytes(4)


def turned(data: bytes, block: bytes, file_format: str = "JPEG") -> bool:
    """Whether a file with this EXIF block is turned."""
    if file_format == "JPEG":
        data = data[:2] + segment(0xE1, block) + data[2:]
    image = decode(data, LIMITS)
    return "exif_rotated" in image.notes


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_picture_is_turned_by_what_browsers_turn_by(order: str) -> None:
    data = jpeg(160, 120)
    assert turned(data, exif(3, 1, 6, order=order))
    assert not turned(data, exif(3, 1, 1, order=order))
    assert not turned(data, exif(4, 1, 6, order=order))  # LONG
    assert not turned(data, exif(3, 2, 6, order=order))  # two values
    assert not turned(data, exif(3, 1, 9, order=order))
    assert not turned(data, exif(3, 1, 0, order=order))
    assert not turned(data, exif(3, 1, 6, order=order, directory=1))


XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"><tiff:Orientation>6</tiff:Orientation>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_xmp_turns_nothing(file_format: str) -> None:
    picture = tissue(160, 120)
    if file_format == "JPEG":
        data = encode(picture, "JPEG", quality=95)
        data = data[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP) + data[2:]
    elif file_format == "PNG":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        data = encode(picture, "PNG", pnginfo=text)
    else:
        options = {"xmp": XMP, "lossless": True} if file_format == "WEBP" else {"tiffinfo": {700: XMP}}
        data = encode(picture, file_format, **options)
    image = decode(data, LIMITS)
    assert (image.width, image.height, image.notes) == (160, 120, ())
    assert difference(image.pixels, np.asarray(picture)) < 3


# --- bombs -----------------------------------------------------------------------------------------------------------


def test_many_segments_or_scans_keep_nobody_waiting() -> None:
    small = jpeg(128, 96)
    block = segment(0xE1, b"Exif\0\0" + bytes(60000))
    progressive = encode(PIL.Image.new("RGB", (4000, 3000)), "JPEG", progressive=True, subsampling=0)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00"
    for data in (
        small[:2] + block * 30 + segment(0xE1, b"Exif\0\0x") * 100_000 + small[2:],
        small[:2] + b"\xff\xe5\0\2" * 2_000_000 + small[2:],
        progressive[:-2] + scan * 2000 + progressive[-2:],
        small[:2] + segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(60000)) * 250 + small[2:],
    ):
        start = time.process_time()
        with suppress(ImageError):
            decode(data, LIMITS, 512 * 384)
        assert time.process_time() - start < 2
