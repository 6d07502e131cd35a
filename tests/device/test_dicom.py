"""DICOM as ultrasound machines, mammographs, screen captures and slide scanners save it. All files are drawn here."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
from pydicom.dataset import Dataset

from device.base.errors import (
    CompressionNotRead,
    DicomFrames,
    DicomWithoutPicture,
    ImageDamaged,
    ImageError,
    ImageTruncated,
    TooManyPixels,
    VarietyNotRead,
    WholeSlide,
)
from device.base.texts import LANGUAGES
from device.reading.bundle import Bundle
from device.reading.image import Image, Limits, decode, decode_in_process
from device.reading.reading import Reader
from tests.support.drawn_dicom import (
    BASELINE,
    BIG,
    DEFLATED,
    EXPLICIT,
    EXTENDED,
    IMPLICIT,
    JPEG_2000,
    JPEG_2000_LOSSY,
    JPEG_LS,
    JPEG_LS_NEAR,
    LOSSLESS,
    LOSSLESS_SV1,
    MAMMOGRAPHY,
    PATIENT,
    RLE,
    SECONDARY_CAPTURE,
    SLIDE,
    dicom,
    item,
    rle,
    written,
)
from tests.support.pictures import png
from tests.support.reading_json import reading_json
from tests.support.shipped import KEYS, MODELS

# pydicom's remarks on damaged files, which pytest shows although the box doesn't.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

LIMITS = Limits()
WIDTH, HEIGHT = 160, 120


def smooth(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Grey of 16 bits with structure, uint16 [height, width]."""
    rng = np.random.default_rng(seed)
    noise = PIL.Image.fromarray(rng.integers(0, 256, (12, 16), np.uint8).astype(np.float32))
    grey = np.asarray(noise.resize((width, height), PIL.Image.Resampling.BICUBIC))
    return np.clip(grey * 257, 0, 65535).astype(np.uint16)


def colour(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Colour of 8 bits, paler than what luminance and colour differences can't hold, uint8 [height, width, 3]."""
    return np.stack([(smooth(seed, width, height) // 520 + 60).astype(np.uint8) for seed in range(3)], axis=2)


GREY_8 = (smooth() >> 8).astype(np.uint8)
GREY_12 = smooth() >> 4
COLOUR = colour()


def difference(image: Image, expected: np.ndarray) -> int:
    """Greatest difference in grey levels."""
    wanted = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, 2)
    return int(np.abs(image.pixels.astype(int) - wanted.astype(int)).max())


def mean_difference(image: Image, expected: np.ndarray) -> float:
    """In grey levels, for what isn't packed without loss."""
    return float(np.abs(image.pixels.astype(int) - expected.astype(int)).mean())


# --- transfer syntaxes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("syntax", "tolerance"),
    [
        *((syntax, 0) for syntax in (IMPLICIT, EXPLICIT, DEFLATED, BIG, LOSSLESS_SV1, JPEG_LS, JPEG_2000, RLE)),
        *((syntax, 2) for syntax in (BASELINE, JPEG_LS_NEAR, JPEG_2000_LOSSY)),
    ],
)
def test_a_colour_picture_is_the_same_in_each_transfer_syntax(syntax: str, tolerance: int) -> None:
    image = decode(dicom(COLOUR, syntax=syntax), LIMITS)
    assert (image.width, image.height, image.format, image.preview) == (WIDTH, HEIGHT, "DICOM", True)
    assert mean_difference(image, COLOUR) <= tolerance


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED, BIG, LOSSLESS, LOSSLESS_SV1, JPEG_LS, JPEG_2000, RLE])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_a_grey_picture_of_any_depth_is_the_same_in_each_transfer_syntax(syntax: str, bits: int) -> None:
    stored = smooth() >> (16 - bits)
    image = decode(
        dicom(stored, syntax=syntax, bits=bits, WindowCenter=2.0 ** (bits - 1), WindowWidth=2.0**bits), LIMITS
    )
    assert difference(image, smooth() >> 8) <= 1
    assert image.notes == ("sixteen_bit_scaled", "grey_expanded")


def test_extended_jpeg_of_12_bits_is_read() -> None:
    image = decode(dicom(GREY_12, syntax=EXTENDED, bits=12, WindowCenter=2048.0, WindowWidth=4096.0), LIMITS)
    assert difference(image, GREY_8) <= 3


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_data_set_without_its_preamble_is_read(syntax: str) -> None:
    assert difference(decode(dicom(COLOUR, syntax=syntax, preamble=False), LIMITS), COLOUR) == 0


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.112"])
def test_a_compression_that_is_not_read_is_named_as_the_standard_names_it(uid: str) -> None:
    data = dicom(COLOUR, syntax=uid, frames=[b"compressed"])
    with pytest.raises(CompressionNotRead) as raised:
        decode(data, LIMITS)
    assert str(raised.value.facts["compression"]).startswith(("MPEG-4", uid))


# --- colours ---------------------------------------------------------------------------------------------------------


def ybr(samples: np.ndarray) -> np.ndarray:
    return np.asarray(PIL.Image.fromarray(samples).convert("YCbCr"))


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_planes_and_luminance_become_rgb(photometric: str, planar: int) -> None:
    samples = ybr(COLOUR) if photometric == "YBR_FULL" else COLOUR
    image = decode(dicom(samples, photometric=photometric, PlanarConfiguration=planar), LIMITS)
    assert difference(image, COLOUR) <= (3 if photometric == "YBR_FULL" else 0)


def test_halved_colour_differences_become_rgb() -> None:
    full = ybr(COLOUR)
    groups = np.stack([full[:, 0::2, 0], full[:, 1::2, 0], full[:, 0::2, 1], full[:, 0::2, 2]], axis=2)
    data = dicom(COLOUR, photometric="YBR_FULL_422")
    start = data.index(COLOUR.tobytes())
    stored = groups.nbytes.to_bytes(4, "little") + groups.tobytes()
    assert mean_difference(decode(data[: start - 4] + stored, LIMITS), COLOUR) < 3


def test_rgb_within_jpeg_is_told_from_luminance() -> None:
    frame = imagecodecs.jpeg8_encode(COLOUR, 95, colorspace="RGB", outcolorspace="RGB")
    assert (
        mean_difference(decode(dicom(COLOUR, syntax=BASELINE, frames=[frame], photometric="RGB"), LIMITS), COLOUR) < 2
    )
    frame = imagecodecs.jpeg8_encode(COLOUR, 95)
    # Some machines say RGB of what JPEG's own header says is not.
    for photometric in ("YBR_FULL_422", "RGB"):
        data = dicom(COLOUR, syntax=BASELINE, frames=[frame], photometric=photometric)
        assert mean_difference(decode(data, LIMITS), COLOUR) < 2


@pytest.mark.parametrize("entry_bits", [8, 16])
def test_a_palette_gives_its_colours(entry_bits: int) -> None:
    rng = np.random.default_rng(1)
    palette = rng.integers(0, 256, (256, 3)).astype(np.uint8)
    luts: dict[str, Any] = {}
    for number, name in enumerate(("Red", "Green", "Blue")):
        entries = palette[:, number].astype(np.uint16) * 257 if entry_bits == 16 else palette[:, number]
        luts[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, entry_bits]
        luts[f"{name}PaletteColorLookupTableData"] = np.ascontiguousarray(entries).tobytes()
    image = decode(dicom(GREY_8, photometric="PALETTE COLOR", **luts), LIMITS)
    assert difference(image, palette[GREY_8]) == 0
    assert image.notes == ("palette_expanded",)


@pytest.mark.parametrize(
    ("elements", "variety"),
    [({"photometric": "HSV"}, "Photometric Interpretation"), ({"photometric": "RGB"}, "Samples per Pixel")],
)
def test_pixels_of_another_kind_are_named(elements: dict[str, Any], variety: str) -> None:
    with pytest.raises(VarietyNotRead) as raised:
        decode(dicom(GREY_8, **elements), LIMITS)
    assert raised.value.facts == {"format": "DICOM", "variety": variety}


# --- grey: windows, tables, inversion --------------------------------------------------------------------------------


def test_a_window_is_shown_as_the_standard_says() -> None:
    ramp = np.tile(np.arange(4096, dtype=np.uint16)[::16], (128, 1))
    image = decode(dicom(ramp, bits=12, kind=MAMMOGRAPHY, WindowCenter=[1000.0, 9.0], WindowWidth=[400.0, 9.0]), LIMITS)
    # PS3.3, C.11.2.1.2: ((x - (c - 0.5)) / (w - 1) + 0.5) of full scale.
    expected = np.clip((ramp - 999.5) / 399 + 0.5, 0, 1) * 255
    assert difference(image, np.round(expected)) == 0


@pytest.mark.parametrize("function", ["SIGMOID", "LINEAR_EXACT"])
def test_other_window_functions_are_shown(function: str) -> None:
    ramp = np.tile(np.arange(4096, dtype=np.uint16)[::16], (128, 1))
    data = dicom(ramp, bits=12, WindowCenter=1000.0, WindowWidth=400.0, VOILUTFunction=function)
    x = (ramp - 1000.0) / 400
    expected = 1 / (1 + np.exp(-4 * x)) if function == "SIGMOID" else np.clip(x + 0.5, 0, 1)
    assert difference(decode(data, LIMITS), np.round(expected * 255)) <= 1


def test_a_window_that_all_frames_share_is_found_in_its_group() -> None:
    window = item(WindowCenter=2048.0, WindowWidth=4096.0)
    transformation = item(RescaleSlope=1.0, RescaleIntercept=0.0, RescaleType="US")
    group = item(FrameVOILUTSequence=[window], PixelValueTransformationSequence=[transformation])
    data = dicom(GREY_12, bits=12, SharedFunctionalGroupsSequence=[group])
    assert difference(decode(data, LIMITS), GREY_8) <= 1


def test_a_colour_profile_is_noted_and_not_applied() -> None:
    for elements in ({"ICCProfile": b"Display P3"}, {"OpticalPathSequence": [item(ICCProfile=b"a scanner's")]}):
        image = decode(dicom(COLOUR, **elements), LIMITS)
        assert image.notes == ("icc_ignored",)
        assert difference(image, COLOUR) == 0
    assert decode(dicom(COLOUR, ICCProfile=b"sRGB IEC61966-2.1 "), LIMITS).notes == ()


def test_rescaled_and_signed_values_are_windowed_in_their_units() -> None:
    signed = (GREY_12.astype(np.int32) - 2048).astype(np.int16)
    data = dicom(signed, bits=12, RescaleSlope=2.0, RescaleIntercept=10.0, WindowCenter=10.5, WindowWidth=8193.0)
    assert difference(decode(data, LIMITS), GREY_8) <= 1


def test_white_is_the_smallest_value_where_monochrome1_says_so() -> None:
    window: dict[str, Any] = {"WindowCenter": 2048.0, "WindowWidth": 4096.0, "kind": MAMMOGRAPHY, "bits": 12}
    image = decode(dicom(4095 - GREY_12, photometric="MONOCHROME1", **window), LIMITS)
    assert difference(image, decode(dicom(GREY_12, **window), LIMITS).pixels) <= 1


@pytest.mark.parametrize("wide", [False, True])
def test_a_voi_table_goes_before_a_window(wide: bool) -> None:
    entries = (4095 - np.arange(4096)).astype(np.uint16)
    table = item(LUTDescriptor=[4096, 0, 12], LUTData=entries.tobytes() if wide else entries.tolist())
    table["LUTData"].VR = "OW" if wide else "US"
    data = dicom(GREY_12, bits=12, VOILUTSequence=[table], WindowCenter=1.0, WindowWidth=2.0)
    assert difference(decode(data, LIMITS), 255 - GREY_8) <= 1


def test_a_modality_table_is_applied_first() -> None:
    entries = (4095 - np.arange(4096)).astype(np.uint16).tolist()
    table = item(LUTDescriptor=[4096, 0, 16], LUTData=entries, ModalityLUTType="US")
    table["LUTData"].VR = "US"
    data = dicom(GREY_12, bits=12, ModalityLUTSequence=[table], WindowCenter=2048.0, WindowWidth=4096.0)
    assert difference(decode(data, LIMITS), 255 - GREY_8) <= 1


def test_without_a_window_the_picture_s_own_range_is_shown_and_noted() -> None:
    values = GREY_12 // 4 + 300
    values[:4] = 4095  # padding: not part of the picture
    image = decode(dicom(values, bits=12, PixelPaddingValue=4095), LIMITS)
    assert "window_of_values" in image.notes
    assert (image.pixels[4:].min(), image.pixels[4:].max()) == (0, 255)
    # Eight bits are meant as they are.
    assert decode(dicom(GREY_8 // 2), LIMITS).pixels.max() == GREY_8.max() // 2


def test_what_is_no_number_counts_as_not_stated() -> None:
    data = dicom(GREY_8, PixelSpacing=[0.07, 0.07], WindowCenter=128.0, WindowWidth=256.0)
    assert decode(data, LIMITS).stated_um_per_px is not None
    image = decode(data.replace(b"0.07\\0.07", b"far\\close").replace(b"128.0 ", b"bright"), LIMITS)
    assert image.stated_um_per_px is None
    assert difference(image, GREY_8) <= 1


def test_bits_beside_the_stored_ones_are_no_part_of_the_picture() -> None:
    data = dicom(GREY_12 | 0xF000, bits=12, WindowCenter=2048.0, WindowWidth=4096.0)
    assert difference(decode(data, LIMITS), GREY_8) <= 1


# --- the size of a pixel ---------------------------------------------------------------------------------------------


def region(delta_cm: float, **more: object) -> Dataset:
    return item(
        **{
            "RegionSpatialFormat": 1,
            "RegionDataType": 1,
            "PhysicalUnitsXDirection": 3,
            "PhysicalUnitsYDirection": 3,
            "PhysicalDeltaX": delta_cm,
            "PhysicalDeltaY": delta_cm,
            **more,
        }
    )


@pytest.mark.parametrize(
    ("elements", "um_per_px"),
    [
        ({"PixelSpacing": [0.07, 0.07]}, 70.0),
        ({"ImagerPixelSpacing": [0.1, 0.1]}, 100.0),
        ({"PixelSpacing": [0.07, 0.07], "ImagerPixelSpacing": [0.1, 0.1]}, 70.0),
        ({"NominalScannedPixelSpacing": [0.05, 0.05]}, 50.0),
        ({"SequenceOfUltrasoundRegions": [region(0.008)]}, 80.0),
        ({"SequenceOfUltrasoundRegions": [region(0.008), region(0.5, RegionSpatialFormat=3)]}, 80.0),
        ({"SequenceOfUltrasoundRegions": [region(0.008), region(0.02)]}, None),
        ({"SequenceOfUltrasoundRegions": [region(0.008, PhysicalUnitsXDirection=4)]}, None),
        ({"PixelSpacing": [0.07, 0.14]}, None),
        ({"PixelSpacing": [0.0, 0.0]}, None),
        ({"PixelSpacing": [70.0, 70.0]}, None),  # micrometres where millimetres belong
        ({}, None),
    ],
)
def test_the_size_of_a_pixel_is_what_the_file_states(elements: dict[str, Any], um_per_px: float | None) -> None:
    stated = decode(dicom(GREY_8, **elements), LIMITS).stated_um_per_px
    assert (stated.um_per_px if stated else None) == um_per_px
    assert stated is None or stated.source == "dicom"


# --- several frames, slides ------------------------------------------------------------------------------------------


def test_a_loop_is_refused_in_its_own_words() -> None:
    loop = np.concatenate([COLOUR] * 7)
    data = dicom(loop, NumberOfFrames=7, Rows=HEIGHT)
    with pytest.raises(DicomFrames) as raised:
        decode(data, LIMITS)
    assert raised.value.facts == {"frames": 7}
    assert difference(decode(dicom(COLOUR, kind=SECONDARY_CAPTURE, NumberOfFrames=1), LIMITS), COLOUR) == 0


def slide(
    whole: np.ndarray, tile: int = 64, syntax: str = BASELINE, order: list[int] | None = None, **elements: object
) -> bytes:
    """A tiled level; in `order` and with the position of each tile where given, some may then be left out."""
    height, width, _ = whole.shape
    padded = np.full((-(-height // tile) * tile, -(-width // tile) * tile, 3), 255, np.uint8)
    padded[:height, :width] = whole
    places = [(x, y) for y in range(0, padded.shape[0], tile) for x in range(0, padded.shape[1], tile)]
    if order is not None:
        places = [places[number] for number in order]
        positions = [
            item(
                PlanePositionSlideSequence=[
                    item(ColumnPositionInTotalImagePixelMatrix=x + 1, RowPositionInTotalImagePixelMatrix=y + 1)
                ]
            )
            for x, y in places
        ]
        elements |= {"PerFrameFunctionalGroupsSequence": positions, "DimensionOrganizationType": "TILED_SPARSE"}
    tiles = [np.ascontiguousarray(padded[y : y + tile, x : x + tile]) for x, y in places]
    frames = [imagecodecs.jpeg8_encode(part, 95) if syntax == BASELINE else part.tobytes() for part in tiles]
    shared = [item(PixelMeasuresSequence=[item(PixelSpacing=[0.0005, 0.0005], SliceThickness=0.001)])]
    return dicom(
        tiles[0] if syntax == BASELINE else np.concatenate(tiles),
        syntax=syntax,
        frames=frames if syntax == BASELINE else None,
        **{
            "kind": SLIDE,
            "Rows": tile,
            "NumberOfFrames": len(tiles),
            "TotalPixelMatrixColumns": width,
            "TotalPixelMatrixRows": height,
            "DimensionOrganizationType": "TILED_FULL",
            "SharedFunctionalGroupsSequence": shared,
            "photometric": "YBR_FULL_422" if syntax == BASELINE else "RGB",
            **elements,
        },
    )


@pytest.mark.parametrize("syntax", [EXPLICIT, BASELINE])
def test_the_tiles_of_a_slide_are_put_together(syntax: str) -> None:
    whole = colour(300, 200)
    image = decode(slide(whole, syntax=syntax), LIMITS)
    assert image.stated_um_per_px is not None
    assert (image.width, image.height, image.stated_um_per_px.um_per_px) == (300, 200, 0.5)
    assert mean_difference(image, whole) <= (3 if syntax == BASELINE else 0)


def test_tiles_lie_where_the_file_says_and_glass_is_white() -> None:
    whole = colour(256, 192)
    image = decode(slide(whole, syntax=EXPLICIT, order=[11, 3, 4, 0]), LIMITS)
    expected = np.full_like(whole, 255)
    for x, y in ((192, 128), (192, 0), (0, 64), (0, 0)):
        expected[y : y + 64, x : x + 64] = whole[y : y + 64, x : x + 64]
    assert difference(image, expected) == 0


def test_a_slide_at_the_model_s_scale_is_what_its_picture_would_be() -> None:
    whole = colour(1000, 700)
    rule = lambda width, height: (width // 5, height // 5)  # noqa: E731
    tiled = decode(slide(whole, syntax=EXPLICIT), LIMITS, rule)
    plain = decode(png(PIL.Image.fromarray(whole)), LIMITS, rule)
    assert tiled.pixels.shape == plain.pixels.shape
    assert difference(tiled, plain.pixels) <= 2


def test_a_slide_too_large_for_a_field_is_read_with_the_size_of_its_pixels() -> None:
    tile = np.full((512, 512, 3), 200, np.uint8)
    frames = [imagecodecs.jpeg8_encode(tile, 90)] * 400
    groups = [item(PixelMeasuresSequence=[item(PixelSpacing=[0.00025, 0.00025])])]
    data = dicom(
        tile, syntax=BASELINE, frames=frames, kind=SLIDE, NumberOfFrames=400, TotalPixelMatrixColumns=10240,
        TotalPixelMatrixRows=10240, SharedFunctionalGroupsSequence=groups, photometric="YBR_FULL_422",
    )  # fmt: skip
    with pytest.raises(WholeSlide) as raised:
        decode(data, LIMITS, 512 * 384)
    assert raised.value.facts == {"width": 10240, "height": 10240, "um_per_px": 0.25}
    tracemalloc.start()
    image = decode_in_process(data, LIMITS, lambda width, height: (width // 8, height // 8))
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert (image.width, image.pixels.shape) == (10240, (1280, 1280, 3))
    assert peak_mb < 120  # at full size the slide takes 315 MB


def test_several_focal_planes_are_frames_and_no_tiles() -> None:
    with pytest.raises(DicomFrames):
        decode(slide(colour(128, 128), TotalPixelMatrixFocalPlanes=3), LIMITS)


# --- files without a picture, cut-off and damaged files --------------------------------------------------------------


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF Storage"),
        ("1.2.840.10008.5.1.4.1.1.88.33", "Comprehensive SR Storage"),
        ("1.2.840.10008.1.3.10", "Media Storage Directory Storage"),
        ("1.2.3.4.5", "?"),
    ],
)
def test_a_file_without_pixels_is_named_by_its_kind(uid: str, name: str) -> None:
    dataset = item(SOPClassUID=uid, SOPInstanceUID="1.2.3", **PATIENT)
    with pytest.raises(DicomWithoutPicture) as raised:
        decode(written(dataset), LIMITS)
    assert raised.value.facts == {"kind": name}
    del dataset.SOPClassUID  # a list of files has it in the file's header alone
    with pytest.raises(DicomWithoutPicture) as raised:
        decode(written(dataset, kind=uid), LIMITS)
    assert raised.value.facts == {"kind": name}


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG, DEFLATED, BASELINE, LOSSLESS_SV1, JPEG_LS, JPEG_2000, RLE])
@pytest.mark.parametrize("kept", [0.3, 0.8, 0.99])
def test_a_file_that_was_cut_off_is_incomplete(syntax: str, kept: float) -> None:
    data = dicom(COLOUR, syntax=syntax)
    with pytest.raises(ImageTruncated):
        decode(data[: int(len(data) * kept)], LIMITS)


def test_a_file_that_ends_within_its_header_is_incomplete() -> None:
    data = dicom(COLOUR)
    start, pixels = data.index(b"\x08\0\x16\0UI"), data.index(b"\xe0\x7f\x10\0")
    for length in range(start, pixels + 8):
        with pytest.raises(ImageTruncated):
            decode(data[:length], LIMITS)


@pytest.mark.parametrize("syntax", [BASELINE, LOSSLESS_SV1, JPEG_LS, JPEG_2000])
def test_a_frame_whose_own_header_disagrees_is_not_decoded(syntax: str) -> None:
    data = dicom(colour(1024, 768), syntax=syntax, Rows=HEIGHT, Columns=WIDTH)
    tracemalloc.start()
    with pytest.raises(ImageDamaged):
        decode_in_process(data, LIMITS)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    assert peak_mb < 2 * len(data) / 1e6 + 1


def test_damage_within_a_jpeg_frame_is_not_read_in_silence() -> None:
    frame = imagecodecs.jpeg8_encode(colour(640, 480), 90)
    half = len(frame) // 2
    for spoilt in (frame[:half], frame[:half] + bytes(400) + frame[half + 400 :], frame[:half] + frame[half + 3000 :]):
        with pytest.raises((ImageDamaged, ImageTruncated)):
            decode(dicom(colour(640, 480), syntax=BASELINE, frames=[spoilt]), LIMITS)


def test_run_lengths_that_make_more_than_the_picture_are_damage() -> None:
    frame = rle(GREY_8)[:64] + bytes([129, 7]) * 200_000
    with pytest.raises(ImageDamaged):
        decode(dicom(GREY_8, syntax=RLE, frames=[frame]), LIMITS)


def test_a_deflated_file_can_t_ask_for_more_than_a_picture_takes() -> None:
    bomb = dicom(np.zeros((6000, 6000), np.uint8), syntax=DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(ImageDamaged):
        decode(bomb, Limits(max_megapixels=1))


@pytest.mark.parametrize("size", [(20_000, 20_000), (65535, 65535)])
def test_sizes_beyond_the_limits_are_refused_before_anything_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(TooManyPixels):
        decode(dicom(GREY_8, Rows=size[0], Columns=size[1]), LIMITS)


def test_damage_always_has_a_name() -> None:
    """Bytes changed, cut out and doubled, with a seed: 40 files of each of five kinds."""
    rng = np.random.default_rng(7)
    for syntax in (IMPLICIT, EXPLICIT, BASELINE, JPEG_2000, RLE):
        whole = dicom(COLOUR, syntax=syntax, SequenceOfUltrasoundRegions=[region(0.008)])
        for _ in range(40):
            data = bytearray(whole)
            for at in rng.integers(0, min(len(data), 2500), 3):
                data[at] = rng.integers(0, 256)
            if rng.random() < 0.3:
                start = int(rng.integers(0, len(data)))
                del data[start : start + int(rng.integers(1, 500))]
            with suppress(ImageError):
                decode(bytes(data), LIMITS)


# --- privacy ---------------------------------------------------------------------------------------------------------


def planted(text: str) -> list[str]:
    """The words of the patient and the clinic that a text holds."""
    words = [word for value in PATIENT.values() for word in value.split("^")]
    return [word for word in words if word.lower() in text.lower()]


def test_nothing_of_the_patient_is_in_a_reading(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        reader = Reader(Bundle.open(MODELS / "busi.loupe", KEYS), LIMITS)
        reading = reader.read(dicom(colour(640, 480), SequenceOfUltrasoundRegions=[region(0.008)]))
        for language in LANGUAGES:
            assert planted(str(reading_json(reader, reading, language))) == []
    assert planted(repr(reading.image)) == []
    assert planted(caplog.text + "".join(capfd.readouterr())) == []


def test_nothing_of_the_patient_is_in_an_error() -> None:
    """Not even where the patient's name stands where a number or a code belongs, and not in what is chained or printed."""
    whole = dicom(GREY_8, PixelSpacing=[0.07, 0.07])
    spoilt = [whole[:400], whole[: len(whole) // 2], dicom(GREY_8, NumberOfFrames=3)]
    for tag in (
        b"\x08\0\x05\0CS",
        b"\x08\0\x16\0UI",
        b"\x28\0\x04\0CS",
        b"\x28\0\x08\0IS",
        b"\x28\0\x10\0US",
        b"\x28\0\x30\0DS",
    ):
        data = dicom(GREY_8, PixelSpacing=[0.07, 0.07], NumberOfFrames=1)
        at = data.index(tag)
        length = int.from_bytes(data[at + 6 : at + 8], "little")
        value = b"Zyxwvut^Quirinia"
        spoilt.append(data[: at + 6] + len(value).to_bytes(2, "little") + value + data[at + 8 + length :])
    code = """
import logging, pickle, sys, traceback
from device.base.errors import ImageError
from device.reading.image import Limits, decode
from device.base.texts import LANGUAGES, error_words
logging.basicConfig(level=logging.DEBUG)
refused = 0
for data in pickle.load(sys.stdin.buffer):
    try:
        print(repr(decode(data, Limits())))
    except ImageError as error:
        refused += 1
        print("".join(traceback.format_exception(error)), error.facts, [error_words(error, each) for each in LANGUAGES])
print("refused", refused)
"""
    ran = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], input=pickle.dumps(spoilt), capture_output=True, timeout=60
    )
    told = (ran.stdout + ran.stderr).decode()
    assert ran.returncode == 0, told
    assert int(told.split("refused ")[1].split()[0]) >= 6
    assert planted(told) == []


# --- the whole way ---------------------------------------------------------------------------------------------------


def ultrasound(seed: int = 3) -> np.ndarray:
    """Speckle under a bright skin line, with a dark mass: uint8 [480, 640]."""
    rng = np.random.default_rng(seed)
    speckle = rng.rayleigh(40, (480, 640))
    depth = np.linspace(1.3, 0.6, 480)[:, None]
    y, x = np.mgrid[:480, :640]
    mass = ((x - 320) / 110) ** 2 + ((y - 220) / 70) ** 2 < 1
    picture = PIL.Image.fromarray(np.clip(speckle * depth * np.where(mass, 0.3, 1.0), 0, 255).astype(np.uint8))
    return np.asarray(picture.resize((320, 240)).resize((640, 480), PIL.Image.Resampling.BICUBIC))


def test_an_ultrasound_is_read_as_its_png_is() -> None:
    bundle = Bundle.open(MODELS / "busi.loupe", KEYS)
    reader = Reader(bundle, LIMITS)
    golden = decode(bundle.members[bundle.manifest.golden[0].picture], LIMITS).pixels
    for samples in (ultrasound(), golden):
        scale: dict[str, Any] = {"SequenceOfUltrasoundRegions": [region(0.008)]}
        syntaxes = (EXPLICIT, JPEG_LS) if samples.ndim == 2 else (RLE, JPEG_2000)
        expected = reading_json(reader, reader.read(png(PIL.Image.fromarray(samples))), "en")
        for syntax in syntaxes:
            reading = reader.read(dicom(samples, syntax=syntax, **scale))
            told = reading_json(reader, reading, "en")
            for part in ("verdict", "prediction", "class_map", "units"):
                assert told[part] == expected[part]
            assert reading.image.stated_um_per_px is not None
            assert reading.image.stated_um_per_px.um_per_px == 80


def test_pydicom_is_loaded_only_for_a_dicom_file() -> None:
    code = (
        "import sys; from device.reading.image import Limits; from device.reading.image import decode_in_process as decode;"
        "import io, PIL.Image; f = io.BytesIO();"
        "PIL.Image.new('RGB', (100, 100)).save(f, 'PNG'); decode(f.getvalue(), Limits());"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "assert not loaded & {'pydicom', 'imagecodecs', '_pi_heif', 'openslide', 'tifffile'}, loaded;"
        "decode(sys.stdin.buffer.read(), Limits()); assert 'pydicom' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], input=dicom(GREY_8), check=True, timeout=60)
