"""Scanners' slides that OpenSlide reads. The NDPI files are drawn here: TIFFs of JPEG pages with Hamamatsu's tags."""

from __future__ import annotations

import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from device.base.errors import ImageError, SectionTooLarge, TooManyPixels, WholeSlide
from device.base.texts import LANGUAGES, error_words
from device.reading.image import Image, Limits, decode, decode_in_process
from device.reading.sections import true_size
from tests.support.drawn_slide import ndpi

LIMITS = Limits()


def tissue(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Soft colours, uint8 [height, width, 3]."""
    noise = PIL.Image.fromarray(np.random.default_rng(seed).integers(60, 190, (24, 32, 3), np.uint8))
    return np.asarray(noise.resize((width, height), PIL.Image.Resampling.BICUBIC))


def difference(image: Image, expected: NDArray[np.uint8]) -> float:
    assert image.pixels.shape == expected.shape
    return float(np.abs(image.pixels.astype(int) - expected.astype(int)).mean())


def test_a_slide_gives_its_picture_and_the_size_of_its_pixels() -> None:
    picture = tissue(1600, 1200)
    image = decode(ndpi(picture), LIMITS)
    assert (image.width, image.height, image.format, image.notes, image.preview) == (1600, 1200, "NDPI", (), True)
    assert image.stated_um_per_px is not None
    assert (image.stated_um_per_px.um_per_px, image.stated_um_per_px.source) == (0.25, "openslide")
    assert difference(image, picture) < 3


def test_a_slide_without_a_size_of_pixels_states_none() -> None:
    assert decode(ndpi(tissue(400, 300), um_per_px=None), LIMITS).stated_um_per_px is None


@pytest.mark.parametrize("wanted", [(160, 120), (400, 300), (500, 375), (1600, 1200)])
def test_a_slide_at_the_size_that_is_wanted_is_its_picture_at_that_size(wanted: tuple[int, int]) -> None:
    picture = tissue(1600, 1200)
    image = decode(ndpi(picture), LIMITS, lambda *_: wanted)
    expected = PIL.Image.fromarray(picture).resize(wanted, PIL.Image.Resampling.LANCZOS)
    assert (image.width, image.height) == (1600, 1200)
    assert difference(image, np.asarray(expected)) < 3


def test_a_slide_is_read_strip_by_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    from device.reading.formats import slide

    monkeypatch.setattr(slide, "STRIP_BYTES", 4 * 1600 * 100)  # a hundred rows
    picture = tissue(1600, 610)
    assert difference(decode(ndpi(picture), LIMITS), picture) < 3
    assert decode(ndpi(picture), LIMITS, lambda w, h: (w // 7, h // 7)).pixels.shape == (87, 228, 3)


def test_a_slide_too_large_for_a_field_asks_for_the_size_of_its_pixels() -> None:
    data, few = ndpi(tissue(1600, 1200)), Limits(max_megapixels=1)
    with pytest.raises(WholeSlide) as raised:
        decode(data, few, 512 * 384)
    assert raised.value.facts == {"width": 1600, "height": 1200, "um_per_px": 0.25}
    for language in LANGUAGES:
        assert "0.25" in error_words(raised.value, language)["next_step"]
    # With it the model's scale counts, not the slide's.
    image = decode(data, few, true_size(0.25, 1.0, 200 * 150, few.max_megapixels))
    assert image.pixels.shape == (300, 400, 3)
    with pytest.raises(SectionTooLarge):
        decode(data, few, true_size(0.25, 0.25, 200 * 150, few.max_megapixels))
    with pytest.raises(TooManyPixels):
        decode(ndpi(tissue(1600, 1200), um_per_px=None), few, 512 * 384)


def test_what_a_scanner_s_program_exported_is_read_as_any_tiff() -> None:
    picture = tissue(400, 300)
    image = decode(ndpi(picture, as_slide=False), LIMITS)
    assert image.format == "TIFF"
    assert difference(image, picture) < 3


def test_no_disk_sees_a_slide_and_nothing_is_left_open() -> None:
    data = ndpi(tissue(400, 300))
    decode_in_process(data, LIMITS)
    before = {path.name for path in Path("/proc/self/fd").iterdir()}
    written = resource.getrusage(resource.RUSAGE_SELF).ru_oublock
    for _ in range(5):
        decode_in_process(data, LIMITS)
    assert {path.name for path in Path("/proc/self/fd").iterdir()} == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_oublock == written


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.99])
def test_a_slide_that_was_cut_off_is_refused(kept: float) -> None:
    data = ndpi(tissue(800, 600))
    with pytest.raises(ImageError):
        decode(data[: int(len(data) * kept)], LIMITS)


def test_damage_always_has_a_name() -> None:
    rng = np.random.default_rng(3)
    whole = ndpi(tissue(320, 240))
    for _ in range(150):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(0, 256)
        with suppress(ImageError):
            decode(bytes(data), LIMITS)


def test_openslide_is_loaded_only_for_a_slide() -> None:
    code = (
        "import io, sys, PIL.Image; from device.reading.image import Limits, decode_in_process as decode\n"
        "file = io.BytesIO(); PIL.Image.new('RGB', (100, 100)).save(file, 'TIFF'); decode(file.getvalue(), Limits())\n"
        "assert 'openslide' not in sys.modules\n"
        "decode(sys.stdin.buffer.read(), Limits()); assert 'openslide' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], input=ndpi(tissue(200, 150)), check=True, timeout=60)
