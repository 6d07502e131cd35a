"""Probes of pooled sets: which places a weighted sum takes, who judges, and what gains are held against."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.data import Sample, possible_of
from training.data.sample import POSSIBLE, SET, UNKNOWN
from training.recipe import load_recipe
from training.studies.field_probes import BACH, BREAKHIS, TOP, Features, Judged, Trial, fit_trial, report

RECIPE = load_recipe("pooled")
CONCERN = np.array([False, False, True, True])
PLACES = 8


def features_of(classes: NDArray[np.int64], random: np.random.Generator) -> Features:
    """Pictures of eight places, of which one or two show what the class is and the rest shows nothing."""
    places = []
    for label in classes:
        each = random.normal(0, 0.3, (PLACES, 4))
        each[: 1 + label % 2, label] += 6
        places.append(each.astype(np.float16))
    return Features(places, np.full((len(classes), 4), np.nan, np.float32))


def test_the_top_quarter_of_places_is_a_sum_with_weights_that_are_stated() -> None:
    """Two of eight places weigh one half each: the logits are those of the class map at these two, on average."""
    random = np.random.default_rng(1)
    classes = random.integers(0, 4, 200)
    features, seen = features_of(classes, random), np.arange(200)
    possible = np.eye(4, dtype=np.float32)[classes]
    reader = fit_trial(Trial("top", places=TOP), features, possible, seen, CONCERN)
    assert reader.first is not None
    logits = reader.probe.decision_function(reader.rows(features, seen))
    for index in (0, 17, 101):
        places = features.places[index].astype(np.float32)
        evidence = reader.first.decision_function(places)
        best = np.argsort(evidence[:, :2].max(1) - evidence[:, 2:].max(1), kind="stable")[: PLACES // 4]
        assert logits[index] == pytest.approx(reader.probe.decision_function(places)[best].mean(0), abs=1e-4)


def test_a_trial_at_two_scales_says_nothing_of_pictures_that_have_one() -> None:
    random = np.random.default_rng(2)
    classes = np.arange(80) % 4
    features = features_of(classes, random)
    features.fine[:60] = np.eye(4)[classes[:60]]
    possible = np.eye(4, dtype=np.float32)[classes]
    reader = fit_trial(Trial("two", fine=True), features, possible, np.arange(40), CONCERN)
    p = reader.probabilities(features, np.arange(40, 80))
    assert np.isfinite(p[:20]).all()
    assert np.isnan(p[20:]).all()


def test_gains_are_paired_and_each_set_judges_by_its_own_groups() -> None:
    """The second trial reads one more field in each of two blocks right, ranks BreakHis' tumours, and PCam's backwards."""
    samples = [
        Sample(f"{k}{b}{i}", k, f"bach-{b}", extra={SET: BACH}) for b in "01" for k in range(4) for i in range(5)
    ]
    samples += [Sample(f"b{i}", 1, f"breakhis-{i}", extra={SET: BREAKHIS}) for i in range(4)]
    malignant = {SET: BREAKHIS, POSSIBLE: "2|3"}
    samples += [Sample(f"m{i}", UNKNOWN, f"breakhis-m{i}", extra=malignant) for i in range(4)]
    right = possible_of(samples, 4) / possible_of(samples, 4).sum(1, keepdims=True)
    worse = right.astype(np.float64).copy()
    for block in range(2):
        worse[20 * block] = [0, 1, 0, 0]
    worse[40:] = 0.25
    far = np.eye(4)[[2, 1]]
    text = report(
        RECIPE,
        Judged(
            samples,
            {"one": worse, "two": right.astype(np.float64)},
            np.array([True, False]),
            {"one": far, "two": far[::-1]},
            CONCERN,
        ),
        "Drawn.",
    )
    assert "BACH: 40 fields of 2 blocks. BreakHis: 8 fields of 8 patients, 4 of them with benign tumours." in text
    one, two, gain = text.splitlines()[-3:]
    assert "| one | 95.0 % (95.0 to 95.0 %) | 80.0 % (80.0 to 80.0 %) | 100.0 %" in one
    assert "| two | 100.0 %" in two
    assert gain.startswith("| … more than the first | +5.0 points (+5.0 to +5.0 points) | +20.0 points")
    assert [line.split("|")[-3].strip()[:6] for line in (one, two, gain)] == ["0.500 ", "1.000 ", "+0.500"]
    assert [line.split("|")[-2].strip()[:6] for line in (one, two, gain)] == ["1.000", "0.000", "−1.000"]
