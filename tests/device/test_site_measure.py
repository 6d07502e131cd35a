"""What is measured at a clinic: shares with intervals that hold, AUROC, and a slope and offset only where they help."""

from __future__ import annotations

import numpy as np
import pytest

from device.reading.bundle import Bundle
from device.reading.site.measure import SiteMeasure, auroc, exact_interval, measure_site

LABELS = 4


def measured(bundle: Bundle, patients: int, each: int = 1, strength: float = 4.0, scale: float = 1.0) -> SiteMeasure:
    """Of logits that follow the diagnosis with so much strength, then are made larger by `scale`."""
    random = np.random.default_rng(5)
    of_patient = random.integers(0, LABELS, patients)
    truth = np.repeat(of_patient, each)
    logits = random.normal(size=(len(truth), LABELS))
    logits[np.arange(len(truth)), truth] += strength
    names = [str(patient) for patient in np.repeat(np.arange(patients), each)]
    return measure_site(bundle, logits * scale, [[bundle.labels[k]] for k in truth], names)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(36, 40, 0.7634, 0.9721), (0, 22, 0.0, 0.1544), (40, 40, 0.9119, 1.0), (1, 10, 0.0025, 0.4450)],
)
def test_the_exact_interval_is_clopper_and_pearsons(count: int, of: int, low: float, high: float) -> None:
    """As `scipy.stats.binomtest(count, of).proportion_ci()` gives it."""
    assert exact_interval(count, of) == pytest.approx((low, high), abs=5e-5)


def test_pictures_of_one_patient_widen_the_interval(bundle: Bundle) -> None:
    single, several = measured(bundle, 80), measured(bundle, 20, each=4)
    assert single.accuracy.of == several.accuracy.of == 80
    assert single.accuracy.low == pytest.approx(exact_interval(single.accuracy.count, 80)[0], abs=1e-4)
    assert several.accuracy.low <= round(exact_interval(several.accuracy.count, 80)[0], 4)


def test_auroc_counts_ties_half() -> None:
    assert auroc(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True])) == 0.875
    assert auroc(np.array([1.0, 2.0]), np.array([True, True])) is None


def test_a_group_of_classes_is_a_diagnosis_too(bundle: Bundle) -> None:
    logits = np.array([[0.0, 0, 5, 0], [0, 0, 0, 5], [5, 0, 0, 0], [0, 5, 0, 0], [0, 5, 0, 0]])
    carcinoma, none = ["insitu", "invasive"], ["normal", "benign"]
    found = measure_site(bundle, logits, [carcinoma, carcinoma, none, none, carcinoma], list("abcde"))
    assert (found.accuracy.count, found.accuracy.of, found.patients) == (4, 5, 5)
    assert found.auroc is not None
    assert found.auroc.value < 1
    assert found.auroc.low is None  # of two and three patients drawing anew tells nothing


def test_well_calibrated_logits_stay_as_they_came(bundle: Bundle) -> None:
    """Where the true class's logit is raised by s above noise of variance 1, s times the logits are the log-odds."""
    strength = 2.5
    found = measured(bundle, 60, strength=strength, scale=strength * bundle.manifest.calibration.temperature)
    assert found.recalibration is None


def test_logits_that_are_too_sure_get_a_smaller_slope_and_left_out_patients_gain(bundle: Bundle) -> None:
    found = measured(bundle, 60, strength=2.0, scale=4.0)
    assert found.recalibration is not None
    assert found.recalibration.slope < 0.7
    assert found.recalibration.loss_after < found.recalibration.loss_before


def test_of_few_patients_nothing_is_refitted(bundle: Bundle) -> None:
    assert measured(bundle, 19, strength=2.0, scale=4.0).recalibration is None


def test_enough_is_forty_pictures_of_twenty_patients(bundle: Bundle) -> None:
    assert not measured(bundle, 39).enough
    assert not measured(bundle, 10, each=4).enough
    assert measured(bundle, 20, each=2).enough
