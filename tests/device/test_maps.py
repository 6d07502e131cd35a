"""A head that leaves glass out of the mean that makes a logit: the shipped network, told to count tissue alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.reading import Reader, Reading
from tests.support.pictures import png
from tests.support.reading_json import reading_json
from tests.support.shipped import SAMPLES

FIELD = (512, 384)
GLASS_RGB = (246, 243, 247)
ROWS = 6  # of the field's twelve rows of 32 px that are covered with glass


def field() -> Pillow.Image:
    return Pillow.open(SAMPLES / "texture-invasive.jpg").convert("RGB").resize(FIELD)


def covered() -> Pillow.Image:
    picture = field()
    picture.paste(GLASS_RGB, (0, 0, FIELD[0], 32 * ROWS))
    return picture


@pytest.fixture(scope="module")
def counting(bundle: Bundle) -> Reader:
    head = structs.replace(bundle.manifest.head, counts="tissue")
    return Reader(replace(bundle, manifest=structs.replace(bundle.manifest, head=head)), Limits())


@pytest.fixture(scope="module")
def half(counting: Reader) -> Reading:
    return counting.read(png(covered()))


def test_a_field_full_of_tissue_reads_as_it_did(reader: Reader, counting: Reader) -> None:
    one, other = reader.read(png(field())), counting.read(png(field()))
    assert other.maps.counted.all()
    assert np.array_equal(one.maps.values, other.maps.values)
    assert np.array_equal(one.maps.logits, other.maps.logits)


def test_glass_has_no_value_and_the_mean_of_the_rest_is_the_logit_exactly(half: Reading, reader: Reader) -> None:
    assert not half.maps.counted[:ROWS].any()
    assert half.maps.counted[ROWS:].all()
    for k, logit in enumerate(half.maps.logits):
        values = half.maps.values[ROWS:, :, k].ravel().tolist()
        assert math.fsum(values) / len(values) == sum(values) / len(values) == logit
    assert not np.allclose(half.maps.logits, reader.read(png(covered())).maps.logits, atol=0.1)
    assert half.shares.sum() == pytest.approx(1)


def test_units_and_their_maps_leave_glass_out_too(half: Reading, counting: Reader) -> None:
    assert np.allclose(half.maps.units.sum(0) + counting.head.bias, half.maps.logits, rtol=0, atol=1e-12)
    document = reading_json(counting, replace(half, verdict=replace(half.verdict, reason=None)), "en")
    assert document["class_map"]["counted"] == half.maps.counted.sum()
    values = list(document["class_map"]["values"].values())
    values += [unit["values"] for unit in document["units"]]
    assert all([value is None for value in row] == (~half.maps.counted).ravel().tolist() for row in values)
    for unit in document["units"]:
        left = [value for value in unit["values"] if value is not None]
        assert np.mean(left) == pytest.approx(unit["contribution"], abs=1e-9)


def test_what_a_section_keeps_of_a_window_leaves_glass_out_too(half: Reading, counting: Reader) -> None:
    features = counting.network.run(half.image.pixels)["features"]
    pooled = counting.head.pool(features, half.image.pixels)
    # What is pooled is rounded to 1/256 of a feature's step.
    assert counting.head.section_maps(pooled[None, None]).logits == pytest.approx(half.maps.logits, abs=0.01)
