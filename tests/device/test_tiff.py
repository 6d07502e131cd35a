"""TIFF as microscopes, scanners and programs write it; all drawn here, by tifffile or byte by byte."""

from __future__ import annotations

import io
import struct
import time
from contextlib import suppress
from typing import Any, Literal

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from device.base.errors import (
    AnimatedImage,
    CompressionNotRead,
    ImageDamaged,
    ImageError,
    ImageTruncated,
    MeasurementsNotRead,
    TooManyPixels,
    VarietyNotRead,
    WholeSlide,
)
from device.reading.formats.tiff_directory import find_picture
from device.reading.image import Image, Limits, decode
from tests.support.drawn_files import difference, encode, ramp, tiff, tiff_tags, tissue

LIMITS = Limits()
WIDE = Limits(max_aspect=4)
PIXELS = np.asarray(tissue())
GREY = np.asarray(tissue().convert("L"))


def written(pixels: np.ndarray, *, big: bool = False, order: Literal["<", ">"] = "<", **options: Any) -> bytes:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=big, byteorder=order) as writer:
        settings: dict[str, Any] = {"metadata": None} | options
        writer.write(pixels, **settings)
    return file.getvalue()


def read(data: bytes, limits: Limits = LIMITS) -> Image:
    image = decode(data, limits)
    assert image.format == "TIFF"
    assert image.preview
    return image


LAYOUTS: dict[str, dict[str, Any]] = {
    "one strip": {"rowsperstrip": 120},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (32, 48)},
    "one tile larger than the picture": {"tile": (128, 256)},
}
LOSSLESS = [None, "lzw", "zlib", "packbits", "zstd"]


@pytest.mark.parametrize("big", [False, True], ids=["classic", "BigTIFF"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_each_layout_gives_the_picture(big: bool, order: Literal["<", ">"], layout: str, planar: str) -> None:
    pixels = PIXELS if planar == "contig" else PIXELS.transpose(2, 0, 1)
    for compression in LOSSLESS:
        options = {**LAYOUTS[layout], "compression": compression, "planarconfig": planar, "photometric": "rgb"}
        for predictor in (False, True) if compression in ("lzw", "zlib") else (False,):
            image = read(written(pixels, big=big, order=order, predictor=predictor, **options))
            assert (image.pixels == PIXELS).all(), (compression, predictor)
            assert image.notes == ()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite", "rgb", "rgb, planes"])
def test_sixteen_bits_in_each_layout(order: Literal["<", ">"], layout: str, photometric: str) -> None:
    source = GREY if photometric.startswith("mini") else PIXELS
    deep = source.astype(np.uint16) * 257
    if photometric == "miniswhite":
        deep = 65535 - deep
    planes = photometric.endswith("planes")
    for compression in LOSSLESS:
        data = written(
            deep.transpose(2, 0, 1) if planes else deep,
            order=order,
            photometric=photometric.split(",")[0],
            planarconfig="separate" if planes else None,
            compression=compression,
            predictor=compression in ("lzw", "zlib"),
            **LAYOUTS[layout],
        )
        image = read(data)
        expected = source if source.ndim == 3 else np.stack([source] * 3, axis=2)
        assert np.abs(image.pixels.astype(int) - expected).max() <= 1
        assert "sixteen_bit_scaled" in image.notes


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_few_bits_of_grey(bits: int, white_is_zero: bool) -> None:
    values = np.tile(np.arange(99) % (1 << bits), (70, 1)).astype(np.uint8)  # rows that end amid a byte
    packed = np.packbits(np.unpackbits(values[..., None], axis=2)[..., 8 - bits :].reshape(70, -1), axis=1)
    image = read(tiff(tiff_tags(99, 70, 0 if white_is_zero else 1, (bits,)), packed.tobytes()))
    expected = np.round(values[0] * (255 / ((1 << bits) - 1)))
    assert (image.pixels[0, :, 0] == (255 - expected if white_is_zero else expected)).all()


@pytest.mark.parametrize(("bits", "note"), [(8, "low_bits_scaled"), (10, "low_bits_scaled"), (12, "low_bits_scaled"),
                                            (14, "low_bits_scaled"), (16, "sixteen_bit_scaled")])  # fmt: skip
@pytest.mark.parametrize("colour", [False, True])
def test_fewer_bits_in_sixteen_are_scaled_by_their_own_white(bits: int, note: str, colour: bool) -> None:
    samples = np.repeat(ramp(bits)[..., None], 3, axis=2) if colour else ramp(bits)
    for white_is_zero in (False, True) if not colour else (False,):
        stored = (1 << bits) - 1 - samples if white_is_zero else samples
        photometric = "rgb" if colour else "miniswhite" if white_is_zero else "minisblack"
        image = read(written(stored, photometric=photometric), WIDE)
        assert note in image.notes
        assert (image.pixels[0, :, 0] == np.arange(256)).all()


def test_the_bits_that_a_file_states_count() -> None:
    dark = ramp(12) // 8
    for options in (
        {"extratags": [(281, 3, 1, 4095, True)]},
        {"extratags": [(341, 3, 1, 4095, True)]},
        {"description": "ImageJ=1.53\nmin=0.0\nmax=4095.0\n"},
        {"description": '<?xml version="1.0"?><OME><Image><Pixels SignificantBits="12" Type="uint16"/></Image></OME>'},
    ):
        assert read(written(dark, photometric="minisblack", **options), WIDE).pixels.max() == 32
    stated_16 = written(dark, photometric="minisblack", extratags=[(281, 3, 1, 65535, True)])
    assert read(stated_16, WIDE).pixels.max() == 2


def test_a_palette_and_inks() -> None:
    palette = tissue().convert("P", palette=PIL.Image.Palette.ADAPTIVE)
    for compression in ("raw", "tiff_lzw"):
        image = read(encode(palette, "TIFF", compression=compression))
        assert (image.pixels == np.asarray(palette.convert("RGB"))).all()
        assert image.notes == ("palette_expanded",)
    inks = read(encode(tissue().convert("CMYK"), "TIFF", compression="tiff_lzw"))
    assert (inks.pixels == PIXELS).all()


# --- pictures within tiles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2), (2, 1)])
def test_jpeg_in_ycbcr(layout: str, subsampling: tuple[int, int]) -> None:
    options: dict[str, Any] = {
        "compression": "jpeg",
        "compressionargs": {"level": 95},
        "subsampling": subsampling,
        "photometric": "rgb",
    }
    layout_options = {"rowsperstrip": 32} if layout == "strips" else LAYOUTS[layout]
    assert difference(read(written(PIXELS, **options, **layout_options)).pixels, PIXELS) < 3


def test_jpeg_in_rgb_and_grey() -> None:
    for layout in ({"tile": (64, 64)}, {"rowsperstrip": 120}):
        rgb = written(
            PIXELS,
            compression="jpeg",
            compressionargs={"level": 95, "outcolorspace": "rgb"},
            photometric="rgb",
            **layout,
        )
        assert difference(read(rgb).pixels, PIXELS) < 3
        grey = written(GREY, compression="jpeg", compressionargs={"level": 95}, photometric="minisblack", **layout)
        assert difference(read(grey).pixels[..., 0], GREY) < 3


def test_jpeg_with_tables_that_all_segments_share() -> None:
    assert difference(read(encode(tissue(), "TIFF", compression="jpeg", quality=95)).pixels, PIXELS) < 3


def j2k(pixels: np.ndarray, **options: Any) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", level=0, reversible=True, **options))


@pytest.mark.parametrize("compression", [33003, 33004, 33005, 34712])
def test_jpeg_2000(compression: int) -> None:
    data = tiff(tiff_tags(160, 120, 2, (8, 8, 8), compression=compression), j2k(PIXELS))
    assert difference(read(data).pixels, PIXELS) < 1
    for part in (0.3, 0.9):
        cut = j2k(PIXELS)[: int(len(j2k(PIXELS)) * part)]
        with pytest.raises(ImageDamaged):
            read(tiff(tiff_tags(160, 120, 2, (8, 8, 8), compression=compression), cut))


def test_aperio_s_jpeg_2000_is_ycbcr_though_its_page_says_rgb() -> None:
    ycc = np.asarray(tissue().convert("YCbCr"))
    data = written(PIXELS, photometric="rgb", description="Aperio Image Library v10\n160x120 J2K/YUV16 Q=70")
    coded = j2k(ycc, mct=False)
    page = find_picture(data).page
    tags = {tag: int(page.values(tag)[0]) for tag in (256, 257, 262, 277)}
    aperio = page_with(tags | {259: 33003}, (8, 8, 8), coded, b"Aperio Image Library v10 J2K/YUV16\0")
    assert difference(read(aperio).pixels, PIXELS) < 3


def page_with(tags: dict[int, int], bits: tuple[int, ...], data: bytes, description: bytes) -> bytes:
    """A little-endian TIFF of one strip with a description."""
    count = len(tags) + 4
    after = 8 + 2 + 12 * count + 4
    packed = struct.pack(f"<{len(bits)}H", *bits)
    entries = {tag: (4, 1, value) for tag, value in tags.items()}
    entries |= {258: (3, len(bits), after), 270: (2, len(description), after + len(packed))}
    entries |= {273: (4, 1, after + len(packed) + len(description)), 279: (4, 1, len(data))}
    rows = b"".join(struct.pack("<HHII", tag, *entries[tag]) for tag in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, count) + rows + bytes(4) + packed + description + data


@pytest.mark.parametrize("subsampling", [(2, 2), (2, 1), (4, 2), (1, 1)])
@pytest.mark.parametrize("compression", [1, 5, 8])
def test_subsampled_ycbcr_without_jpeg(subsampling: tuple[int, int], compression: int) -> None:
    across, down = subsampling
    coarse = tissue(40, 32).resize((160, 128), PIL.Image.Resampling.BICUBIC)
    ycc = np.asarray(coarse.convert("YCbCr"))
    units = [
        [*ycc[y : y + down, x : x + across, 0].ravel(), *ycc[y, x, 1:]]
        for y in range(0, 128, down)
        for x in range(0, 160, across)
    ]
    raw = np.array(units, np.uint8).tobytes()
    packed = {1: raw, 5: imagecodecs.lzw_encode(raw), 8: imagecodecs.zlib_encode(raw)}[compression]
    tags = tiff_tags(160, 128, 6, (8, 8, 8), compression=compression) | {530: (across, down)}
    assert difference(read(tiff(tags, bytes(packed))).pixels, np.asarray(coarse)) < 6


def test_webp_tiles() -> None:
    data = written(PIXELS, compression="webp", compressionargs={"lossless": True}, photometric="rgb", tile=(64, 64))
    assert (read(data).pixels == PIXELS).all()


# --- a fourth channel ------------------------------------------------------------------------------------------------


def test_a_fourth_channel_that_nobody_declared_hides_nothing() -> None:
    for alpha, notes in ((0, ("alpha_ignored",)), (255, ()), (100, ())):
        data = np.dstack([PIXELS, np.full(PIXELS.shape[:2], alpha, np.uint8)])
        image = read(tiff(tiff_tags(160, 120, 2, (8, 8, 8, 8)), data.tobytes()))
        assert (image.pixels == PIXELS).all()
        assert image.notes == notes


def test_declared_alpha_lies_on_white_whether_or_not_colours_are_multiplied_by_it() -> None:
    alpha = np.full(PIXELS.shape[:2], 255, np.uint8)
    alpha[:, :80] = 128
    expected = PIXELS.astype(float) * alpha[..., None] / 255 + 255 - alpha[..., None]
    for kind, colours in (
        ("unassalpha", PIXELS),
        ("assocalpha", (PIXELS * (alpha[..., None] / 255)).round().astype(np.uint8)),
    ):
        for depth in (1, 257):
            stored = np.dstack([colours, alpha]).astype(np.uint16 if depth > 1 else np.uint8) * depth
            image = read(written(stored, photometric="rgb", extrasamples=[kind]))
            assert "alpha_flattened" in image.notes
            assert np.abs(image.pixels - expected).max() <= 3


def test_grey_with_alpha() -> None:
    alpha = np.full(GREY.shape, 65535, np.uint16)
    alpha[:, :80] = 0
    stored = np.dstack([GREY.astype(np.uint16) * 257, alpha])
    image = read(written(stored, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]))
    assert (image.pixels[:, :80] == 255).all()
    assert (image.pixels[:, 80:, 0] == GREY[:, 80:]).all()


# --- pages and pyramids ----------------------------------------------------------------------------------------------


def pyramid(*, sub_directories: bool, **options: Any) -> bytes:
    """960 × 720 pixels with copies of a half and a quarter of its size, each of another brightness."""
    base = np.asarray(tissue(960, 720))
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        common: dict[str, Any] = {"photometric": "rgb", "tile": (128, 128), "metadata": None, **options}
        writer.write(base, subifds=2 if sub_directories else 0, **common)
        for factor, darker in ((2, 20), (4, 40)):
            writer.write(base[::factor, ::factor] - np.uint8(darker), subfiletype=1, **common)
    return file.getvalue()


@pytest.mark.parametrize("sub_directories", [False, True])
@pytest.mark.parametrize("compression", [None, "jpeg", "lzw"])
def test_a_pyramid_is_read_at_the_level_that_suffices(sub_directories: bool, compression: str | None) -> None:
    data = pyramid(sub_directories=sub_directories, compression=compression)
    base = np.asarray(tissue(960, 720)).astype(float).mean()
    for wanted, darker in (
        ((960, 720), 0),
        ((481, 361), 0),
        ((480, 360), 20),
        ((300, 200), 20),
        ((240, 180), 40),
        ((96, 72), 40),
    ):
        image = decode(data, LIMITS, lambda *_, size=wanted: size)
        assert (image.width, image.height) == (960, 720)
        assert image.pixels.mean() == pytest.approx(base - darker, abs=1)


def test_a_pyramid_larger_than_the_limit_is_read_at_a_smaller_level() -> None:
    data = pyramid(sub_directories=False)
    limits = Limits(max_megapixels=0.3)
    assert decode(data, limits, 192 * 128).width == 960
    with pytest.raises(TooManyPixels):
        decode(data, limits)


def test_a_pyramid_too_large_for_a_field_asks_for_the_size_that_it_states() -> None:
    data = pyramid(sub_directories=False, resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    limits = Limits(max_megapixels=0.3)
    with pytest.raises(WholeSlide) as raised:
        decode(data, limits, 192 * 128)
    assert raised.value.facts == {"width": 960, "height": 720, "um_per_px": 0.5}
    assert decode(data, limits, lambda *_: (240, 180)).pixels.shape == (180, 240, 3)


def test_only_the_level_that_is_read_must_be_whole() -> None:
    data = bytearray(pyramid(sub_directories=False, compression="lzw"))
    page = find_picture(bytes(data)).page
    start, length = (int(page.values(tag)[0]) for tag in (324, 325))
    data[start : start + length] = bytes(length)
    decode(bytes(data), LIMITS, lambda *_: (96, 72))
    with pytest.raises(ImageDamaged):
        decode(bytes(data), LIMITS)


def test_a_scanner_s_slide_has_levels_a_thumbnail_a_label_and_a_macro() -> None:
    base = np.asarray(tissue(960, 720))
    file = io.BytesIO()
    head = "Aperio Image Library v12.0.15\n960x720 [0,0 960x720] (256x256) JPEG/RGB Q=70"
    with tifffile.TiffWriter(file) as writer:
        common: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        writer.write(base, tile=(128, 128), description=f"{head}|AppMag = 20|MPP = 0.4990|Left = 1", **common)
        writer.write(base[::5, ::5], description=head.replace("(256x256)", "-> 192x144"), **common)
        writer.write(base[::4, ::4] - np.uint8(40), tile=(128, 128), description=f"{head} -> 240x180", **common)
        writer.write(
            np.asarray(tissue(120, 90, seed=5)), description="Aperio v12\nlabel 120x90", subfiletype=1, **common
        )
        writer.write(
            np.asarray(tissue(240, 180, seed=6)), description="Aperio v12\nmacro 240x180", subfiletype=9, **common
        )
    data = file.getvalue()
    image = decode(data, LIMITS)
    assert (image.pixels == base).all()
    assert (image.stated_um_per_px and image.stated_um_per_px.um_per_px) == 0.499
    assert image.stated_um_per_px is not None
    assert image.stated_um_per_px.source == "aperio"
    assert [copy.width for copy in find_picture(data).copies] == [240, 192]
    assert decode(data, LIMITS, lambda *_: (240, 180)).pixels.mean() == pytest.approx(base.mean() - 40, abs=1)


@pytest.mark.parametrize("flag", [1, 2, 4])
def test_masks_and_smaller_copies_are_no_further_pictures(flag: int) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(PIXELS, photometric="rgb", metadata=None)
        small = GREY[::2, ::2] > 128 if flag == 4 else PIXELS[::2, ::2]
        photometric = "mask" if flag == 4 else "rgb"
        writer.write(small, photometric=photometric, metadata=None, subfiletype=flag)
    if flag == 2:  # a page of a document: a picture of its own
        with pytest.raises(AnimatedImage) as raised:
            decode(file.getvalue(), LIMITS)
        assert raised.value.facts == {"frames": 2}
    else:
        assert (decode(file.getvalue(), LIMITS).pixels == PIXELS).all()


def test_a_thumbnail_before_the_picture() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(PIXELS[::2, ::2], photometric="rgb", metadata=None, subfiletype=1)
        writer.write(PIXELS, photometric="rgb", metadata=None)
    assert (decode(file.getvalue(), LIMITS).pixels == PIXELS).all()


def test_a_tile_that_a_scanner_left_out_is_glass() -> None:
    data = bytearray(written(PIXELS, photometric="rgb", tile=(64, 64)))
    page = find_picture(bytes(data)).page
    _, _, place = page.entries[325]
    data[place : place + 4] = bytes(4)
    image = read(bytes(data))
    assert (image.pixels[:64, :64] == 255).all()
    assert (image.pixels[64:] == PIXELS[64:]).all()


# --- what isn't read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("compression", "name"),
    [(50002, "JPEG XL"), (34887, "LERC"), (34925, "LZMA"), (4, "CCITT T.6"), (6, "old-style JPEG"), (12345, "12345")],
)
def test_other_compressions_are_named(compression: int, name: str) -> None:
    with pytest.raises(CompressionNotRead) as raised:
        decode(tiff(tiff_tags(96, 96, 2, (8, 8, 8), compression=compression), bytes(96 * 96 * 3)), LIMITS)
    assert raised.value.facts == {"format": "TIFF", "compression": name}


@pytest.mark.parametrize("dtype", [np.int16, np.int8, np.float32, np.float16, np.uint32, np.float64])
def test_measurements_are_named(dtype: type) -> None:
    with pytest.raises(MeasurementsNotRead) as raised:
        decode(written(np.zeros((96, 96), dtype), photometric="minisblack"), LIMITS)
    assert raised.value.facts == {"format": "TIFF", "bits": np.dtype(dtype).itemsize * 8}


def test_other_varieties_are_named() -> None:
    for photometric, samples, bits in ((32803, 1, 16), (2, 2, 8), (1, 9, 8), (8, 3, 16), (1, 1, 11)):
        with pytest.raises(VarietyNotRead):
            decode(tiff(tiff_tags(96, 96, photometric, (bits,) * samples), bytes(96 * 96 * samples * 2)), LIMITS)


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [*LOSSLESS, "jpeg", "webp"])
@pytest.mark.parametrize("layout", ["strips", "tiles", "one strip"])
def test_a_file_that_was_cut_off_is_incomplete(compression: str | None, layout: str) -> None:
    options = {"rowsperstrip": 16} if layout == "strips" else LAYOUTS[layout]
    if layout == "tiles":
        options = {"tile": (32, 48)}
    data = written(PIXELS, compression=compression, photometric="rgb", **options)
    for part in (0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        with pytest.raises(ImageTruncated):
            decode(data[: int(len(data) * part)], LIMITS)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd", "jpeg"])
def test_damage_within_a_strip_is_told(compression: str) -> None:
    noisy = np.clip(PIXELS + np.random.default_rng(0).normal(0, 9, PIXELS.shape), 0, 255).astype(np.uint8)
    data = written(noisy, compression=compression, photometric="rgb", rowsperstrip=120)
    page = find_picture(data).page
    start, length = (int(page.values(tag)[0]) for tag in (273, 279))
    silent = 0
    for at in np.random.default_rng(1).integers(start + 700, start + length - 600, 20).tolist():
        broken = data[:at] + bytes(256) + data[at + 256 :]
        try:
            decode(broken, LIMITS)
            silent += 1
        except ImageError:
            pass
    # PackBits and Zstandard without its checksum tell it only where the length changes, as LZW nearly always does.
    assert silent <= {"packbits": 20, "zstd": 18, "lzw": 2}.get(compression, 1)


def test_hostile_directories_cost_neither_time_nor_memory() -> None:
    many = struct.pack("<H", 65535) + b"".join(struct.pack("<HHII", 65000, 4, 1 << 30, 8) for _ in range(65535))
    loop = bytearray(encode(tissue(), "TIFF"))
    end = struct.unpack_from("<I", loop, 4)[0]
    count = struct.unpack_from("<H", loop, end)[0]
    loop[end + 2 + 12 * count : end + 6 + 12 * count] = struct.pack("<I", end)
    tiny = tiff_tags(8000, 8000, 1, (8,)) | {322: 1, 323: 1}
    del tiny[278]
    for data in (b"II*\0" + struct.pack("<I", 8) + many + bytes(4), bytes(loop), tiff(tiny, b"x")):
        start = time.process_time()
        with suppress(ImageError):
            decode(data, LIMITS)
        assert time.process_time() - start < 1


# --- the size of a pixel ---------------------------------------------------------------------------------------------


def ome(size: str, unit: str = "") -> str:
    """OME's XML with the size of a pixel."""
    units = f' PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"' if unit else ""
    return f'<?xml version="1.0"?><OME><Pixels PhysicalSizeX="{size}" PhysicalSizeY="{size}"{units}/></OME>'


@pytest.mark.parametrize(
    ("options", "um", "source"),
    [
        ({"description": ome("0.325")}, 0.325, "ome"),
        ({"description": ome("325", "nm")}, 0.325, "ome"),
        ({"description": ome("1", "pixel")}, None, None),
        ({"description": ome("much")}, None, None),
        ({"description": "ImageJ=1.53t\nunit=micron\n", "resolution": (2.0, 2.0), "resolutionunit": 1}, 0.5, "imagej"),
        ({"description": "ImageJ=1.53t\nunit=pixel\n", "resolution": (2.0, 2.0), "resolutionunit": 1}, None, None),
        ({"resolution": (40000, 40000), "resolutionunit": 3}, 0.25, "resolution"),
        ({"resolution": (101600, 101600), "resolutionunit": 2}, 0.25, "resolution"),
        ({"resolution": (72, 72), "resolutionunit": 2}, None, None),
        ({"resolution": (300, 300), "resolutionunit": 3}, None, None),
        ({"resolution": (40000, 40000), "resolutionunit": 1}, None, None),
        ({"resolution": (40000, 20000), "resolutionunit": 3}, None, None),
        ({"resolution": (0, 0), "resolutionunit": 3}, None, None),
    ],
)  # fmt: skip
def test_the_size_of_a_pixel_is_quoted_where_it_can_be_right(
    options: dict[str, Any], um: float | None, source: str | None
) -> None:
    stated = read(written(PIXELS, photometric="rgb", **options)).stated_um_per_px
    assert (stated and pytest.approx(stated.um_per_px, rel=1e-4)) == um
    assert (stated and stated.source) == source
