"""HEIC as telephones save it, and AVIF. HEIC files are put together by `drawn_heic`, AVIF ones by Pillow."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from contextlib import suppress

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from device.base.errors import (
    AnimatedImage,
    CompressionNotRead,
    ImageDamaged,
    ImageError,
    ImageTooSmall,
    ImageTruncated,
    TooManyPixels,
    VarietyNotRead,
)
from device.reading.formats import kind_of
from device.reading.image import Image, Limits, decode
from tests.support.drawn_heic import (
    Container,
    coded,
    colours,
    extents,
    full,
    heic,
    hevc,
    mirrored,
    parameter_sets,
    turned,
)

LIMITS = Limits()


def tissue(width: int = 160, height: int = 112, seed: int = 0) -> NDArray[np.uint8]:
    """Soft colours that halved colour differences can hold, uint8 [height, width, 3]."""
    noise = PIL.Image.fromarray(np.random.default_rng(seed).integers(60, 190, (6, 8, 3), np.uint8))
    return np.asarray(noise.resize((width, height), PIL.Image.Resampling.BICUBIC))


def avif(picture: PIL.Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "AVIF", **{"quality": 95, "subsampling": "4:4:4", "speed": 9, **options})
    return file.getvalue()


def exif(orientation: int) -> bytes:
    return b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)


def difference(image: Image, expected: NDArray[np.uint8]) -> float:
    assert image.pixels.shape == expected.shape
    return float(np.abs(image.pixels.astype(int) - expected.astype(int)).mean())


# --- HEIC ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(160, 112), (130, 90), (64, 64)])
def test_a_heic_gives_its_picture(width: int, height: int) -> None:
    picture = tissue(width, height)
    image = decode(heic(picture, colours()), LIMITS)
    assert (image.width, image.height, image.format, image.notes, image.preview) == (width, height, "HEIC", (), True)
    assert difference(image, picture) < 3


def test_grey_has_no_loss() -> None:
    picture = tissue()[..., 0].copy()
    image = decode(heic(picture, colours()), LIMITS)
    assert difference(image, np.repeat(picture[..., None], 3, 2)) == 0
    assert image.notes == ("grey_expanded",)


def test_ten_bits_are_scaled() -> None:
    image = decode(heic(tissue(), colours(), depth=10), LIMITS)
    assert difference(image, tissue()) < 3
    assert image.notes == ("sixteen_bit_scaled",)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_a_picture_is_turned_and_mirrored_as_its_properties_say(quarters: int, axis: int | None) -> None:
    properties = [turned(quarters)] if quarters else []
    expected = np.rot90(tissue(), quarters)  # anticlockwise, as irot
    if axis is not None:
        properties.append(mirrored(axis))
        expected = expected[:, ::-1] if axis == 1 else expected[::-1]
    image = decode(heic(tissue(), colours(), *properties), LIMITS)
    assert (image.height, image.width) == expected.shape[:2]
    assert difference(image, expected) < 3


@pytest.mark.parametrize("properties", [[], [turned(3)]])
def test_exif_s_orientation_means_nothing(properties: list[bytes]) -> None:
    plain = decode(heic(tissue(), colours(), *properties), LIMITS)
    with_exif = decode(heic(tissue(), colours(), *properties, exif=exif(6)), LIMITS)
    assert (with_exif.pixels == plain.pixels).all()


def test_a_grid_of_tiles_is_one_picture() -> None:
    whole = tissue(256, 128)
    container = Container()
    tiles = [coded(container, np.ascontiguousarray(whole[y : y + 64, x : x + 128]), colours())
             for y in (0, 64) for x in (0, 128)]  # fmt: skip
    grid = container.item("grid", struct.pack(">BBBBHH", 0, 0, 1, 1, 256, 128), extents(256, 128), colours())
    container.refer("dimg", grid, *tiles)
    assert difference(decode(container.file(grid), LIMITS), whole) < 3


def test_transparent_parts_are_laid_on_white() -> None:
    alpha = np.full((112, 160), 255, np.uint8)
    alpha[:, :80] = 0
    container = Container()
    primary = coded(container, tissue(), colours())
    kind = full("auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")
    container.refer("auxl", coded(container, alpha, kind), primary)
    image = decode(container.file(primary), LIMITS)
    expected = tissue().copy()
    expected[:, :80] = 255
    assert difference(image, expected) < 3
    assert "alpha_flattened" in image.notes


def test_of_a_burst_the_primary_picture_is_read() -> None:
    container = Container()
    coded(container, tissue(seed=1), colours())
    primary = coded(container, tissue(seed=2), colours())
    image = decode(container.file(primary), LIMITS)
    assert difference(image, tissue(seed=2)) < 3
    assert image.notes == ("main_of_several",)


def test_the_header_is_held_against_the_limits_first() -> None:
    with pytest.raises(ImageTooSmall):
        decode(heic(tissue(48, 48)), LIMITS)
    configuration, data = hevc(tissue())
    container = Container()
    primary = container.item("hvc1", data, configuration, extents(20_000, 20_000))
    with pytest.raises(TooManyPixels):
        decode(container.file(primary), LIMITS)


def test_a_stream_larger_than_the_header_says_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support import drawn_heic

    monkeypatch.setattr(drawn_heic, "parameter_sets", lambda *_: parameter_sets(16_000, 16_000, 8, False))
    configuration, data = hevc(tissue())
    container = Container()
    primary = container.item("hvc1", data, configuration, extents(160, 112))
    code = (
        "import sys; from device.reading.image import Limits, decode; from device.base.errors import ImageDamaged\n"
        "try: decode(sys.stdin.buffer.read(), Limits())\n"
        "except ImageDamaged: print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) // 1024)"
    )
    ran = subprocess.run([sys.executable, "-c", code], input=container.file(primary), capture_output=True, timeout=60)
    assert int(ran.stdout) < 150, ran.stderr  # decoded, it would be 384 MB


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_heic_that_was_cut_off_is_incomplete(kept: float) -> None:
    data = heic(tissue())
    with pytest.raises(ImageTruncated):
        decode(data[: int(len(data) * kept)], LIMITS)


def test_what_hevc_does_not_pack_is_named() -> None:
    container = Container()
    primary = container.item("av01", b"\x12\0" + bytes(40), full("av1C", b""), extents(160, 112))
    with pytest.raises(CompressionNotRead) as raised:
        decode(container.file(primary), LIMITS)
    assert raised.value.facts == {"format": "HEIC", "compression": "AV1"}


def test_a_sequence_is_told_as_one() -> None:
    with pytest.raises(VarietyNotRead):
        decode(heic(tissue()).replace(b"heic", b"hevc"), LIMITS)


def test_damage_always_has_a_name() -> None:
    rng = np.random.default_rng(5)
    files = [heic(tissue(), colours(), turned(1), exif=exif(3)), avif(PIL.Image.fromarray(tissue()))]
    for whole in files:
        for _ in range(100):
            data = bytearray(whole)
            for at in rng.integers(0, min(len(data), 900), 3):
                data[at] = rng.integers(0, 256)
            with suppress(ImageError):
                decode(bytes(data), LIMITS)


# --- AVIF ------------------------------------------------------------------------------------------------------------


def test_an_avif_gives_its_picture() -> None:
    image = decode(avif(PIL.Image.fromarray(tissue())), LIMITS)
    assert (image.width, image.height, image.format, image.notes, image.preview) == (160, 112, "AVIF", (), False)
    assert difference(image, tissue()) < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_by_its_properties(orientation: int) -> None:
    """Pillow writes the orientation that is asked for as irot and imir."""
    stored = PIL.Image.fromarray(tissue())
    tag = PIL.Image.Exif()
    tag[0x0112] = orientation
    png = io.BytesIO()
    stored.save(png, "PNG", exif=tag)
    image, expected = decode(avif(stored, exif=tag), LIMITS), decode(png.getvalue(), LIMITS)
    assert (image.width, image.height) == (expected.width, expected.height)
    assert difference(image, expected.pixels) < 3


def test_avif_s_transparent_parts_are_laid_on_white() -> None:
    picture = PIL.Image.fromarray(tissue()).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 80, 112))
    image = decode(avif(picture), LIMITS)
    assert image.notes == ("alpha_flattened",)
    assert image.pixels[:, :72].min() > 250


def test_an_avif_of_several_frames_is_refused() -> None:
    frames = [PIL.Image.fromarray(tissue(seed=seed)) for seed in range(3)]
    with pytest.raises(AnimatedImage) as raised:
        decode(avif(frames[0], save_all=True, append_images=frames[1:]), LIMITS)
    assert raised.value.facts == {"frames": 3}


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.9, 0.99])
def test_an_avif_that_was_cut_off_is_incomplete(kept: float) -> None:
    data = avif(PIL.Image.fromarray(tissue()))
    with pytest.raises(ImageTruncated):
        decode(data[: int(len(data) * kept)], LIMITS)


def test_an_avif_beyond_the_limits_is_refused_by_its_header() -> None:
    data = avif(PIL.Image.fromarray(tissue()))
    size = struct.pack(">II", 160, 112)
    assert data.count(size) == 1
    with pytest.raises((TooManyPixels, ImageDamaged)):
        decode(data.replace(size, struct.pack(">II", 16_000, 12_000)), LIMITS)


def test_an_av1_stream_larger_than_the_header_says_takes_no_memory() -> None:
    few, size = Limits(max_megapixels=0.1), struct.pack(">II", 400, 300)
    whole = avif(PIL.Image.fromarray(tissue(400, 300)))
    assert whole.count(size) == 1
    assert decode(whole, LIMITS).width == 400
    with pytest.raises(TooManyPixels) as raised:
        decode(whole.replace(size, struct.pack(">II", 160, 112)), few)
    assert (raised.value.facts["width"], raised.value.facts["height"]) == (400, 300)


@pytest.mark.parametrize(
    ("main", "also", "kind"),
    [
        (b"heic", b"mif1", "HEIC"),
        (b"mif1", b"heic", "HEIC"),
        (b"heix", b"mif1", "HEIC"),
        (b"avif", b"mif1", "AVIF"),
        (b"mif1", b"avif", "AVIF"),
        (b"isom", b"mp42", None),
        (b"qt  ", b"qt  ", None),
    ],
)
def test_the_kind_is_known_by_its_brands(main: bytes, also: bytes, kind: str | None) -> None:
    found = kind_of(struct.pack(">I", 20) + b"ftyp" + main + bytes(4) + also + b"mdat")
    assert (found.name if found else None) == kind


def test_decoders_are_loaded_only_for_their_files() -> None:
    code = (
        "import io, sys, PIL.Image; from device.reading.image import Limits, decode_in_process as decode\n"
        "file = io.BytesIO(); PIL.Image.new('RGB', (100, 100)).save(file, 'PNG'); decode(file.getvalue(), Limits())\n"
        "assert '_pi_heif' not in sys.modules and 'PIL._avif' not in sys.modules\n"
        "decode(sys.stdin.buffer.read(), Limits()); assert '_pi_heif' in sys.modules and 'PIL._avif' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], input=heic(tissue()), check=True, timeout=60)
