"""Prediction sets: what they promise of each class is put to the test by simulation, as the gate's promise is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from device.base.texts import likelihood
from device.reading.maps import softmax
from device.reading.prediction_sets import prediction_sets
from training.errors import TableError
from training.evaluation.sets import (
    Answered,
    answered,
    carried_level,
    find_none_missed,
    find_on_average,
    find_threshold,
    find_top_alone,
    sets_summary,
)
from training.recipe import AnswerRule

TRIALS = 400
ODDS_OF_A_FALSE_ALARM = 3.3  # standard errors
RULE = AnswerRule(concern=("c1",), sum=None, level=0.9, confidence=0.9)


def draw_world(
    chance: np.random.Generator, classes: int, units: int, sizes: tuple[int, int], unit_effect: float
) -> Answered:
    """Pictures of each class from units of their own: logits speak for the true class, by more in some units than in
    others, and in a few units for another class."""
    truth = np.repeat(np.arange(classes), units)
    own = chance.normal(1.8, unit_effect, len(truth))
    own[chance.random(len(truth)) < 0.1] -= 3
    counts = chance.integers(*sizes, len(truth))
    of = np.repeat(np.arange(len(truth)), counts)
    logits = chance.normal(0, 1, (len(of), classes))
    logits[np.arange(len(of)), truth[of]] += own[of]
    folds = (of % units) % min(units, 5)
    return Answered(truth[of], softmax(logits), of.astype(str), folds.astype(str))


@pytest.mark.parametrize(
    ("classes", "units", "sizes", "unit_effect"),
    [(4, 8, (10, 11), 0.8), (2, 5, (50, 800), 0.6), (3, 120, (1, 2), 0.5), (3, 90, (1, 5), 1.5), (2, 25, (1, 40), 1.0)],
    ids=["8 blocks of 10", "5 patients, uneven", "a picture each", "a few pictures each", "25 patients, uneven"],
)
def test_each_class_is_missed_no_more_often_than_promised(
    classes: int, units: int, sizes: tuple[int, int], unit_effect: float
) -> None:
    """The true share of new units' pictures that have their class in the set is known from a large draw."""
    chance = np.random.default_rng(units)
    new = draw_world(chance, classes, 20_000, (1, 2), unit_effect)
    broken, levels = np.zeros(classes), set()
    for _ in range(TRIALS):
        found = draw_world(chance, classes, units, sizes, unit_effect).thresholds(find_threshold(RULE))
        levels |= {one.level for one in found}
        for k, one in enumerate(found):
            kept = new.p[new.truth == k, k] >= one.threshold
            broken[k] += kept.mean() < one.level
    allowed = 1 - RULE.confidence
    assert (broken / TRIALS <= allowed + ODDS_OF_A_FALSE_ALARM * np.sqrt(allowed * (1 - allowed) / TRIALS)).all()
    assert levels == {carried_level(units, RULE.level, RULE.confidence)}


def test_on_average_sets_hold_what_they_say_on_average() -> None:
    chance = np.random.default_rng(3)
    new = draw_world(chance, 2, 20_000, (1, 2), 0.8)
    kept = []
    for _ in range(TRIALS):
        found = draw_world(chance, 2, 12, (1, 30), 0.8).thresholds(find_on_average(0.9))
        kept += [(new.p[new.truth == k, k] >= one.threshold).mean() - one.level for k, one in enumerate(found)]
    assert np.mean(kept) > -ODDS_OF_A_FALSE_ALARM * np.std(kept) / np.sqrt(len(kept))


def test_the_level_is_what_so_many_units_can_carry() -> None:
    levels = [carried_level(units, 0.9, 0.9) for units in (4, 5, 8, 20, 100)]
    assert levels == sorted(levels)
    assert levels[-1] == 0.9
    # Eight that miss nothing at all carry no more than 1 − 0.1^(1/8), whatever is done with them.
    assert carried_level(8, 0.9, 0.9) <= 0.1 ** (1 / 8) < 0.9


def test_a_class_of_few_units_is_never_left_out() -> None:
    found = find_threshold(RULE)(np.array([0.9, 0.8, 0.9]), np.array(["a", "b", "c"]))
    assert (found.threshold, found.units) == (0, 3)


def test_what_is_called_possible_is_never_left_out() -> None:
    """All pictures of the class are told with certainty, so a far higher threshold would keep the promise."""
    found = find_threshold(RULE)(np.full(100, 0.99), np.arange(100).astype(str))
    assert (likelihood(found.threshold, "en"), likelihood(found.threshold + 1e-6, "en")) == ("unlikely", "possible")


def test_a_set_has_the_most_probable_class_whatever_the_thresholds() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    assert prediction_sets(p, np.array([0.9, 0.25, 0.9])).tolist() == [[True, True, False], [False, False, True]]
    assert prediction_sets(p, np.full(3, np.inf)).sum(1).tolist() == [1, 1]


def test_thresholds_that_miss_nothing_give_larger_sets_and_the_top_class_alone_smaller_ones() -> None:
    told = draw_world(np.random.default_rng(1), 4, 8, (10, 11), 0.8)
    sizes = [
        told.cross_fitted(find).sum(1).mean() for find in (find_none_missed(0.9), find_threshold(RULE), find_top_alone)
    ]
    assert sizes[0] > sizes[1] > sizes[2] == 1


def readings(told: Answered, labels: list[str]) -> pd.DataFrame:
    """A readings table of these pictures."""
    names: NDArray[np.str_] = np.array(labels)
    table = pd.DataFrame(
        {"file": [f"{n}.png" for n in range(len(told.truth))], "group": told.units, "fold": told.folds}
    )
    table["label"], table["prediction"] = names[told.truth], names[told.p.argmax(1)]
    table["box"] = table["reason"] = table["error"] = None
    table["caution"], table["width"], table["height"], table["latency_ms"] = False, 1, 1, 1.0
    for k, label in enumerate(labels):
        table[f"p_{label}"] = told.p[:, k]
        table[f"logit_{label}"] = table[f"float_logit_{label}"] = np.log(told.p[:, k])
    return table


def test_figures_are_of_accepted_pictures_and_of_thresholds_from_other_folds() -> None:
    labels = ["c0", "c1", "c2"]
    told = draw_world(np.random.default_rng(2), 3, 10, (8, 20), 0.8)
    table = readings(told, labels)
    table.loc[:4, "reason"] = "blurred"
    table.loc[5:6, "error"] = "image_damaged"
    found = sets_summary(table, labels, RULE, "patient")
    assert found is not None
    assert found["n"] == len(table) - 7 == sum(sum(row["counts"]) for row in found["record"])
    assert found["thresholds"]["c2"]["n"] == 10
    assert {fold["fold"] for fold in found["folds"]} == {"0", "1", "2", "3", "4"}
    for name in ("inside", "pictures"):
        assert found["classes"]["c1"][name] == sum(fold["classes"]["c1"][name] for fold in found["folds"])
    # Of the class of concern, "outside" and "inside" make all, since it is the only one.
    assert (
        found["concern_outside"]["outside"] == found["concern_outside"]["pictures"] - found["classes"]["c1"]["inside"]
    )
    # Making a fold's own probabilities certain changes nothing in that fold's thresholds.
    certain = told.p.copy()
    certain[told.folds == "0"] = np.eye(3)[told.truth[told.folds == "0"]]
    again = Answered(told.truth, certain, told.units, told.folds)
    others = told.folds != "0"
    assert again.thresholds(find_threshold(RULE), others) == told.thresholds(find_threshold(RULE), others)


def test_one_fold_alone_has_no_sets_and_no_accepted_picture_is_said() -> None:
    labels = ["c0", "c1"]
    table = readings(draw_world(np.random.default_rng(2), 2, 5, (3, 4), 0.8), labels)
    assert sets_summary(table.assign(fold="0"), labels, RULE, "patient") is None
    with pytest.raises(TableError, match="accepted no picture"):
        answered(table.assign(reason="blurred"), labels)
