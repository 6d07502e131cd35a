"""Figures of drawn tables whose answers follow by hand, or from sklearn on the same rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from device.reading.maps import softmax
from training.errors import TableError
from training.evaluation.metrics import by_fold, by_patient, calibrate_folds, compare, summary
from training.evaluation.resampling import auroc, interval, patient_weights
from training.evaluation.results import range_of_new
from training.evaluation.table import NUMBERS, class_columns, columns

LABELS = ("benign", "malignant")


def drawn_table(
    truth: Sequence[int],
    p_malignant: Sequence[float],
    groups: Sequence[str] | None = None,
    folds: Sequence[str] | None = None,
    floats: Sequence[float] | None = None,
) -> pd.DataFrame:
    """A table of two classes: true class and probability of `malignant` of each picture; logits give just that p."""
    p = np.asarray(p_malignant, float)
    n = len(p)
    table = pd.DataFrame({name: pd.Series([pd.NA] * n, dtype="string") for name in ("box", "reason", "error")})
    table["file"] = [f"{i}.png" for i in range(n)]
    table["group"] = list(groups) if groups is not None else [str(i) for i in range(n)]
    table["fold"] = list(folds) if folds is not None else ""
    table["label"] = [LABELS[k] for k in truth]
    table["prediction"] = [LABELS[int(x > 0.5)] for x in p]
    table["caution"] = False
    table[list(NUMBERS)] = 0.5
    table["latency_ms"] = 20.0
    logits = np.stack([np.zeros(n), np.log(p / (1 - p))], 1)
    table[class_columns("logit", LABELS)] = logits
    table[class_columns("p", LABELS)] = softmax(logits)
    shown = np.full((n, 2), np.nan) if floats is None else np.stack([np.zeros(n), np.asarray(floats, float)], 1)
    table[class_columns("float_logit", LABELS)] = shown
    return table[columns(LABELS)]


def chance_table(n: int = 400, seed: int = 3) -> pd.DataFrame:
    """Rounded scores, so that there are ties; 40 patients."""
    chance = np.random.default_rng(seed)
    truth = chance.integers(0, 2, n)
    p = np.clip(np.round(0.35 + 0.3 * truth + chance.normal(0, 0.2, n), 2), 0.01, 0.99)
    p[p == 0.5] = 0.51
    return drawn_table(truth.tolist(), p.tolist(), [str(i % 40) for i in range(n)], [str(i % 4) for i in range(n)])


def test_figures_of_five_pictures_follow_by_hand() -> None:
    # benign: 0.1, 0.6; malignant: 0.4, 0.7, 0.9. Pairs (malignant over benign): 5 of 6.
    told = summary(drawn_table([0, 0, 1, 1, 1], [0.1, 0.6, 0.4, 0.7, 0.9]), LABELS)
    assert told["confusion"] == [[1, 1], [1, 2]]
    assert told["accuracy"]["value"] == pytest.approx(3 / 5)
    assert told["balanced_accuracy"]["value"] == pytest.approx((1 / 2 + 2 / 3) / 2, abs=1e-5)
    assert told["classes"]["malignant"]["sensitivity"]["value"] == pytest.approx(2 / 3, abs=1e-5)
    assert told["classes"]["malignant"]["specificity"]["value"] == pytest.approx(1 / 2)
    assert told["classes"]["malignant"]["f1"]["value"] == pytest.approx(2 / 3, abs=1e-5)
    assert told["macro_auroc"]["value"] == pytest.approx(5 / 6, abs=1e-5)
    # Both classes' squares are equal: twice the mean of 0.01, 0.36, 0.36, 0.09, 0.01.
    assert told["brier"]["value"] == pytest.approx(2 * 0.83 / 5)
    # Confidence 0.9 right, 0.9 right | 0.7 right | 0.6 wrong, 0.6 wrong: gaps 0.1·2/5, 0.3/5, 0.6·2/5.
    assert told["ece"]["value"] == pytest.approx(0.04 + 0.06 + 0.24)
    # Ties share a risk: 0, 0, 0, then 2/5 for both.
    assert told["aurc"]["value"] == pytest.approx(2 * (2 / 5) / 5)


def test_figures_agree_with_sklearn() -> None:
    table = chance_table()
    truth = (table["label"] == "malignant").to_numpy()
    said = (table["prediction"] == "malignant").to_numpy()
    told = summary(table, LABELS)
    assert told["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(truth, said), abs=1e-5)
    assert told["macro_f1"]["value"] == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-5)
    assert told["macro_auroc"]["value"] == pytest.approx(roc_auc_score(truth, table["p_malignant"]), abs=1e-5)


def test_a_draw_counts_each_patient_as_often_as_it_was_drawn() -> None:
    table = chance_table()
    group, truth = table["group"].astype(int).to_numpy(), (table["label"] == "malignant").to_numpy()
    score, weights = table["p_malignant"].to_numpy(float), patient_weights(40, draws=5)
    found = auroc(weights, group, score, truth)
    expected = [roc_auc_score(truth, score, sample_weight=row[group]) for row in weights]
    assert found == pytest.approx(expected)


def test_the_interval_of_independent_pictures_is_the_binomial_one() -> None:
    told = summary(drawn_table([1] * 400 + [0] * 400, ([0.9] * 3 + [0.1]) * 100 + [0.1] * 400), LABELS)
    found = told["classes"]["malignant"]["sensitivity"]
    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert (found["high"] - found["low"]) / 2 == pytest.approx(half, rel=0.1)
    assert found["low"] < found["value"] < found["high"]


def test_pictures_of_one_patient_widen_the_interval() -> None:
    """Ten like pictures of each of 40 patients tell no more than 40 pictures: √10 wider than 400 independent ones."""
    right = np.repeat(([1] * 3 + [0]) * 10, 10)
    p = np.where(right, 0.9, 0.1).tolist()
    apart = summary(drawn_table([1] * 400, p), LABELS)["accuracy"]
    together = summary(drawn_table([1] * 400, p, np.repeat(np.arange(40), 10).astype(str).tolist()), LABELS)["accuracy"]
    assert together["value"] == apart["value"] == 0.75
    wider = (together["high"] - together["low"]) / (apart["high"] - apart["low"])
    assert wider == pytest.approx(10**0.5, rel=0.15)


def test_intervals_are_the_same_every_time() -> None:
    assert summary(chance_table(), LABELS) == summary(chance_table(), LABELS)


def test_a_table_of_one_patient_has_no_interval() -> None:
    told = summary(drawn_table([0, 1], [0.2, 0.7], ["a", "a"]), LABELS)
    assert told["accuracy"] == {"value": 1.0, "low": None, "high": None}


def test_draws_without_a_class_are_left_out_and_no_figure_is_made_of_few() -> None:
    assert interval(np.array([0.5, 0.4, np.nan, 0.6]))["low"] == pytest.approx(0.4, abs=0.01)
    assert interval(np.array([0.5, np.nan, np.nan, 0.6])) == {"value": 0.5, "low": None, "high": None}


def test_with_one_class_what_needs_two_is_none() -> None:
    told = summary(drawn_table([1, 1, 1], [0.9, 0.8, 0.2]), LABELS)
    assert told["accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-5)
    assert told["macro_auroc"]["value"] is None
    assert told["classes"]["benign"]["sensitivity"]["value"] is None


def test_float_beside_int8() -> None:
    # The float network is right on all four; the integer one misses one malignant.
    told = summary(drawn_table([0, 0, 1, 1], [0.1, 0.2, 0.4, 0.9], floats=[-1, -1, 1, 1]), LABELS)["float"]
    assert told["balanced_accuracy"]["value"] == 1
    assert told["agreement"]["value"] == 0.75
    assert told["minus_float"]["value"] == -0.25
    assert summary(chance_table(), LABELS)["float"] is None


def test_refused_and_unreadable_pictures_are_counted() -> None:
    table = drawn_table([0, 0, 1, 1], [0.1, 0.8, 0.9, 0.4])
    table.loc[1, "reason"] = "blurred"
    table.loc[3, ["error", "prediction"]] = ["image_damaged", pd.NA]
    told = summary(table, LABELS)
    assert told["n"] == 3
    assert told["unreadable"] == {"image_damaged": 1}
    assert told["gate"] == {
        "refused": 1,
        "reasons": {"blurred": 1},
        "caution": 0,
        "by_class": {"benign": 1, "malignant": 0},
    }
    assert told["accuracy"]["value"] == pytest.approx(2 / 3, abs=1e-5)
    assert told["accuracy_of_accepted"]["value"] == 1


def test_each_patient_and_each_fold_has_a_row() -> None:
    table = drawn_table([0, 1, 1, 1], [0.1, 0.9, 0.9, 0.2], ["a", "a", "b", "b"], ["0", "0", "1", "1"])
    first, second = by_patient(table, LABELS)
    assert (first["patient"], first["accuracy"], first["balanced_accuracy"]) == ("a", 1, 1)
    assert (second["accuracy"], second["balanced_accuracy"], second["macro_auroc"]) == (0.5, None, None)
    assert second["classes"] == {"benign": 0, "malignant": 2}
    assert [row["accuracy"] for row in by_fold(table, LABELS)] == [1, 0.5]
    told = summary(table, LABELS)["folds"]
    assert told["accuracy"] == {"mean": 0.75, "sd": pytest.approx(0.35355)}


@pytest.mark.parametrize("offsets", [False, True])
def test_a_calibration_never_sees_its_own_fold(offsets: bool) -> None:
    """Fold b's labels are turned round: fold a's p must follow b's (flat), and b's p must stay as a's labels make it."""
    table = chance_table()
    table["fold"] = np.where(np.arange(len(table)) % 2, "a", "b")
    turned = table.copy()
    own = turned["fold"] == "b"
    turned.loc[own, "label"] = turned.loc[own, "label"].map({"benign": "malignant", "malignant": "benign"})
    before, _ = calibrate_folds(table, LABELS, offsets=offsets)
    after, _ = calibrate_folds(turned, LABELS, offsets=offsets)
    p = class_columns("p", LABELS)
    assert np.array_equal(before.loc[own, p], after.loc[own, p])
    assert after.loc[~own, p].to_numpy().max() < before.loc[~own, p].to_numpy().max()


def test_overconfident_folds_are_calibrated() -> None:
    table = chance_table(2000)
    sharp = table[class_columns("logit", LABELS)].to_numpy() * 4
    table[class_columns("logit", LABELS)] = sharp
    table[class_columns("p", LABELS)] = softmax(sharp)
    calibrated, calibration = calibrate_folds(table, LABELS, offsets=False)
    assert calibration.temperature > 1.5
    assert summary(calibrated, LABELS)["ece"]["value"] < summary(table, LABELS)["ece"]["value"] / 2


def test_offsets_decide_what_is_said_and_the_float_network_gets_them_too() -> None:
    """Classes lie askew in every fold: what is said must be right after the shift, for both networks, in both folds."""
    table = chance_table(2000)
    table["fold"] = np.where(np.arange(len(table)) % 2, "a", "b")
    table["logit_malignant"] += 3
    table[class_columns("float_logit", LABELS)] = table[class_columns("logit", LABELS)].to_numpy()
    askew = table["logit_malignant"] > table["logit_benign"]
    table["prediction"] = np.where(askew, "malignant", "benign")
    said = summary(table, LABELS)
    calibrated, calibration = calibrate_folds(table, LABELS, offsets=True)
    told = summary(calibrated, LABELS)
    assert calibration.offsets == pytest.approx([1.5, -1.5], abs=0.3)
    assert told["balanced_accuracy"]["value"] > said["balanced_accuracy"]["value"] + 0.1
    assert told["float"]["balanced_accuracy"]["value"] == told["balanced_accuracy"]["value"]
    again, _ = calibrate_folds(calibrated, LABELS, offsets=True)  # a table that is calibrated already
    assert again.equals(calibrated)


def test_before_and_after_are_compared_on_the_same_pictures() -> None:
    before = drawn_table([0, 0, 1, 1], [0.1, 0.7, 0.9, 0.8])
    after = drawn_table([0, 0, 1, 1], [0.1, 0.2, 0.9, 0.8]).iloc[::-1].assign(latency_ms=10.0)
    told = compare(before, after.iloc[:3], LABELS)  # 0.png is missing after
    assert told["n"] == 3
    assert told["figures"]["sensitivity.benign"]["before"]["value"] == 0
    assert told["figures"]["sensitivity.benign"]["after"]["value"] == 1
    assert told["figures"]["accuracy"]["change"]["value"] == pytest.approx(1 / 3, abs=1e-5)
    assert told["time_ms"] == {"before": 20.0, "after": 10.0}


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda table: table.drop(columns="p_benign"), "no column p_benign"),
        (lambda table: table.iloc[:0], "no rows"),
        (lambda table: table.assign(label="cyst"), "cyst"),
        (lambda table: table.assign(fold=pd.NA), "no fold"),
        (lambda table: table.assign(label=pd.NA), "nothing to measure"),
        (lambda table: table.assign(error="no_image"), "nothing to measure"),
    ],
)
def test_a_table_that_cannot_be_measured_is_refused_by_name(spoil, says: str) -> None:
    with pytest.raises(TableError, match=says):
        summary(spoil(chance_table()), LABELS)


def test_what_needs_two_folds_or_shared_pictures_says_so() -> None:
    table = drawn_table([0, 1], [0.1, 0.9])
    with pytest.raises(TableError, match="two folds"):
        calibrate_folds(table, LABELS, offsets=False)
    with pytest.raises(TableError, match="no picture in common"):
        compare(table, table.assign(file=["x", "y"]), LABELS)
    with pytest.raises(TableError, match="stands twice"):
        compare(table, table.assign(file="x"), LABELS)


def test_thousands_of_rows_are_fast() -> None:
    import time

    started = time.monotonic()
    summary(chance_table(8000), LABELS)
    assert time.monotonic() - started < 20


def test_the_range_of_new_patients_holds_those_that_are_drawn_from_the_same_clinic() -> None:
    chance = np.random.default_rng(3)
    measured, new = chance.normal(0.5, 0.05, (2000, 8)), chance.normal(0.5, 0.05, (2000, 2)).mean(1)
    ranges = [range_of_new(row, 2) for row in measured]
    inside = np.mean([low <= mean <= high for (low, high), mean in zip(ranges, new, strict=True)])
    assert inside == pytest.approx(0.95, abs=0.02)
    assert range_of_new(np.array([1.0, 0.9, 1.0, 0.4]), 2)[1] == 1.0  # a share
