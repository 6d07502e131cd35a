"""PNG, BMP and WebP: checksums, text that nobody asked for, 16 bits, an empty fourth channel, the size of a pixel."""

from __future__ import annotations

import struct
import time
import zlib

import numpy as np
import PIL.Image
import pytest

from device.base.errors import CompressionNotRead, ImageDamaged, ImageError, ImageTruncated, TooManyPixels
from device.reading.image import Limits, decode, decode_in_process
from tests.support.drawn_files import encode, png, png_chunk, ramp, tissue

LIMITS = Limits()
PIXELS = np.asarray(tissue())


def with_chunk(data: bytes, kind: bytes, body: bytes, before: bytes = b"IDAT") -> bytes:
    at = data.index(before) - 4
    return data[:at] + png_chunk(kind, body) + data[at:]


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt"])
def test_large_text_is_passed_over_without_memory_for_it(kind: bytes) -> None:
    packed = zlib.compress(bytes(200_000_000), 9) if kind != b"tEXt" else b"x" * 2_000_000
    head = {b"zTXt": b"Raw profile type exif\0\0", b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0", b"tEXt": b"Comment\0"}[kind]
    data = encode(tissue(), "PNG")
    for before in (b"IDAT", b"IEND"):
        start = time.process_time()
        image = decode_in_process(with_chunk(data, kind, head + packed, before), LIMITS)
        assert time.process_time() - start < 0.5
        assert (image.pixels == PIXELS).all()
        assert image.notes == ()


@pytest.mark.parametrize("kind", [b"IHDR", b"IDAT", b"PLTE"])
def test_a_wrong_checksum_of_what_the_picture_needs_is_damage(kind: bytes) -> None:
    data = bytearray(encode(tissue().convert("P") if kind == b"PLTE" else tissue(), "PNG"))
    at = data.index(kind)
    end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    data[end] ^= 1
    with pytest.raises(ImageDamaged):
        decode(bytes(data), LIMITS)


def test_a_changed_byte_of_the_picture_is_never_read_in_silence() -> None:
    data = encode(tissue(), "PNG")
    start = data.index(b"IDAT") + 4
    for at in np.random.default_rng(0).integers(start, len(data) - 20, 40).tolist():
        broken = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        with pytest.raises(ImageError):
            decode(broken, LIMITS)


def test_a_wrong_checksum_of_what_nobody_needs_is_no_damage() -> None:
    data = bytearray(with_chunk(encode(tissue(), "PNG"), b"tIME", bytes(7)))
    data[data.index(b"tIME") + 12] ^= 1
    assert (decode(bytes(data), LIMITS).pixels == PIXELS).all()


def test_what_follows_the_end_is_no_damage() -> None:
    assert (decode(encode(tissue(), "PNG") + b"junk" * 100, LIMITS).pixels == PIXELS).all()


def test_millions_of_chunks_keep_nobody_waiting() -> None:
    data = encode(tissue(), "PNG")
    start = time.process_time()
    with pytest.raises(ImageDamaged):
        decode(data[:33] + png_chunk(b"abCd", b"") * 1_000_000 + data[33:], LIMITS)
    assert time.process_time() - start < 2


# --- 16 bits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bits", "note"), [(16, "sixteen_bit_scaled"), (14, "low_bits_scaled"), (12, "low_bits_scaled")]
)
@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_sixteen_bits_are_scaled_by_those_that_are_used(bits: int, note: str, colour: int) -> None:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    samples = np.repeat(ramp(bits)[..., None], channels, axis=2)
    if colour in (4, 6):
        samples[..., -1] = 65535
    image = decode(png(256, 64, 16, colour, samples.astype(">u2").tobytes()), Limits(max_aspect=4))
    assert note in image.notes
    assert (image.pixels[0, :, 1] == np.arange(256)).all()
    assert image.preview


def test_the_bits_that_the_file_says_count() -> None:
    dark = ramp(12) // 8
    image = decode(png(256, 64, 16, 0, dark.astype(">u2").tobytes(), png_chunk(b"sBIT", b"\x0c")), Limits(max_aspect=4))
    assert image.pixels.max() == 32


def test_sixteen_bits_cut_off_are_incomplete() -> None:
    data = png(256, 256, 16, 2, np.random.default_rng(0).integers(0, 65536, 256 * 256 * 3).astype(">u2").tobytes())
    for part in (0.3, 0.9):
        with pytest.raises(ImageTruncated):
            decode(data[: int(len(data) * part)], LIMITS)


# --- a fourth channel that hides everything --------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_transparency_that_hides_all_is_ignored(file_format: str) -> None:
    picture = tissue().convert("RGBA")
    picture.putalpha(0)
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    image = decode(encode(picture, file_format, **options), LIMITS)
    assert image.notes == ("alpha_ignored",)
    assert (image.pixels == PIXELS).all()


def test_a_bmp_of_the_clipboard_is_opaque() -> None:
    pixels = np.dstack([PIXELS[::-1, :, ::-1], np.zeros(PIXELS.shape[:2], np.uint8)])
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 160, 120, 1, 32, 3, pixels.size, 0, 0, 0, 0) + masks + bytes(52)
    data = b"BM" + struct.pack("<IHHI", 14 + 108 + pixels.size, 0, 0, 14 + 108) + header + pixels.tobytes()
    image = decode(data, LIMITS)
    assert image.notes == ("alpha_ignored",)
    assert (image.pixels == PIXELS).all()


def test_a_transparent_corner_is_still_laid_on_white() -> None:
    picture = tissue().convert("RGBA")
    picture.putalpha(0)
    picture.paste((10, 20, 30, 255), (0, 0, 8, 8))
    image = decode(encode(picture, "PNG"), LIMITS)
    assert image.notes == ("alpha_flattened",)
    assert (image.pixels[50:, 50:] == 255).all()


# --- the size of a pixel ---------------------------------------------------------------------------------------------


def test_a_resolution_counts_only_where_it_can_be_a_microscope_s() -> None:
    data = encode(tissue(), "PNG")
    for per_metre, unit, um in (
        (4_000_000, 1, 0.25),
        (2835, 1, None),
        (11811, 1, None),
        (4_000_000, 0, None),
        (0, 1, None),
    ):
        stated = decode(
            with_chunk(data, b"pHYs", struct.pack(">IIB", per_metre, per_metre, unit)), LIMITS
        ).stated_um_per_px
        assert (stated and stated.um_per_px) == um
    uneven = with_chunk(data, b"pHYs", struct.pack(">IIB", 4_000_000, 2_000_000, 1))
    assert decode(uneven, LIMITS).stated_um_per_px is None
    for dpi in (72, 96, 150, 300, 600, 1200):
        for file_format in ("PNG", "JPEG", "TIFF", "BMP"):
            assert decode(encode(tissue(), file_format, dpi=(dpi, dpi)), LIMITS).stated_um_per_px is None
    for file_format in ("PNG", "JPEG", "TIFF", "BMP"):
        stated = decode(encode(tissue(), file_format, dpi=(50_800, 50_800)), LIMITS).stated_um_per_px
        assert stated is not None
        assert stated.um_per_px == pytest.approx(0.5, rel=1e-3)
        assert stated.source == "resolution"


# --- memory ----------------------------------------------------------------------------------------------------------


def test_kinds_that_need_more_memory_may_have_fewer_pixels() -> None:
    blank = PIL.Image.new("RGB", (5000, 5000))
    limits = Limits(max_megapixels=26)
    decode(encode(blank, "PNG", compress_level=1), limits, 512 * 384)
    with pytest.raises(TooManyPixels) as raised:
        decode(encode(blank, "WEBP", lossless=True, method=0), limits, 512 * 384)
    assert 8 < raised.value.limit_megapixels < 25


def test_a_large_run_length_bmp_is_named() -> None:
    header = struct.pack("<IiiHHIIiiII", 40, 4000, 4000, 1, 8, 1, 0, 0, 0, 256, 0)
    with pytest.raises(CompressionNotRead):
        decode(b"BM" + struct.pack("<IHHI", 2000, 0, 0, 1078) + header + bytes(2000), LIMITS)
