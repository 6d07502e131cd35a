"""What the decoder does with pictures, odd pictures and hostile ones. All are drawn or assembled here."""

from __future__ import annotations

import io
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms

from device.base.errors import (
    AnimatedImage,
    ImageDamaged,
    ImageEmpty,
    ImageError,
    ImageTooNarrow,
    ImageTooSmall,
    ImageTruncated,
    MeasurementsNotRead,
    TooManyPixels,
    UnsupportedFormat,
    VarietyNotRead,
)
from device.reading.formats import FORMATS
from device.reading.formats.pixels import GAP, TURNS
from device.reading.image import Limits, decode, decode_in_process, read_size
from tests.support.drawn_files import difference, encode, png, ramp, riff, tiff, tiff_tags, tissue, zeros

# Pillow's remarks on damaged EXIF and TIFF directories.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

LIMITS = Limits()
AREA = 512 * 384


def memory_mb(kind: str) -> float:
    """This process's memory: VmRSS now, VmHWM at its highest since `forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{kind}:")[1].split()[0]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


FILES = {
    "JPEG": encode(tissue(), "JPEG", quality=95),
    "JPEG, progressive": encode(tissue(), "JPEG", quality=95, progressive=True),
    "PNG": encode(tissue(), "PNG"),
    "TIFF": encode(tissue(), "TIFF"),
    "TIFF, LZW": encode(tissue(), "TIFF", compression="tiff_lzw"),
    "TIFF, JPEG": encode(tissue(), "TIFF", compression="jpeg", quality=95),
    "WebP": encode(tissue(), "WEBP", quality=95),
    "WebP, lossless": encode(tissue(), "WEBP", lossless=True),
    "BMP": encode(tissue(), "BMP"),
}

# --- formats and kinds of pixels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FILES)
def test_each_format_gives_the_picture(kind: str) -> None:
    image = decode(FILES[kind], LIMITS)
    assert (image.width, image.height, image.format, image.notes) == (160, 120, kind.split(",")[0], ())
    assert image.pixels.dtype == np.uint8
    lossy = kind.startswith(("JPEG", "WebP")) or kind == "TIFF, JPEG"
    assert difference(image.pixels, np.asarray(tissue())) <= (3 if lossy and kind != "WebP, lossless" else 0)


@pytest.mark.parametrize(
    ("mode", "note"), [("1", "grey_expanded"), ("L", "grey_expanded"), ("P", "palette_expanded"), ("LAB", None)]
)
def test_other_colour_modes_become_rgb(mode: str, note: str | None) -> None:
    source = tissue().convert("L").convert("1") if mode == "1" else convert(tissue(), mode)
    image = decode(encode(source, "TIFF"), LIMITS)
    assert image.notes == ((note,) if note else ())
    assert difference(image.pixels, np.asarray(source.convert("RGB") if mode != "LAB" else tissue())) < 2


def convert(picture: PIL.Image.Image, mode: str) -> PIL.Image.Image:
    if mode != "LAB":
        return picture.convert(mode)
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.applyTransform(picture, ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
    assert converted is not None
    converted.info.clear()  # it carries the profile
    return converted


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk_is_converted(file_format: str) -> None:
    image = decode(encode(tissue().convert("CMYK"), file_format, quality=95), LIMITS)
    assert image.notes == ("cmyk_converted",)
    assert difference(image.pixels, np.asarray(tissue())) < 3


def test_cmyk_without_adobes_mark_is_not_inverted() -> None:
    data = encode(PIL.Image.new("CMYK", (96, 96), (0, 0, 0, 0)), "JPEG")  # no ink: Pillow writes it Adobe's way, as 255
    mark = data.index(b"\xff\xee")
    plain = data[:mark] + data[mark + 2 + int.from_bytes(data[mark + 2 : mark + 4], "big") :]
    assert decode(data, LIMITS).pixels.min() == 255
    assert decode(plain, LIMITS).pixels.max() == 0


def test_transparent_parts_become_white() -> None:
    picture = tissue().convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 80, 120))
    for data in (encode(picture, "PNG"), encode(picture, "WEBP", lossless=True), encode(picture, "TIFF")):
        image = decode(data, LIMITS)
        assert image.notes == ("alpha_flattened",)
        assert (image.pixels[:, :80] == 255).all()
        assert (image.pixels[:, 80:] == np.asarray(tissue())[:, 80:]).all()


def test_half_transparent_black_is_mid_grey() -> None:
    image = decode(encode(PIL.Image.new("LA", (96, 96), (0, 128)), "PNG"), LIMITS)
    assert image.notes == ("grey_expanded", "alpha_flattened")
    assert set(image.pixels.ravel()) == {127}


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    image = decode(encode(tissue().convert("RGBA"), "PNG"), LIMITS)
    assert image.notes == ()
    assert (image.pixels == np.asarray(tissue())).all()


def test_a_transparent_palette_entry_becomes_white() -> None:
    picture = PIL.Image.new("P", (96, 96), 1)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.paste(0, (0, 0, 48, 96))
    image = decode(encode(picture, "PNG", transparency=0), LIMITS)
    assert image.notes == ("palette_expanded", "alpha_flattened")
    assert (image.pixels[:, :48] == 255).all()
    assert (image.pixels[:, 48:] == (200, 100, 50)).all()


@pytest.mark.parametrize(
    "data",
    [
        png(256, 64, 16, 0, ramp(16).astype(">u2").tobytes()),
        encode(PIL.Image.fromarray(ramp(16)), "TIFF"),
        encode(PIL.Image.fromarray(ramp(16)), "TIFF", compression="tiff_lzw"),
    ],
    ids=["PNG", "TIFF", "TIFF, LZW"],
)
def test_sixteen_bit_grey_is_scaled_not_clipped(data: bytes) -> None:
    image = decode(data, Limits(max_aspect=4))
    assert image.notes == ("sixteen_bit_scaled", "grey_expanded")
    assert (image.pixels[0, :, 0] == np.arange(256)).all()


def test_twelve_bit_grey_is_scaled_to_its_own_white() -> None:
    values = ramp(12).astype(np.uint32).reshape(-1, 2)
    packed = np.stack([values[:, 0] >> 4, (values[:, 0] & 15) << 4 | values[:, 1] >> 8, values[:, 1] & 255], axis=1)
    image = decode(tiff(tiff_tags(256, 64, 1, (12,)), packed.astype(np.uint8).tobytes()), Limits(max_aspect=4))
    assert (image.pixels[0, :, 0] == np.arange(256)).all()


def test_sixteen_bit_colour_is_scaled_not_clipped() -> None:
    colours = np.stack([ramp(16), ramp(16)[:, ::-1], ramp(16)], axis=2)
    for data in (
        png(256, 64, 16, 2, colours.astype(">u2").tobytes()),
        tiff(tiff_tags(256, 64, 2, (16, 16, 16)), colours.astype("<u2").tobytes()),
    ):
        image = decode(data, Limits(max_aspect=4))
        assert image.notes == ("sixteen_bit_scaled",)
        assert (image.pixels[0, :, 0] == np.arange(256)).all()
        assert (image.pixels[0, :, 1] == np.arange(256)[::-1]).all()


def test_five_bit_bmp_is_not_taken_for_sixteen_bit_samples() -> None:
    header = struct.pack("<IiiHHIIiiIIIII", 52, 96, 96, 1, 16, 3, 0, 0, 0, 0, 0, 0xF800, 0x07E0, 0x001F)
    data = b"BM" + struct.pack("<IHHI", 14 + 52 + 2 * 96 * 96, 0, 0, 14 + 52) + header + b"\xff\xff" * 96 * 96
    image = decode(data, LIMITS)
    assert image.notes == ()
    assert image.pixels.min() == 255


@pytest.mark.parametrize(("bits", "sample_format"), [(32, 3), (32, 1), (16, 2)], ids=["float", "32 bits", "signed"])
def test_measurements_without_a_white_are_refused(bits: int, sample_format: int) -> None:
    data = tiff(tiff_tags(96, 96, 1, (bits,), sample_format=sample_format), bytes(96 * 96 * bits // 8))
    with pytest.raises(MeasurementsNotRead) as raised:
        decode(data, LIMITS)
    assert raised.value.facts == {"format": "TIFF", "bits": bits}


def test_a_colour_profile_other_than_srgb_is_noted() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for file_format in ("JPEG", "PNG", "TIFF", "WEBP"):
        assert decode(encode(tissue(), file_format, icc_profile=srgb), LIMITS).notes == ()
        other = srgb.replace("sRGB".encode("utf-16-be"), "Scan".encode("utf-16-be"))
        assert decode(encode(tissue(), file_format, icc_profile=other), LIMITS).notes == ("icc_ignored",)


# --- orientation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("area", [None, AREA // 8])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_all_orientations_give_the_same_pixels(file_format: str, orientation: int, area: int | None) -> None:
    undo = {6: 8, 8: 6}.get(orientation, orientation)  # quarter turns undo each other, the others themselves
    stored = tissue(320, 240).transpose(TURNS[undo]) if orientation > 1 else tissue(320, 240)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    image = decode(encode(stored, file_format, exif=exif, **options), LIMITS, area)
    upright = decode(encode(tissue(320, 240), "PNG"), LIMITS, area)
    assert (image.width, image.height) == (320, 240)
    assert image.notes == (("exif_rotated",) if orientation > 1 else ())
    assert (image.pixels == upright.pixels).all()


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_scaled_jpeg_is_turned_too(orientation: int) -> None:
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = encode(tissue(1600, 1200).transpose(TURNS[undo]), "JPEG", exif=exif, quality=95)
    image = decode(data, LIMITS, AREA)
    assert (image.width, image.height, image.pixels.shape) == (1600, 1200, (384, 512, 3))
    assert difference(image.pixels, decode(encode(tissue(1600, 1200), "PNG"), LIMITS, AREA).pixels) < 1.5


def test_exif_that_makes_no_sense_does_not_spoil_the_picture() -> None:
    for exif in (b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"):
        for file_format in ("JPEG", "PNG", "WEBP"):
            assert decode(encode(tissue(), file_format, exif=exif), LIMITS).notes == ()


# --- scale -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (2048, 1536, (512, 384)),
        (768, 576, (512, 384)),
        (1536, 2048, (384, 512)),
        (1000, 1000, (448, 448)),
        (3000, 1000, (768, 256)),
    ],
)
def test_read_size_of_usual_pictures(width: int, height: int, expected: tuple[int, int]) -> None:
    assert read_size(width, height, AREA) == expected


def test_read_size_keeps_shape_and_area() -> None:
    for width in range(1000, 3001, 7):
        across, down = read_size(width, 1000, AREA)
        assert across % 32 == down % 32 == 0
        assert abs(across / down / (width / 1000) - 1) < 0.05
        assert abs(across * down / AREA - 1) < 0.1
        assert read_size(1000, width, AREA) == (down, across)


def test_read_size_has_two_cells_at_least() -> None:
    assert min(read_size(300, 100, 64 * 64)) == 64


def test_pixels_come_at_read_size_whatever_the_file_has() -> None:
    for width, height in ((96, 96), (700, 460), (1400, 1050)):
        for file_format in ("JPEG", "PNG"):
            image = decode(encode(tissue(width, height), file_format), LIMITS, AREA)
            assert image.pixels.shape[1::-1] == read_size(width, height, AREA)
            assert (image.width, image.height) == (width, height)


def test_scaled_decoding_agrees_with_full_decoding() -> None:
    data = encode(tissue(2048, 1536), "JPEG", quality=90)
    scaled = decode(data, LIMITS, AREA).pixels
    full = PIL.Image.open(io.BytesIO(data)).resize((512, 384), PIL.Image.Resampling.LANCZOS)
    assert difference(scaled, np.asarray(full)) < 1


def test_decoding_averages_what_is_finer_than_a_pixel() -> None:
    board = np.indices((256, 256)).sum(axis=0) % 2 * np.uint8(255)
    data = encode(PIL.Image.fromarray(np.stack([board] * 3, axis=2).astype(np.uint8)), "PNG")
    assert np.abs(decode(data, LIMITS, 64 * 64).pixels.astype(int) - 127).max() <= 2


# --- limits ----------------------------------------------------------------------------------------------------------


def test_a_file_of_no_bytes_is_named_empty() -> None:
    with pytest.raises(ImageEmpty):
        decode(b"", LIMITS)


@pytest.mark.parametrize(
    "data",
    [b"hello", b"RIFF\4\0\0\0WAVE", b"II*\0"[:2]],
    ids=["text", "WAV", "two bytes"],
)
def test_other_formats_are_named_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedFormat) as raised:
        decode(data, LIMITS)
    assert raised.value.facts == {"formats": ", ".join(FORMATS)}


def test_a_variety_that_is_not_read_is_named() -> None:
    data = FILES["JPEG"]
    frame = data.index(b"\xff\xc0")
    twelve_bit = data[: frame + 4] + b"\x0c" + data[frame + 5 :]
    for name, variety in (("12 bits", twelve_bit), ("lossless", data[: frame + 1] + b"\xc3" + data[frame + 2 :])):
        with pytest.raises(VarietyNotRead) as raised:
            decode(variety, LIMITS)
        assert raised.value.facts == {"format": "JPEG", "variety": name}


def huge_files() -> dict[str, bytes]:
    """Small files that claim, or unpack to, far more pixels than the limit."""
    jpeg = FILES["JPEG"]
    frame = jpeg.index(b"\xff\xc0")
    bmp_header = struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
    tile = tiff_tags(128, 128, 2, (8, 8, 8), compression=8, tile_width=16384, tile_height=16384)
    side = 16383 - 1
    lossless = struct.pack("<BI", 0x2F, side | side << 14) + bytes(1000)
    canvas = struct.pack("<IB3x", 10, 2) + struct.pack("<I", side)[:3] * 2 + b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    return {
        "PNG": png(60000, 60000, 8, 2),
        "JPEG": jpeg[: frame + 5] + struct.pack(">HH", 60000, 60000) + jpeg[frame + 9 :],
        "BMP": b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + bmp_header + bytes(1000),
        "TIFF": tiff(tiff_tags(60000, 60000, 2, (8, 8, 8)), bytes(1000)),
        "TIFF with a huge tile": tiff(tile, zeros(16384 * 16384 * 3)),
        "WebP": riff(b"VP8L" + struct.pack("<I", len(lossless)) + lossless + b"\0"),
        "WebP, an empty canvas": riff(b"VP8X" + canvas),
    }


HUGE = huge_files()


@pytest.mark.parametrize("kind", HUGE)
def test_a_decompression_bomb_is_refused_without_memory_for_it(kind: str) -> None:
    forget_peak()
    before, start = memory_mb("VmRSS"), time.perf_counter()
    with pytest.raises(ImageError) as raised:
        decode(HUGE[kind], LIMITS, AREA)
    if kind != "WebP, an empty canvas":  # libwebp finds no frame in it
        assert type(raised.value) is TooManyPixels
        assert set(raised.value.facts) == {"width", "height", "limit_megapixels"}
    assert time.perf_counter() - start < 0.5
    assert memory_mb("VmHWM") - before < 30


def test_limits_are_inclusive() -> None:
    limits = Limits(max_megapixels=0.03, min_px=100, max_aspect=3)
    decode(encode(PIL.Image.new("RGB", (300, 100)), "PNG"), limits)
    refused: dict[tuple[int, int], type[ImageError]]
    refused = {(301, 100): TooManyPixels, (302, 99): ImageTooSmall, (99, 99): ImageTooSmall}
    for size, error in refused.items():
        with pytest.raises(error):
            decode(encode(PIL.Image.new("RGB", size), "PNG"), limits)
    with pytest.raises(ImageTooNarrow) as raised:
        decode(encode(PIL.Image.new("RGB", (100, 301)), "PNG"), Limits(min_px=100))
    assert raised.value.facts == {"width": 100, "height": 301, "limit_ratio": 3.0}


def test_pillows_own_guard_neither_warns_nor_preempts_a_higher_limit(recwarn: pytest.WarningsRecorder) -> None:
    data = encode(PIL.Image.new("1", (20000, 10000)), "PNG")
    with pytest.raises(TooManyPixels):
        decode(data, Limits(max_megapixels=199))
    with pytest.raises(ImageTooNarrow):
        decode(data, Limits(max_megapixels=200, max_aspect=1.5))
    assert len(recwarn) == 0


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_several_frames_are_refused(file_format: str) -> None:
    data = encode(tissue(), file_format, save_all=True, append_images=[tissue(seed=1), tissue(seed=2)])
    with pytest.raises(AnimatedImage) as raised:
        decode(data, LIMITS)
    assert raised.value.facts == {"frames": 3}


def test_a_chain_of_many_pages_is_refused_at_once() -> None:
    page = FILES["TIFF"]
    end = page.index(struct.pack("<I", 0), 8 + 2 + 12 * struct.unpack_from("<H", page, 8)[0])
    links = b"".join(struct.pack("<HI", 0, len(page) + 6 * (k + 1)) for k in range(200_000))
    start = time.perf_counter()
    with pytest.raises(AnimatedImage):
        decode(page[:end] + struct.pack("<I", len(page)) + page[end + 4 :] + links, LIMITS)
    assert time.perf_counter() - start < 0.5


def test_a_phones_second_picture_is_left_aside() -> None:
    data = encode(tissue(), "MPO", save_all=True, append_images=[tissue(80, 60)], quality=95)
    image = decode(data, LIMITS)
    assert (image.width, image.height, image.format) == (160, 120, "JPEG")


# --- broken files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_was_cut_off_is_named_truncated(kind: str) -> None:
    data = FILES[kind]
    for part in (0.3, 0.5, 0.7, 0.9, 0.97):
        with pytest.raises(ImageTruncated):
            decode(data[: int(len(data) * part)], LIMITS)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WebP, lossless", "TIFF, LZW"])
def test_a_file_whose_middle_is_nonsense_is_damaged(kind: str) -> None:
    data = bytearray(FILES[kind])
    rng = np.random.default_rng(0)
    middle = slice(len(data) // 3, len(data) // 3 + 400)
    data[middle] = b"\xff\xc4" * 200 if kind == "JPEG" else rng.integers(0, 256, 400, dtype=np.uint8).tobytes()
    with pytest.raises(ImageDamaged):
        decode(bytes(data), LIMITS)


@pytest.mark.parametrize("kind", FILES)
def test_whatever_is_wrong_with_a_file_has_a_name(kind: str) -> None:
    data, rng = FILES[kind], np.random.default_rng(1)
    cuts = {*range(1, 400), *range(400, len(data), max(1, len(data) // 200))}
    broken = [data[:cut] for cut in cuts]
    for _ in range(600):
        changed = bytearray(data)
        # Half of the changes hit the header, where they do most.
        at = int(rng.integers(len(data) if rng.random() < 0.5 else 400))
        changed[at] = int(rng.integers(256))
        broken.append(bytes(changed))
    for changed_data in broken:
        try:
            image = decode_in_process(changed_data, Limits(max_megapixels=1), 96 * 96)
        except ImageError:
            continue
        assert image.pixels.ndim == 3


# --- conduct ---------------------------------------------------------------------------------------------------------

WRITES: list[str] = []


def note_writes(event: str, arguments: tuple[object, ...]) -> None:
    # An audit hook can't be taken away again, so it stays cheap.
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        WRITES.append(str(arguments[0]))


def test_decoding_writes_no_file() -> None:
    sys.addaudithook(note_writes)
    WRITES.clear()
    for data in FILES.values():
        decode(data, LIMITS, AREA)
    assert WRITES == []


def test_threads_do_not_disturb_each_other() -> None:
    files = list(FILES.values())
    expected = [decode(data, LIMITS, AREA).pixels for data in files]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for image, pixels in zip(pool.map(lambda data: decode(data, LIMITS, AREA), files), expected, strict=True):
                assert (image.pixels == pixels).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_large_picture_is_resized_in_strips_without_seams(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    coarse = PIL.Image.fromarray(rng.integers(0, 256, (15, 20, len(mode)), np.uint8), mode)
    buffer, size = io.BytesIO(), (270, 203)
    coarse.resize((240, 180), PIL.Image.Resampling.BICUBIC).save(buffer, "PNG")
    whole = decode(buffer.getvalue(), Limits(), lambda *_: size)
    monkeypatch.setattr("device.reading.formats.pixels.STRIPS_ABOVE_PX", 0)
    monkeypatch.setattr("device.reading.formats.pixels.STRIP_PX", 16)
    strips = decode(buffer.getvalue(), Limits(), lambda *_: size)
    assert strips.notes == whole.notes
    # Pillow keeps a box in single precision, and Lanczos looks at most three rows beyond a border.
    apart = np.abs(strips.pixels.astype(int) - whole.pixels)
    assert apart.max() <= 4
    borders = np.isin(np.arange(size[1]) % 16, (0, 1, 2, 13, 14, 15))
    assert apart[borders].mean() == pytest.approx(apart[~borders].mean(), abs=0.05)


@pytest.mark.parametrize("size", [(96, 64), (640, 224), (999, 888)])
def test_a_transparent_picture_is_resized_as_pillow_does_it_whole(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (1001, 1203, 4), np.uint8)
    picture = PIL.Image.fromarray(pixels)
    whole = picture.resize(size, PIL.Image.Resampling.LANCZOS, reducing_gap=GAP)
    white = PIL.Image.alpha_composite(PIL.Image.new("RGBA", size, "white"), whole).convert("RGB")
    assert (decode(encode(picture, "PNG"), LIMITS, lambda *_: size).pixels == np.asarray(white)).all()
