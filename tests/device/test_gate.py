"""The gate's rules on their own: conformal p-values, thresholds and the picture's statistics."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageFilter

from device.reading.gate import Answer, Verdict, cells, coarse, conformal_p, mean_of, picture_statistics
from device.reading.image import Image, Limits, decode
from device.reading.reading import Reader
from tests.support.reading_json import reading_json
from tests.support.shipped import SAMPLES
from training.drawn.phantoms import KINDS, draw
from training.gate.fit import picture_limits
from training.gate.magnification import magnified


@pytest.fixture(scope="module")
def accepted_sample() -> bytes:
    """A drawn picture that the shipped gate takes for proper."""
    return (SAMPLES / "texture-benign.jpg").read_bytes()


def as_png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_the_p_value_counts_what_is_at_least_as_strange() -> None:
    calibration = np.arange(1.0, 40.0)
    assert conformal_p(40.0, calibration) == 1 / 40
    assert conformal_p(39.0, calibration) == 2 / 40
    assert conformal_p(0.5, calibration) == 1


def test_cells_and_their_means_are_in_real_units() -> None:
    output = np.random.default_rng(0).integers(-128, 128, (5, 7, 3)).astype(np.int8)
    real = (output.astype(float) + 4) * 0.5
    grid = cells(output, -4)
    assert np.allclose(mean_of(grid, 0.5), real.mean((0, 1)), rtol=1e-14)
    places = coarse(grid, 0.5)
    assert places.shape == (3, 4, 3)
    assert np.allclose(places[1, 2], real[2:4, 4:6].mean((0, 1)), rtol=1e-14)
    assert np.allclose(places[2, 3], real[4, 6], rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_blur_lowers_sharpness_and_contrast_does_not(kind: str) -> None:
    field = Pillow.fromarray(draw(kind, 3).pixels)
    sharp = picture_statistics(np.asarray(field)).sharpness
    soft = picture_statistics(np.asarray(field.filter(ImageFilter.GaussianBlur(3)))).sharpness
    pale = picture_statistics((np.asarray(field) // 2 + 100).astype(np.uint8)).sharpness
    assert soft < 0.6 * sharp
    assert pale == pytest.approx(sharp, rel=0.15)


def test_two_in_a_hundred_odd_pictures_set_no_limit_of_sharpness() -> None:
    """Forty-nine drawn fields and a flat one: what is half as sharp as the fields is blurred. A larger share counts."""
    fields = [Image(draw("benign", number, 96, 96).pixels, 96, 96, "png", ()) for number in range(49)]
    flat = Image(np.full((96, 96, 3), 254, np.uint8), 96, 96, "png", ())
    sharpness = min(picture_statistics(field.pixels).sharpness for field in fields)
    assert picture_limits([*fields, flat]).min_sharpness == pytest.approx(sharpness / 2)
    assert picture_limits([*fields, flat, flat]).min_sharpness == 0


def test_tissue_is_what_absorbs_light() -> None:
    white = np.full((64, 64, 3), 245, np.uint8)
    pink = white.copy()
    pink[:32, :, 1] = 120
    assert picture_statistics(white).tissue == 0
    assert picture_statistics(pink).tissue == pytest.approx(0.5)


@pytest.mark.parametrize("share", [0.09, 0.3])
def test_a_picture_whose_tissue_is_what_it_has_least_of_is_told_as_json(share: float, reader: Reader) -> None:
    """Its score comes from counting pixels, which NumPy does in numbers of its own that no JSON has."""
    pixels = draw("normal", 3).pixels.copy()
    pixels[:, round(pixels.shape[1] * share) :] = (246, 243, 247)
    statistics = picture_statistics(pixels)
    assert {type(value) for value in vars(statistics).values()} == {float}
    assert reading_json(reader, reader.read(as_png(pixels)), "en")["verdict"]["questions"]


def test_a_rare_but_accepted_picture_is_read_with_caution() -> None:
    common = Answer("made", True, 1.0, 2.0, 0.4)
    assert Verdict((common, Answer("shows", True, 1.9, 2.0, 0.03)), None).caution
    assert not Verdict((common,), None).caution
    assert not Verdict((Answer("shows", False, 3.0, 2.0, 0.01),), "unknown_content").caution


def test_a_picture_that_is_foreign_in_a_part_is_read_with_caution() -> None:
    plain = Answer("made", True, 0.5, 1.2, 0.4)
    strange = np.array([[0.4, 1.3]], np.float32)
    assert Verdict((plain,), None, strangeness=strange).caution
    assert not Verdict((plain,), None, strangeness=np.float32(0.5) * strange).caution


# What is done to a proper picture, and what the gate must call it. The gate of the shipped model, on its own samples.
WRONGS = {
    "black": (lambda p: p // 12, "exposure", "dark"),
    "white": (lambda p: np.full_like(p, 255), "blank", None),
    "inverted": (lambda p: 255 - p, "wrong_stain_or_scanner", None),
    "grey": (lambda p: np.repeat(p.mean(2, keepdims=True), 3, 2).astype(np.uint8), "wrong_stain_or_scanner", "grey"),
    "out of focus": (
        lambda p: np.asarray(Pillow.fromarray(p).filter(ImageFilter.GaussianBlur(6))),
        "blurred",
        None,
    ),
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_a_spoilt_picture_is_refused_with_its_reason(wrong: str, reader: Reader, accepted_sample: bytes) -> None:
    spoil, reason, variant = WRONGS[wrong]
    verdict = reader.read(as_png(spoil(decode(accepted_sample, Limits()).pixels))).verdict
    assert (verdict.reason, verdict.variant) == (reason, variant)


def test_a_thumbnail_is_too_small(reader: Reader, accepted_sample: bytes) -> None:
    small = Pillow.fromarray(decode(accepted_sample, Limits()).pixels).resize((120, 90))
    assert reader.read(as_png(np.asarray(small))).verdict.reason == "too_small"


def test_too_few_pixels_whose_size_is_given_are_too_large_ones(reader: Reader, accepted_sample: bytes) -> None:
    pixels = decode(accepted_sample, Limits()).pixels
    reading = reader.read(as_png(pixels[::4, ::4]), um_per_px=4 * reader.bundle.manifest.preprocessing.um_per_px)
    reason = reading_json(reader, reading, "en")["verdict"]["reason"]
    assert (reason["code"], reason["variant"]) == ("too_small", "scaled")
    assert "size of a pixel" in reason["next_step"]
    assert "thumbnail" not in reason["next_step"]


@pytest.mark.parametrize("share", [0.5, 0.35])
def test_a_small_field_at_its_true_scale_has_pixels_enough(
    share: float, reader: Reader, accepted_sample: bytes
) -> None:
    """What counts is detail, not area: the same pixels, taken for a whole field, would be a thumbnail."""
    pixels = decode(accepted_sample, Limits()).pixels
    height, width, _ = pixels.shape
    part = as_png(pixels[: round(height * share), : round(width * share)])
    um_per_px = reader.bundle.manifest.preprocessing.um_per_px
    assert reader.read(part).verdict.reason == "too_small"
    assert reader.read(part, um_per_px).verdict.reason != "too_small"


@pytest.mark.parametrize("ratio", [0.4, 2.5])
def test_another_magnification_is_told_with_its_ratio(ratio: float, reader: Reader, accepted_sample: bytes) -> None:
    """Within a third of an octave, on a drawn picture that the gate takes for proper at its own magnification."""
    pixels = decode(accepted_sample, Limits()).pixels
    height, width, _ = pixels.shape
    verdict = reader.read(as_png(magnified(pixels, ratio, width, height))).verdict
    assert verdict.reason == "wrong_magnification"
    assert verdict.magnification == pytest.approx(ratio, rel=0.3)


def test_a_foreign_part_is_pointed_at(reader: Reader, accepted_sample: bytes) -> None:
    pixels = decode(accepted_sample, Limits()).pixels.copy()
    height, width, _ = pixels.shape
    chance = np.random.default_rng(0)
    pixels[: height // 3, : width // 3] = chance.integers(0, 256, (height // 3, width // 3, 3))
    strangeness = reader.read(as_png(pixels)).verdict.strangeness
    assert strangeness is not None
    rows, columns = np.argwhere(strangeness > 1).T / np.array(strangeness.shape)[:, None]
    assert len(rows) > 0
    assert rows.max() < 0.5
    assert columns.max() < 0.5
