"""The way of an image through the box, with the shipped bundle."""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.reading.golden import verify_golden
from device.reading.maps import softmax
from device.reading.reading import Reader
from device.reading.runtime import Network
from tests.support.reading_json import reading_json
from tests.support.shipped import SHARED_DATA


def goldens(bundle: Bundle) -> list[bytes]:
    return [bundle.members[golden.picture] for golden in bundle.manifest.golden]


def test_this_machine_reproduces_every_golden_output(reader: Reader, bundle: Bundle) -> None:
    assert verify_golden(reader) == len(bundle.manifest.golden)
    verdicts = {golden.expected.reason is None for golden in bundle.manifest.golden}
    assert verdicts == {True, False}, "golden pictures should show both verdicts"


def test_the_mean_of_the_class_map_is_the_logit_exactly(reader: Reader, bundle: Bundle) -> None:
    for picture in goldens(bundle):
        maps = reader.read(picture).maps
        places = maps.values.shape[0] * maps.values.shape[1]
        for k, logit in enumerate(maps.logits):
            values = maps.values[..., k].ravel().tolist()
            # math.fsum rounds once; a plain sum in either direction rounds never, because every value is a whole
            # number of the same power of two.
            assert sum(values) / places == sum(reversed(values)) / places == math.fsum(values) / places == logit


def test_the_parts_of_all_units_and_the_bias_make_the_logit(reader: Reader, bundle: Bundle) -> None:
    head = bundle.manifest.head
    bias = bundle.array(head.bias) * 2.0**head.scale_log2
    for picture in goldens(bundle):
        maps = reader.read(picture).maps
        assert np.allclose(maps.units.sum(0) + bias, maps.logits, rtol=0, atol=1e-12)


def test_class_maps_sum_to_nothing_over_classes(reader: Reader, bundle: Bundle) -> None:
    maps = reader.read(goldens(bundle)[0]).maps
    assert np.abs(maps.values.sum(-1)).max() < 0.01  # weights are centred to half a step each


def test_json_carries_the_same_numbers_and_words(reader: Reader, bundle: Bundle) -> None:
    accepted = [r for r in map(reader.read, goldens(bundle)) if r.verdict.accepted]
    assert accepted, "the bundle needs a golden picture that is accepted"
    reading = accepted[0]
    document = reading_json(reader, reading, "fr")
    class_map = document["class_map"]
    for k, row in enumerate(document["prediction"]["probabilities"]):
        values = class_map["values"][row["label"]]
        assert len(values) == class_map["rows"] * class_map["columns"]
        assert sum(values) / len(values) == row["logit"]
        assert row["name"] == bundle.manifest.labels[k].name.fr
    temperature = bundle.manifest.calibration.temperature
    assert np.allclose(reading.probabilities, softmax(reading.maps.logits, temperature))
    assert reading.probabilities.sum() == pytest.approx(1)


def test_a_refused_picture_gets_no_class(reader: Reader) -> None:
    buffer = BytesIO()
    Pillow.new("RGB", (800, 600), (250, 250, 250)).save(buffer, "PNG")
    reading = reader.read(buffer.getvalue())
    document = reading_json(reader, reading, "en")
    assert reading.verdict.reason == "blank"
    assert document["verdict"]["reason"]["next_step"]
    assert document["prediction"] is document["class_map"] is document["units"] is None


def test_any_shape_of_field_is_read_whole(reader: Reader, bundle: Bundle) -> None:
    field = Pillow.open(BytesIO(goldens(bundle)[0])).convert("RGB")
    for size in ((1536, 2048), (700, 460), (640, 640), (1000, 400)):
        buffer = BytesIO()
        field.resize(size).save(buffer, "JPEG", quality=95)
        maps = reader.read(buffer.getvalue()).maps
        rows, columns, _ = maps.values.shape
        assert columns / rows == pytest.approx(size[0] / size[1], rel=0.1)
        assert rows * columns == pytest.approx(192, rel=0.15)


def test_readings_do_not_depend_on_what_was_read_before(reader: Reader, bundle: Bundle) -> None:
    first, second = goldens(bundle)[:2]
    alone = reader.read(first).maps.values
    reader.read(second)
    small = Network(bundle.network_path)
    small.run(np.zeros((64, 96, 3), np.uint8))
    assert np.array_equal(reader.read(first).maps.values, alone)


@pytest.mark.shared_data
def test_real_fields_are_mostly_accepted_and_foreign_pictures_mostly_refused(reader: Reader) -> None:
    def refused(pattern: str, least: int) -> float:
        files = sorted(SHARED_DATA.glob(pattern))
        assert len(files) >= least
        return float(np.mean([not reader.read(file.read_bytes()).verdict.accepted for file in files[:20]]))

    assert refused("bach/*/*[89][05].jpg", 12) <= 0.25  # of the test blocks
    for foreign in ("natural", "chest_xray", "blood_smear"):
        assert refused(f"ood/{foreign}/*", 20) >= 0.8


@pytest.mark.parametrize(("ratio", "told"), [(2.2, "about twice as large"), (0.45, "about half as large"), (9, "four")])
def test_a_wrong_magnification_is_told_in_words_with_what_the_size_of_a_pixel_can_do(
    reader: Reader, bundle: Bundle, ratio: float, told: str
) -> None:
    reading = reader.read(goldens(bundle)[0])
    verdict = replace(reading.verdict, reason="wrong_magnification", magnification=ratio)
    document = reading_json(reader, replace(reading, verdict=verdict), "en")
    assert told in document["verdict"]["reason"]["detail"]
    assert document["verdict"]["magnification"] == ratio
    assert document["prediction"] is None
