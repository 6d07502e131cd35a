"""A clinic's colours: one gain for each channel, from all of its patients, towards those of the model's laboratory."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow

from device.reading.bundle import Bundle
from device.reading.image import Limits
from device.reading.reading import Reader
from device.reading.site.colour import LEAST_GAIN, MOST_GAIN, Stain, fit_colour, needs_colour, stain_of
from device.reading.site.stain import SiteColour, colours_of_tissue, density_of
from device.reading.site.statistics import statistics_in, statistics_of
from tests.support.drawn_clinic import UM_PER_PX, clinic_fields
from tests.support.pictures import png
from tests.support.shipped import KEYS, MODELS


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    density = np.random.default_rng(1).uniform(0.2, 0.6, (60, 60, 3))
    return np.clip(np.rint(256 * 10**-density - 1), 0, 255).astype(np.uint8)


def test_the_clinic_s_tissue_goes_half_the_way_to_the_laboratory_s_density(bundle: Bundle, tissue: np.ndarray) -> None:
    here = density_of(tissue).mean(0)
    colour = fit_colour(bundle, [Stain(here)], ["1"])
    assert colour is not None
    assert bundle.manifest.site
    reference = np.array(bundle.manifest.site.density)
    half_way = np.sqrt(reference * here)
    within = (half_way / here > LEAST_GAIN) & (half_way / here < MOST_GAIN)
    brought = -np.log10((colour.apply(tissue).astype(float).reshape(-1, 3) + 1) / 256).mean(0)
    assert within.any()
    assert brought[within] == pytest.approx(half_way[within], rel=0.02)


def test_each_patient_counts_alike_and_pictures_without_tissue_do_not(bundle: Bundle) -> None:
    assert bundle.manifest.site
    reference = np.array(bundle.manifest.site.density)
    stains = [Stain(reference), Stain(reference), Stain(reference), Stain(reference * 2), Stain(None)]
    colour = fit_colour(bundle, stains, ["1", "1", "1", "2", "3"])
    assert colour is not None
    assert colour.gain == pytest.approx(((2 / 3) ** 0.5,) * 3, abs=1e-3)


def test_glass_becomes_white_and_grey_levels_keep_their_order() -> None:
    colour = SiteColour((240.0, 230.0, 220.0), (1.3, 0.7, 1.0))
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    brought = colour.apply(ramp)
    assert brought[0, 240, 0] == brought[0, 230, 1] == brought[0, 220, 2] == 255
    assert (np.diff(brought.astype(int), axis=1) >= 0).all()


def test_a_stain_far_from_the_model_s_is_not_forced_to_it(bundle: Bundle) -> None:
    assert bundle.manifest.site
    colour = fit_colour(bundle, [Stain(np.array(bundle.manifest.site.density) * 10)], ["1"])
    assert colour is not None
    assert colour.gain == (LEAST_GAIN,) * 3


def test_ultrasound_has_no_colours(tissue: np.ndarray) -> None:
    busi = Bundle.open(MODELS / "busi.loupe", KEYS)
    assert not needs_colour(busi)
    assert fit_colour(busi, [Stain(np.ones(3))], ["1"]) is None
    assert not colours_of_tissue(tissue, "ultrasound").any()
    assert colours_of_tissue(tissue, "histology").all()


def test_a_small_file_of_known_scale_has_a_stain_as_it_has_a_reading(reader: Reader, tissue: np.ndarray) -> None:
    """50 px at 4 µm/px: 200 µm of tissue, enough for a reading."""
    assert Limits().min_px > 50
    tile = png(Pillow.fromarray(tissue[:50, :50]))
    assert reader.read(tile, 4.0).um_per_px == 4.0
    assert stain_of(reader, tile, 4.0).density is not None


def test_what_refused_a_picture_before_is_what_refuses_it_as_it_came(reader: Reader) -> None:
    (field,) = clinic_fields(1, 1)
    before = statistics_of(reader, field.data, UM_PER_PX)
    dark = SiteColour((255.0, 255.0, 255.0), (8.0, 8.0, 8.0))
    there = statistics_of(reader.coloured(dark), field.data, UM_PER_PX)
    assert before.reason != there.reason
    found = statistics_in(reader, dark, field.data, UM_PER_PX)
    assert (found.reason, found.judgeable) == (before.reason, there.judgeable)
    assert np.array_equal(found.logits, there.logits)
