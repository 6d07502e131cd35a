"""A small field at its true scale is read on a canvas of the model's own size."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.reading.canvas import canvas_of, knows_small_fields
from device.reading.gate import Gate, questions_of
from device.reading.reading import Reader
from device.reading.site.commission import Commissioned
from device.reading.site.fit import BundleGate
from device.reading.site.statistics import statistics_of
from tests.support.pictures import png
from tests.support.reading_json import reading_json
from tests.support.shipped import KEYS, MODELS, SAMPLES, SHARED_DATA, UM_PER_PX

AREA_PX = 512 * 384


def drawn(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(192, 224), (96, 128), (64, 64), (64, 192), (224, 352)])
def test_a_small_field_lies_in_the_canvas_on_whole_places_and_goes_on_mirrored(height: int, width: int) -> None:
    field = drawn(height, width)
    canvas = canvas_of(field, AREA_PX)
    assert canvas is not None
    high, wide, _ = canvas.pixels.shape
    assert (canvas.top % 64, canvas.left % 64, high % 32, wide % 32) == (0, 0, 0, 0)
    assert high * wide == pytest.approx(AREA_PX, rel=0.15)
    top, left = canvas.top, canvas.left
    assert np.array_equal(canvas.pixels[top : top + height, left : left + width], field)
    if left:
        assert np.array_equal(canvas.pixels[top : top + height, left - 1], field[:, 0])


@pytest.mark.parametrize(("height", "width"), [(384, 512), (352, 384), (256, 544)])
def test_a_field_of_about_the_models_size_has_no_canvas(height: int, width: int) -> None:
    assert canvas_of(drawn(height, width), AREA_PX) is None


def test_the_fields_own_cells_are_those_that_lie_on_it() -> None:
    canvas = canvas_of(drawn(160, 224), AREA_PX)
    assert canvas is not None
    high, wide, _ = canvas.pixels.shape
    grid = np.arange((high // 32) * (wide // 32)).reshape(high // 32, wide // 32)
    own = canvas.own(grid)
    assert own.shape == (5, 7)
    assert own[0, 0] == grid[canvas.top // 32, canvas.left // 32]
    assert canvas.own(grid[::2, ::2]).shape == (3, 4)


def test_a_part_of_a_known_field_is_known_too_and_its_maps_cover_it_alone(reader: Reader) -> None:
    """224 × 192 px of a sample, 376 × 323 µm: without a canvas the gate refuses it, for so many of its places lie at the
    border. The mean of each map is still the logit."""
    sample = Pillow.open(SAMPLES / "texture-benign.jpg").convert("RGB")
    picture = png(sample.crop((144, 96, 368, 288)))
    document = reading_json(reader, reader.read(picture, UM_PER_PX), "en")
    assert document["verdict"]["accepted"]
    drawn_map, image = document["class_map"], document["image"]
    assert (drawn_map["columns"], drawn_map["rows"], image["read_box"]) == (7, 6, [0, 0, 224, 192])
    assert (document["verdict"]["where"]["columns"], document["verdict"]["where"]["rows"]) == (4, 3)
    for each in document["prediction"]["probabilities"]:
        assert np.mean(drawn_map["values"][each["label"]]) == each["logit"]


def test_at_a_clinic_a_small_field_is_judged_by_what_commissioning_was_shown(
    reader: Reader, commissioned: Commissioned
) -> None:
    """The gate's score of a small field, of which one half is pale, is that of its means: the colours of both are the
    canvas's."""
    pixels = np.asarray(Pillow.open(SAMPLES / "texture-benign.jpg").convert("RGB"))[96:288, 144:368].copy()
    pixels[:, :60] = 255 - (255 - pixels[:, :60]) // 2
    picture, fit = png(Pillow.fromarray(pixels)), commissioned.profile.fit
    means = statistics_of(reader, picture, UM_PER_PX)
    found = questions_of(fit.spaces.parts(means.windows, BundleGate(reader.bundle, None).octaves(means.windows)))
    there = copy(reader)
    there.gate = Gate(reader.bundle, fit)
    answers = {answer.question: answer.score for answer in there.read(picture, UM_PER_PX).verdict.answers}
    for question, (score,) in found.items():
        assert answers[question] == pytest.approx(score, rel=1e-6)


@pytest.mark.parametrize(("name", "knows"), [("bach", False), ("busi", False), ("idc", True)])
def test_a_model_that_learned_from_lone_tiles_gets_no_canvas(name: str, knows: bool) -> None:
    assert knows_small_fields(Bundle.open(MODELS / f"{name}.loupe", KEYS).manifest) == knows


@pytest.mark.shared_data
def test_the_models_own_fields_are_known_in_parts_too(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of docs/engineers/decisions.md: 80 fields of BACH, cut to 376 × 323 µm in their middle, with a canvas and
    without. The network was trained on them, so that only what the gate says counts."""
    files = [file for kind in reader.bundle.labels for file in sorted((SHARED_DATA / "bach" / kind).glob("*.jpg"))[::4]]
    parts = [png(Pillow.open(file).convert("RGB").crop((216, 144, 552, 432))) for file in files]

    def accepted() -> int:
        return sum(reader.read(part, 1.12).verdict.accepted for part in parts)

    assert len(parts) == 80
    known = accepted()
    monkeypatch.setattr("device.reading.reading.canvas_of", lambda *_: None)
    alone = accepted()
    print(f"accepted with a canvas: {known}, without: {alone}")
    assert known >= 60
    assert alone <= 8
