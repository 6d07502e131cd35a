"""Pictures that cost far more than they weigh: for each format, each field that can lie and each part that can repeat.

All are drawn here and at most 32 MB. `python -m tests.torture.bombs NAME` writes one to standard output; without a
name it lists them.
"""

from __future__ import annotations

import random
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image

from tests.support import drawn_dicom, drawn_heic
from tests.support.drawn_files import encode as encoded
from tests.support.drawn_files import png_chunk, riff, tiff, tiff_tags, tissue
from tests.support.drawn_slide import ndpi
from tests.torture.wire import READINGS, Target, exchange, head

MOST = 31_000_000
SIDE = 8000  # 64 megapixels, the most that a box reads by default
Draw = Callable[[], bytes]
BOMBS: dict[str, Draw] = {}


def bomb(name: str) -> Callable[[Draw], Draw]:
    def kept(draw: Draw) -> Draw:
        BOMBS[name] = draw
        return draw

    return kept


def plain(width: int, height: int, mode: str = "RGB") -> PIL.Image.Image:
    return PIL.Image.new(mode, (width, height))


def deflated(count: int) -> bytes:
    """Exactly so many zeros, deflated."""
    deflate = zlib.compressobj(1)
    pieces = [deflate.compress(bytes(min(1 << 20, count - at))) for at in range(0, count, 1 << 20)]
    return b"".join(pieces) + deflate.flush()


def repeated(piece: bytes, count: int | None = None) -> bytes:
    return piece * min(count or MOST, MOST // len(piece))


# --- JPEG --------------------------------------------------------------------------------------------------------------


def segment(marker: int, body: bytes = b"") -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(more: bytes) -> bytes:
    small = encoded(tissue(128, 128), "JPEG")
    return small[:2] + more + small[2:]


def jpeg_header(data: bytes, width: int, height: int) -> bytes:
    """A JPEG whose header says another size than its picture has."""
    at = min(found for marker in (0xC0, 0xC1, 0xC2) if (found := data.find(bytes([0xFF, marker, 0]))) > 0)
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def exif(entries: bytes, count: int, more: bytes = b"") -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + bytes(4) + more


bomb("JPEG empty segments")(lambda: jpeg_with(repeated(segment(0xE5))))
bomb("JPEG fill bytes")(lambda: jpeg_with(repeated(b"\xff")))
bomb("JPEG comments")(lambda: jpeg_with(repeated(segment(0xFE, bytes(65_000)))))
bomb("JPEG Exif over and over")(lambda: jpeg_with(repeated(segment(0xE1, b"Exif\0\0" + bytes(6_000)))))
bomb("JPEG tables over and over")(lambda: jpeg_with(repeated(segment(0xDB, bytes([0]) + bytes(range(1, 65))))))
bomb("JPEG restarts over and over")(lambda: jpeg_with(repeated(segment(0xDD, b"\0\1"))))
bomb("JPEG ICC in pieces")(lambda: jpeg_with(repeated(segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(65_000)))))
bomb("JPEG XMP in pieces")(
    lambda: jpeg_with(repeated(segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(64_000))))
)
bomb("JPEG Photoshop blocks")(
    lambda: jpeg_with(repeated(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\0\0\0\0\0\0\0\0" * 5400)))
)
bomb("JPEG pictures in Exif")(
    lambda: jpeg_with(segment(0xE1, exif(struct.pack("<HHII", 0x0201, 4, 1, 40) * 2, 2, encoded(tissue(), "JPEG"))))
)
bomb("JPEG starts over and over")(lambda: repeated(b"\xff\xd8"))
bomb("JPEG after its end")(lambda: encoded(tissue(128, 128), "JPEG") + repeated(b"\xff\xd9\xff\xd8\xff\xe0\0\x02"))


@bomb("JPEG Exif that repeats its parts")
def jpeg_exif_quadratic() -> bytes:
    large = segment(0xE1, b"Exif\0\0" + bytes(65_527))
    return jpeg_with(repeated(large, 120) + repeated(segment(0xE1, b"Exif\0\0x"), 700_000))


@bomb("JPEG Exif whose directory is its own next")
def jpeg_exif_loop() -> bytes:
    entries = b"".join(struct.pack("<HHII", 0x8769, 4, 1, 8) for _ in range(5000))
    return jpeg_with(segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + entries + b"\x08\0\0\0"))


@bomb("JPEG Exif values that share one place")
def jpeg_exif_shared() -> bytes:
    count = 5000
    entries = b"".join(struct.pack("<HHII", number, 7, 4000, 60_010) for number in range(count))
    return jpeg_with(segment(0xE1, exif(entries, count, bytes(4000))))


def scans(width: int, height: int, more: bytes, count: int, **options: Any) -> bytes:
    """A progressive JPEG with so many further scans."""
    whole = encoded(plain(width, height), "JPEG", progressive=True, quality=20, **options)
    return whole[:-2] + repeated(more, count) + whole[-2:]


AC_REFINED = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x10"
AC_FIRST = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00"
DC_REFINED = b"\xff\xda\x00\x0c\x03\x01\x00\x02\x00\x03\x00\x00\x00\x10"
bomb("JPEG 2,000 scans of 64 MP")(lambda: scans(SIDE, SIDE, AC_FIRST, 2000, subsampling=0))
bomb("JPEG 20,000 scans of 1 MP")(lambda: scans(1000, 1000, AC_REFINED, 20_000, subsampling=0))
bomb("JPEG 3 million scans of little")(lambda: scans(160, 120, AC_FIRST, 3_000_000))
bomb("JPEG 300 scans of all colours")(lambda: scans(5000, 4000, DC_REFINED, 300))
bomb("JPEG 90 scans of 4 MP")(lambda: scans(2048, 2048, AC_FIRST, 90))
bomb("JPEG 64 MP in inks")(lambda: encoded(plain(SIDE, SIDE, "CMYK"), "JPEG"))
bomb("JPEG 64 MP in inks, progressive")(lambda: encoded(plain(SIDE, SIDE, "CMYK"), "JPEG", progressive=True))
bomb("JPEG 64 MP, progressive")(lambda: encoded(plain(SIDE, SIDE), "JPEG", progressive=True, subsampling=0))
bomb("JPEG 64 MP")(lambda: encoded(plain(SIDE, SIDE), "JPEG", subsampling=0))
bomb("JPEG 64 MP of grey in one line")(lambda: encoded(plain(64_000, 1000, "L"), "JPEG"))
bomb("JPEG says 65,535 × 65,535")(lambda: jpeg_header(encoded(tissue(), "JPEG"), 65_535, 65_535))
bomb("JPEG says 8,000 × 8,000, has little")(lambda: jpeg_header(encoded(tissue(), "JPEG"), SIDE, SIDE))
bomb("JPEG says 8,000 × 8,000, progressive")(
    lambda: jpeg_header(encoded(tissue(), "JPEG", progressive=True), SIDE, SIDE)
)
bomb("JPEG says no height")(lambda: jpeg_header(encoded(tissue(), "JPEG"), 160, 0))
bomb("JPEG a restart each block, 64 MP")(lambda: encoded(plain(SIDE, SIDE), "JPEG", restart_marker_blocks=1))
bomb("JPEG arithmetic, by its marker")(lambda: encoded(tissue(), "JPEG").replace(b"\xff\xc0\0", b"\xff\xc9\0", 1))
bomb("JPEG lossless, by its marker")(lambda: encoded(tissue(), "JPEG").replace(b"\xff\xc0\0", b"\xff\xc3\0", 1))
bomb("JPEG several frames")(
    lambda: (
        encoded(tissue(), "JPEG")[:-2]
        + repeated(segment(0xC0, struct.pack(">BHHB", 8, SIDE, SIDE, 3) + b"\1\x11\0\2\x11\0\3\x11\0"), 1000)
        + b"\xff\xd9"
    )
)


@bomb("JPEG sampled 4 × 4")
def jpeg_sampled() -> bytes:
    data = bytearray(jpeg_header(encoded(tissue(), "JPEG", progressive=True), 65_000, 900))
    at = data.index(b"\xff\xc2\0")
    data[at + 11] = 0x44
    return bytes(data)


# --- PNG ---------------------------------------------------------------------------------------------------------------

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def png_of(width: int, height: int, colour: int, bits: int, rows: bytes, more: bytes = b"", woven: int = 0) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, woven))
    return b"\x89PNG\r\n\x1a\n" + header + more + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def png_large(colour: int, bits: int = 8, more: bytes = b"", woven: int = 0, side: int = SIDE) -> bytes:
    row = 1 + -(-side * SAMPLES[colour] * bits // 8)
    # Woven, there are more rows than high, each with its filter's byte.
    return png_of(side, side, colour, bits, deflated(row * side + (16 * side if woven else 0)), more, woven)


def png_with(more: bytes) -> bytes:
    small = encoded(tissue(128, 128), "PNG")
    return small[:33] + more + small[33:]


PALETTE = png_chunk(b"PLTE", bytes(768)) + png_chunk(b"tRNS", bytes(256))
bomb("PNG empty chunks")(lambda: png_with(repeated(png_chunk(b"abCd", b""))))
bomb("PNG texts that inflate")(
    lambda: png_with(repeated(png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(1 << 20), 9)), 20_000))
)
bomb("PNG texts in languages")(
    lambda: png_with(repeated(png_chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(1 << 20), 9)), 20_000))
)
bomb("PNG a profile that inflates")(lambda: png_with(png_chunk(b"iCCP", b"k\0\0" + deflated(1 << 30))))
bomb("PNG Exif values that share one place")(
    lambda: png_with(
        png_chunk(b"eXIf", exif(b"".join(struct.pack("<HHII", n, 7, 99, 999_999) for n in range(65_535)), 65_535)[6:])
    )
)
bomb("PNG Exif over and over")(lambda: png_with(repeated(png_chunk(b"eXIf", b"II*\0\x08\0\0\0" + bytes(6)), 900_000)))
bomb("PNG 64 MP, RGBA")(lambda: png_large(6))
bomb("PNG 64 MP, RGBA of 16 bits")(lambda: png_large(6, 16))
bomb("PNG 64 MP, RGB of 16 bits")(lambda: png_large(2, 16))
bomb("PNG 64 MP, grey of 16 bits with alpha")(lambda: png_large(4, 16))
bomb("PNG 64 MP, RGB, woven")(lambda: png_large(2, woven=1))
bomb("PNG 64 MP, RGBA of 16 bits, woven")(lambda: png_large(6, 16, woven=1))
bomb("PNG 64 MP, palette with alpha")(lambda: png_large(3, 8, PALETTE))
bomb("PNG 64 MP of one bit")(lambda: png_large(0, 1))
bomb("PNG 64 MP of one bit, palette with alpha")(lambda: png_large(3, 1, PALETTE))
bomb("PNG 64 MP of one bit with a transparent grey")(lambda: png_large(0, 1, png_chunk(b"tRNS", b"\0\1")))
bomb("PNG says 2³¹ × 2³¹")(lambda: png_of(2**31 - 1, 2**31 - 1, 2, 8, b""))
bomb("PNG inflates beyond its size")(lambda: png_of(128, 128, 2, 8, deflated(1 << 31)))
bomb("PNG data byte by byte")(
    lambda: png_of(128, 128, 2, 8, b"", b"".join(png_chunk(b"IDAT", b"") for _ in range(1_000_000)))
)
bomb("PNG many frames")(
    lambda: png_with(png_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)) + repeated(png_chunk(b"fcTL", bytes(26))))
)
bomb("PNG a chunk longer than the file")(lambda: png_with(struct.pack(">I", 2**31 - 1) + b"zTXt"))


# --- TIFF and slides ---------------------------------------------------------------------------------------------------


def tiff_strip(side: int, samples: int, bits: int, photometric: int, compression: int, data: bytes) -> bytes:
    tags = tiff_tags(side, side, photometric, (bits,) * samples, compression=compression)
    if samples == 4 and photometric == 2:
        tags[338] = (2,)
    return tiff(tags, data)


def tiff_deflated(samples: int, bits: int, photometric: int = 2, side: int = SIDE, says: int = 8) -> bytes:
    return tiff_strip(side, samples, bits, photometric, says, deflated(side * side * samples * bits // 8))


def tiff_shared(compression: int, tile: bytes, side: int = SIDE, edge: int = 64, bits: int = 8) -> bytes:
    """A picture whose tiles are all the same bytes."""
    count = (-(-side // edge)) ** 2
    tags = {256: side, 257: side, 258: bits, 259: compression, 262: 2, 277: 3, 284: 1, 322: edge, 323: edge}
    at = 8 + 2 + 12 * (len(tags) + 2) + 4
    places, sizes = struct.pack(f"<{count}I", *[at] * count), struct.pack("<I", len(tile)) * count
    entries = b""
    for tag, value in sorted({**tags, 324: None, 325: None}.items(), key=lambda each: each[0]):
        if value is None:
            here = at + len(tile) + (0 if tag == 324 else len(places))
            entries += struct.pack("<HHII", tag, 4, count, here)
        else:
            entries += struct.pack("<HHII", tag, 4, 1, value)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags) + 2) + entries + bytes(4) + tile + places + sizes


def tiff_directory(entries: list[tuple[int, int, int, int]], following: int) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", following)


bomb("TIFF 64 MP in one strip, RGBA of 16 bits")(lambda: tiff_deflated(4, 16))
bomb("TIFF 64 MP in one strip, RGBA")(lambda: tiff_deflated(4, 8))
bomb("TIFF 64 MP in one strip, inks of 16 bits")(lambda: tiff_deflated(4, 16, 5))
bomb("TIFF 64 MP in one strip, RGB of 32 bits")(lambda: tiff_deflated(3, 32))
bomb("TIFF 64 MP in one strip of one bit")(lambda: tiff_deflated(1, 1, 1))
bomb("TIFF 30 MP in one strip, RGB")(lambda: tiff_deflated(3, 8, side=5400))
bomb("TIFF inflates beyond its size")(lambda: tiff_strip(256, 3, 8, 2, 8, deflated(1 << 31)))
bomb("TIFF says 2³¹ × 2³¹")(lambda: tiff_strip(2**31 - 1, 3, 8, 2, 1, b""))
bomb("TIFF tiles that are all the same bytes")(lambda: tiff_shared(8, deflated(64 * 64 * 3)))
bomb("TIFF tiles that are all the same JPEG")(lambda: tiff_shared(7, encoded(plain(64, 64), "JPEG")))
bomb("TIFF tiles that are all one large JPEG")(lambda: tiff_shared(7, encoded(plain(4000, 4000), "JPEG"), edge=64))
bomb("TIFF tiles that are all one large WebP")(
    lambda: tiff_shared(50001, encoded(plain(4000, 4000), "WEBP", lossless=True), edge=64)
)
bomb("TIFF tiles of 16 × 16, 64 MP")(lambda: tiff_shared(8, deflated(16 * 16 * 3), edge=16))
bomb("TIFF fax that says 64 MP")(lambda: tiff_strip(SIDE, 1, 1, 0, 4, bytes(4000)))
bomb("TIFF LZW that says 64 MP")(lambda: tiff_strip(SIDE, 3, 8, 2, 5, bytes(4000)))
bomb("TIFF PackBits that says 64 MP")(lambda: tiff_strip(SIDE, 3, 8, 2, 32773, b"\x81\0" * 1_500_000))
bomb("TIFF whose directory is its own next")(
    lambda: b"II*\0\x08\0\0\0" + tiff_directory([(256, 4, 1, 64), (257, 4, 1, 64)], 8)
)
bomb("TIFF directories without end")(
    lambda: (
        b"II*\0\x08\0\0\0"
        + b"".join(tiff_directory([(254, 4, 1, 1)], 8 + 18 * (number + 1)) for number in range(1_000_000))
    )
)
bomb("TIFF directories below directories")(
    lambda: (
        b"II*\0\x08\0\0\0"
        + b"".join(tiff_directory([(330, 4, 1, 8 + 18 * (number + 1))], 0) for number in range(500_000))
    )
)
bomb("TIFF a tag of 2³² values")(
    lambda: b"II*\0\x08\0\0\0" + tiff_directory([(256, 4, 1, 64), (257, 4, 1, 64), (273, 4, 2**32 - 1, 8)], 0)
)
bomb("TIFF 65,535 tags")(
    lambda: b"II*\0\x08\0\0\0" + tiff_directory([(number, 2, 30_000_000, 8) for number in range(65_535)], 0) + bytes(9)
)


def zstandard(count: int) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.zstd_encode(bytes(count), 1))


def jpeg_2000(side: int, **options: Any) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpeg2k_encode(np.zeros((side, side, 3), np.uint8), codecformat="j2k", **options))


bomb("TIFF Zstandard, 64 MP")(lambda: tiff_strip(SIDE, 3, 8, 2, 50000, zstandard(SIDE * SIDE * 3)))
bomb("TIFF JPEG 2000 tiles that are larger than they say")(lambda: tiff_shared(33005, jpeg_2000(2000), edge=64))


@bomb("TIFF JPEG 2000 that says 64 MP")
def tiff_jpeg_2000() -> bytes:
    small = bytearray(jpeg_2000(64))
    at = small.index(b"\xff\x51")
    small[at + 6 : at + 14] = struct.pack(">II", SIDE, SIDE)
    return tiff_strip(SIDE, 3, 8, 2, 33005, bytes(small))


@bomb("NDPI that says 64 MP")
def slide_lies() -> bytes:
    data = bytearray(ndpi(np.asarray(tissue(320, 240))))
    for value in (320, 240):
        found = data.find(struct.pack("<I", value))
        while found >= 0:
            data[found : found + 4] = struct.pack("<I", SIDE)
            found = data.find(struct.pack("<I", value))
    return bytes(data)


# --- WebP, BMP ---------------------------------------------------------------------------------------------------------


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp_canvas(flags: int, width: int, height: int) -> bytes:
    return webp_chunk(
        b"VP8X", struct.pack("<I", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )


def webp_frames(count: int, side: int) -> bytes:
    inner = encoded(plain(64, 64, "RGBA"), "WEBP", lossless=True)
    inner = inner[inner.index(b"VP8L") :]
    place = bytes(6) + (63).to_bytes(3, "little") * 2 + bytes(4)
    frames = repeated(webp_chunk(b"ANMF", place + inner), count)
    return riff(webp_canvas(0x12, side, side) + webp_chunk(b"ANIM", bytes(6)) + frames)


bomb("WebP of 38 bytes that says 268 MP")(
    lambda: riff(webp_chunk(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\xff\x3f\xff\x3f" + bytes(8)))
)
bomb("WebP that says 64 MP")(lambda: riff(webp_chunk(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\x40\x1f\x40\x1f" + bytes(8))))
bomb("WebP that says 25 MP")(lambda: riff(webp_chunk(b"VP8 ", b"\x10\0\0\x9d\x01\x2a\x88\x13\x88\x13" + bytes(8))))
bomb("WebP lossless that says 268 MP")(lambda: riff(webp_chunk(b"VP8L", b"\x2f\xff\xff\xff\x1f" + bytes(8))))
bomb("WebP 64 MP, lossless, RGBA")(
    lambda: encoded(PIL.Image.new("RGBA", (SIDE, SIDE), (200, 120, 160, 9)), "WEBP", lossless=True, method=0)
)
bomb("WebP 20 MP")(lambda: encoded(plain(5000, 4000), "WEBP", method=0))
bomb("WebP a canvas of 268 MP")(lambda: webp_frames(1, 16_384))
bomb("WebP frames without end")(lambda: webp_frames(400_000, 64))
bomb("WebP chunks without end")(lambda: riff(webp_canvas(0, 64, 64) + repeated(webp_chunk(b"abcd", b""))))


def bmp_of(width: int, height: int, bits: int, compression: int, body: bytes, colours: int = 256) -> bytes:
    start = 54 + 4 * colours
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(body), 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + bytes(4 * colours) + body


bomb("BMP run lengths of one, 64 MP")(lambda: bmp_of(SIDE, SIDE, 8, 1, repeated(b"\1\x12")))
bomb("BMP run lengths, 64 MP")(lambda: bmp_of(SIDE, SIDE, 8, 1, (b"\xfa\x12" * 32 + b"\0\0") * SIDE))
bomb("BMP run lengths of 4 bits, 64 MP")(lambda: bmp_of(SIDE, SIDE, 4, 2, (b"\xfa\x12" * 32 + b"\0\0") * SIDE))
bomb("BMP run lengths that end at once")(lambda: bmp_of(SIDE, SIDE, 8, 1, b"\0\1"))
bomb("BMP run lengths that jump")(lambda: bmp_of(SIDE, SIDE, 8, 1, repeated(b"\0\2\xff\xff")))
bomb("BMP that says 64 MP")(lambda: bmp_of(SIDE, SIDE, 32, 0, b"", 0))
bomb("BMP that says −2³¹ rows")(lambda: bmp_of(2**31 - 1, -(2**31), 24, 0, b"", 0))
bomb("BMP with 2³² colours")(lambda: bmp_of(64, 64, 8, 0, bytes(4096)).replace(b"\0\1\0\0\0\0\0\0", b"\xff" * 8, 1))
bomb("BMP that holds a JPEG")(lambda: bmp_of(SIDE, SIDE, 0, 4, encoded(plain(SIDE, SIDE), "JPEG"), 0))


# --- DICOM, HEIC, AVIF -------------------------------------------------------------------------------------------------

SMALL = np.asarray(tissue(64, 48))


def dicom_lies(syntax: str, side: int = SIDE, **elements: Any) -> bytes:
    return drawn_dicom.dicom(SMALL, syntax=syntax, Rows=side, Columns=side, **elements)


bomb("DICOM that says 64 MP")(lambda: dicom_lies(drawn_dicom.EXPLICIT))
bomb("DICOM that says 64 MP, run lengths")(lambda: dicom_lies(drawn_dicom.RLE))
bomb("DICOM that says 64 MP, JPEG 2000")(lambda: dicom_lies(drawn_dicom.JPEG_2000))
bomb("DICOM that says 64 MP, JPEG-LS")(lambda: dicom_lies(drawn_dicom.JPEG_LS))
bomb("DICOM that says 4,295 MP")(lambda: dicom_lies(drawn_dicom.BASELINE, 65_535))
bomb("DICOM with 2³¹ frames")(lambda: drawn_dicom.dicom(SMALL, NumberOfFrames=2**31 - 1))
bomb("DICOM JPEG that is larger than it says")(
    lambda: drawn_dicom.dicom(SMALL, syntax=drawn_dicom.BASELINE, frames=[encoded(plain(SIDE, SIDE), "JPEG")])
)
bomb("DICOM in fragments without end")(
    lambda: drawn_dicom.dicom(SMALL, syntax=drawn_dicom.BASELINE, frames=[b"\xff\xd8"] * 300_000)
)


@bomb("DICOM that inflates")
def dicom_inflates() -> bytes:
    whole = drawn_dicom.dicom(SMALL, syntax=drawn_dicom.DEFLATED)
    group = 128 + 4 + 12
    start = group + struct.unpack("<I", whole[140:144])[0]
    body = zlib.decompress(whole[start:], -zlib.MAX_WBITS)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    out = deflate.compress(body + b"\x0b\x00\x10\x00OB\0\0" + struct.pack("<I", 1 << 30))
    for _ in range(1 << 10):
        out += deflate.compress(bytes(1 << 20))
    return whole[:start] + out + deflate.flush()


@bomb("DICOM sequences in sequences")
def dicom_nested() -> bytes:
    small = drawn_dicom.dicom(SMALL)
    nested = (b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff") * 200_000
    start = 144 + struct.unpack("<I", small[140:144])[0]
    return small[:start] + nested + small[start:]


def grid(columns: int, rows: int, width: int, height: int, tiles: int) -> bytes:
    """A HEIC whose primary picture is put together of one tile again and again."""
    container = drawn_heic.Container()
    tile = drawn_heic.coded(container, np.asarray(tissue(64, 48)))
    shape = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    whole = container.item("grid", shape, drawn_heic.extents(width, height))
    container.refer("dimg", whole, *[tile] * tiles)
    return container.file(whole)


bomb("HEIC a grid of one tile 65,536 times")(lambda: grid(256, 256, 16_384, 12_288, 65_535))
bomb("HEIC a grid of 64 MP")(lambda: grid(125, 167, 8000, 8000, 20_875))
bomb("HEIC a grid of itself")(lambda: drawn_heic_itself())
bomb("HEIC that says 64 MP")(
    lambda: drawn_heic.heic(np.asarray(tissue(64, 48))).replace(
        struct.pack(">II", 64, 48), struct.pack(">II", SIDE, SIDE)
    )
)
bomb("HEIC properties without end")(lambda: drawn_heic.heic(np.asarray(tissue(64, 48)), *[drawn_heic.turned(1)] * 120))
bomb("HEIC boxes in boxes")(lambda: boxes_in_boxes("heic"))
bomb("AVIF 64 MP")(lambda: encoded(plain(SIDE, SIDE), "AVIF", speed=10, quality=1))
bomb("AVIF that says 64 MP")(
    lambda: encoded(tissue(64, 48), "AVIF", speed=10).replace(
        struct.pack(">II", 64, 48), struct.pack(">II", SIDE, SIDE)
    )
)
bomb("AVIF boxes in boxes")(lambda: boxes_in_boxes("avif"))


def drawn_heic_itself() -> bytes:
    container = drawn_heic.Container()
    shape = struct.pack(">BBBBII", 0, 1, 15, 15, 4096, 4096)
    whole = container.item("grid", shape, drawn_heic.extents(4096, 4096))
    container.refer("dimg", whole, *[whole] * 256)
    return container.file(whole)


def boxes_in_boxes(brand: str) -> bytes:
    start = drawn_heic.box("ftyp", brand.encode(), bytes(4), b"mif1", brand.encode())
    depth = 1_000_000
    return start + b"".join(struct.pack(">I", 12 * (depth - level)) + b"meta" + bytes(4) for level in range(depth))


# --- sending -----------------------------------------------------------------------------------------------------------

ROUTES = (READINGS, f"{READINGS}?um_per_px=0.5", "/api/v1/previews", "/api/v1/measurements/marks")


def sent(data: bytes, route: str = READINGS, way: str = "raw") -> bytes:
    """A picture as a whole request: "raw", "form" or "chunks"."""
    if way == "form":
        start = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        data = start + data + b"\r\n--b--\r\n"
        return head("POST", route, len(data), {"Content-Type": "multipart/form-data; boundary=b"}) + data
    if way == "chunks":
        pieces = [data[at : at + 60_000] for at in range(0, len(data), 60_000)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return head("POST", route, None, {"Transfer-Encoding": "chunked"}) + framed + b"0\r\n\r\n"
    return head("POST", route, len(data), {"Content-Type": "image/jpeg"}) + data


def draw(_rng: random.Random) -> list[bytes]:
    return [make() for make in BOMBS.values()]


def send_any(target: Target, drawn: list[bytes], rng: random.Random) -> str:
    way = rng.choice(("raw", "raw", "form", "chunks"))
    return exchange(target, sent(rng.choice(drawn), rng.choice(ROUTES), way))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.buffer.write(BOMBS[sys.argv[1]]())
    else:
        print("\n".join(BOMBS))
