"""An instrument says how large the pixels of its pictures are."""

from __future__ import annotations

import pytest
from msgspec import to_builtins

from device.base.errors import InstrumentOtherShape
from device.base.records import record_of
from device.reading.reading import Reader
from device.reading.site.instrument import Instrument
from tests.support.drawn_files import encode, tissue

CAMERA = Instrument(id="zeiss-10x", name="Zeiss 10×", um_per_px=0.42, width_px=2048, height_px=1536)


@pytest.mark.parametrize(
    ("width", "height", "um_per_px"),
    [(2048, 1536, 0.42), (1024, 768, 0.84), (1536, 2048, 0.42), (768, 576, 1.12), (341, 256, 2.52)],
)
def test_a_reduced_copy_upright_or_turned_has_larger_pixels(width: int, height: int, um_per_px: float) -> None:
    assert CAMERA.um_per_px_of(width, height) == pytest.approx(um_per_px, rel=0.003)


@pytest.mark.parametrize("shape", [(2048, 1152), (1536, 1536), (2000, 1000)])
def test_a_picture_of_another_shape_has_pixels_of_no_known_size(shape: tuple[int, int]) -> None:
    with pytest.raises(InstrumentOtherShape) as caught:
        CAMERA.um_per_px_of(*shape)
    assert (caught.value.width, caught.value.full_width) == (shape[0], 2048)


def test_without_a_size_pictures_of_any_size_have_its_pixels() -> None:
    any_size = Instrument(id="scanner", name="Scanner", um_per_px=0.5)
    assert any_size.um_per_px_of(300, 2000) == 0.5


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "Zeiss 10x"},
        {"name": ""},
        {"name": "a\nb"},
        {"um_per_px": 0.01},
        {"um_per_px": 3000},
        {"width_px": -1},
        {"white": [1, 2]},
        {"white": [256, 0, 0]},
        {"how": "guessed"},
    ],
)
def test_a_record_with_anything_impossible_is_refused(changed: dict[str, object]) -> None:
    document = to_builtins(CAMERA)
    assert record_of(document, Instrument) == CAMERA
    with pytest.raises(ValueError, match=next(iter(changed))):
        record_of(document | changed, Instrument)


def test_a_reader_takes_an_instrument_as_it_takes_the_size_of_a_pixel(reader: Reader) -> None:
    field = encode(tissue(1024, 768), "PNG")
    by_instrument, by_size = reader.read(field, CAMERA), reader.read(field, 0.84)
    assert by_instrument.um_per_px == pytest.approx(0.84)
    assert (by_instrument.scale_source, by_size.scale_source) == ("instrument", "typed")
    assert by_instrument.image.pixels.shape == by_size.image.pixels.shape
    with pytest.raises(InstrumentOtherShape):
        reader.read(encode(tissue(1024, 512), "PNG"), CAMERA)
