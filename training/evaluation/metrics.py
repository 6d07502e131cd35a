"""Every figure of a readings table, with 95 % intervals over patients. docs/researchers/evaluation.md defines each.

Pictures that couldn't be read, or whose class isn't known, are counted and left out. Pictures that the gate refused count
like any other unless a figure says "of accepted": what the network knows and what the gate lets through are two questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from device.reading.maps import softmax
from training.errors import TableError
from training.evaluation import resampling
from training.evaluation.calibrate import Calibration, confidence_bin, fit_calibration, reliability
from training.evaluation.resampling import Floats, interval, patient_weights
from training.evaluation.table import OFFSET, check_table, class_columns

COVERAGES = np.round(np.arange(0.05, 1.0001, 0.05), 2)
LOWEST_P = 1e-12
FOLD_FIGURES = ("accuracy", "balanced_accuracy", "macro_auroc", "ece", "refused", "float_balanced_accuracy")


@dataclass(frozen=True)
class Rows:
    """What figures need of the readable rows with known class, as arrays over n pictures and K classes. `group` numbers
    the patients; `floats` are the float network's logits, None unless every row has them."""

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    p: Floats
    floats: Floats | None
    group: NDArray[np.int64]
    patients: int
    refused: NDArray[np.bool_]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.equal(self.truth, self.predicted)


def measurable(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """The rows that were read and whose class is known. Raises `TableError` when there are none."""
    check_table(table, labels)
    readable = table[table["error"].isna() & table["label"].notna()]
    if readable.empty:
        raise TableError("no picture of the readings table has both a reading and a known class: nothing to measure")
    return readable


def _class_numbers(column: pd.Series[str], labels: Sequence[str]) -> NDArray[np.int64]:
    return np.asarray(column.map({label: k for k, label in enumerate(labels)}), np.int64)


def _rows(readable: pd.DataFrame, labels: Sequence[str]) -> Rows:
    group, names = pd.factorize(readable["group"])
    floats = readable[class_columns("float_logit", labels)].to_numpy(np.float64)
    offsets = class_columns(OFFSET, labels)
    if offsets[0] in readable:
        floats = floats + readable[offsets].to_numpy(np.float64)
    return Rows(
        truth=_class_numbers(readable["label"], labels),
        predicted=_class_numbers(readable["prediction"], labels),
        p=readable[class_columns("p", labels)].to_numpy(np.float64),
        floats=floats if np.isfinite(floats).all() else None,
        group=group.astype(np.int64),
        patients=len(names),
        refused=readable["reason"].notna().to_numpy(np.bool_),
    )


def _per_class(counts: Floats, labels: Sequence[str], present: Sequence[int]) -> dict[str, Floats]:
    """Sensitivity, specificity and F1 of each class, and what is averaged over the classes that the table has."""
    hits, true, predicted = np.einsum("dkk->dk", counts), counts.sum(2), counts.sum(1)
    total = true.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = hits / true
        specificity = (total - true - predicted + hits) / (total - true)
        f1 = 2 * hits / (true + predicted)
    series = {
        "accuracy": hits.sum(1) / total[:, 0],
        "balanced_accuracy": sensitivity[:, present].mean(1),
        "macro_f1": f1[:, present].mean(1),
    }
    for k, label in enumerate(labels):
        series[f"sensitivity.{label}"] = sensitivity[:, k]
        series[f"specificity.{label}"] = specificity[:, k]
        series[f"f1.{label}"] = f1[:, k]
    return series


def _series(rows: Rows, labels: Sequence[str], weights: Floats) -> dict[str, Floats]:
    """Each figure by name, for each row of weights."""
    present, k = np.unique(rows.truth).tolist(), len(labels)
    group, right = rows.group, rows.right

    def shares(values: Floats | NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Floats:
        top = np.asarray(values, np.float64)
        if among is None:
            return resampling.ratio(weights, group, top)
        return resampling.ratio(weights, group, top * among, among.astype(np.float64))

    def aurocs(p: Floats) -> dict[str, Floats]:
        by_class = {
            f"auroc.{label}": resampling.auroc(weights, group, p[:, j], rows.truth == j)
            for j, label in enumerate(labels)
        }
        return by_class | {"macro_auroc": np.mean([by_class[f"auroc.{labels[j]}"] for j in present], axis=0)}

    series = _per_class(resampling.confusion(weights, group, rows.truth, rows.predicted, k), labels, present)
    series |= aurocs(rows.p)
    confidence = rows.p.max(1)
    series["ece"] = resampling.calibration_error(weights, group, confidence_bin(confidence), right - confidence)
    series["brier"] = shares(((rows.p - np.eye(k)[rows.truth]) ** 2).sum(1))
    series["log_loss"] = shares(-np.log(np.maximum(rows.p[np.arange(len(right)), rows.truth], LOWEST_P)))
    series["aurc"] = resampling.area_under_risk_coverage(weights, group, confidence, right)
    series["refused"] = shares(rows.refused)
    series["accuracy_of_accepted"] = shares(right, ~rows.refused)
    if rows.floats is not None:
        predicted = rows.floats.argmax(1)
        counts = resampling.confusion(weights, group, rows.truth, predicted, k)
        series |= {f"float_{name}": values for name, values in _per_class(counts, labels, present).items()}
        series["float_macro_auroc"] = aurocs(softmax(rows.floats))["macro_auroc"]
        series["agreement"] = shares(predicted == rows.predicted)
        series["minus_float"] = series["balanced_accuracy"] - series["float_balanced_accuracy"]
    return series


def _weights(rows: Rows) -> Floats:
    return patient_weights(rows.patients) if rows.patients > 1 else np.ones((1, 1))


def _value(series: Mapping[str, Floats], name: str) -> float | None:
    return interval(series[name])["value"] if name in series else None


def summary(table: pd.DataFrame, labels: Sequence[str]) -> dict[str, Any]:
    """All figures as JSON-able values; each is `{"value", "low", "high"}`. Names no patient, so that it may travel in a
    bundle. Raises `TableError`."""
    readable = measurable(table, labels)
    rows = _rows(readable, labels)
    series = {name: interval(values) for name, values in _series(rows, labels, _weights(rows)).items()}
    bins = reliability(rows.p, rows.truth)
    counts = np.zeros((len(labels), len(labels)), int)
    np.add.at(counts, (rows.truth, rows.predicted), 1)
    plain = ("accuracy", "balanced_accuracy", "macro_auroc", "macro_f1", "ece", "brier", "log_loss", "aurc", "refused")
    by_class = ("sensitivity", "specificity", "f1", "auroc")
    return {
        "n": len(readable),
        "patients": rows.patients,
        "unreadable": _counts(table["error"]),
        "unlabelled": int((table["error"].isna() & table["label"].isna()).sum()),
        **{name: series[name] for name in plain},
        "accuracy_of_accepted": series["accuracy_of_accepted"],
        "classes": {
            label: {"n": int((rows.truth == k).sum()), **{name: series[f"{name}.{label}"] for name in by_class}}
            for k, label in enumerate(labels)
        },
        "float": _float_part(series),
        "confusion": counts.tolist(),
        "reliability": {
            "n": bins.n.tolist(),
            "confidence": _numbers(bins.confidence),
            "accuracy": _numbers(bins.accuracy),
        },
        "risk_coverage": _risk_coverage(rows),
        "gate": _gate_part(readable, labels),
        "time_ms": {
            "median": round(float(readable["latency_ms"].median()), 2),
            "p95": round(float(readable["latency_ms"].quantile(0.95)), 2),
        },
        "folds": _over_folds(by_fold(table, labels)),
        "interval": {"level": resampling.LEVEL, "draws": resampling.DRAWS, "seed": resampling.SEED},
    }


def _float_part(series: Mapping[str, dict[str, float | None]]) -> dict[str, Any] | None:
    if "agreement" not in series:
        return None
    names = ("accuracy", "balanced_accuracy", "macro_auroc", "macro_f1")
    return {
        **{name: series[f"float_{name}"] for name in names},
        "agreement": series["agreement"],
        "minus_float": series["minus_float"],
    }


def _gate_part(readable: pd.DataFrame, labels: Sequence[str]) -> dict[str, Any]:
    refused = readable["reason"].notna()
    return {
        "refused": int(refused.sum()),
        "reasons": _counts(readable["reason"]),
        "caution": int(readable["caution"].sum()),
        "by_class": {label: int((refused & (readable["label"] == label)).sum()) for label in labels},
    }


def _risk_coverage(rows: Rows) -> dict[str, Any]:
    """Error rate among the surest share of pictures."""
    wrong = ~rows.right[np.argsort(-rows.p.max(1), kind="stable")]
    counts = np.maximum(1, np.round(COVERAGES * len(wrong)).astype(int))
    return {"coverage": COVERAGES.tolist(), "risk": _numbers(np.cumsum(wrong)[counts - 1] / counts)}


def _numbers(values: Floats) -> list[float | None]:
    return [round(float(value), 5) if np.isfinite(value) else None for value in values]


def _counts(column: pd.Series[Any]) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    return {str(value): int(count) for value, count in column.dropna().value_counts().items()}


def by_patient(table: pd.DataFrame, labels: Sequence[str]) -> list[dict[str, Any]]:
    """A row a patient: pictures of each class and figures over them alone. What needs two classes is None with one."""
    lines = []
    for name, part in measurable(table, labels).groupby("group"):
        rows = _rows(part, labels)
        series = _series(rows, labels, np.ones((1, 1)))
        both = len(np.unique(rows.truth)) > 1
        lines.append(
            {
                "patient": str(name),
                "fold": ", ".join(sorted(set(part["fold"].dropna()))),
                "n": len(part),
                "classes": {label: int((rows.truth == k).sum()) for k, label in enumerate(labels)},
                "right": {label: int(rows.right[rows.truth == k].sum()) for k, label in enumerate(labels)},
                "accuracy": _value(series, "accuracy"),
                "balanced_accuracy": _value(series, "balanced_accuracy") if both else None,
                "macro_auroc": _value(series, "macro_auroc") if both else None,
                "sensitivity": {label: _value(series, f"sensitivity.{label}") for label in labels},
                "float_accuracy": _value(series, "float_accuracy"),
                "refused": int(rows.refused.sum()),
            }
        )
    return sorted(lines, key=lambda line: natural_order(line["patient"]))


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts 9 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def by_fold(table: pd.DataFrame, labels: Sequence[str]) -> list[dict[str, Any]]:
    """A row a fold: the figures of its network on its own test part."""
    lines = []
    for name, part in measurable(table, labels).groupby("fold"):
        rows = _rows(part, labels)
        series = _series(rows, labels, np.ones((1, rows.patients)))
        figures = {figure: _value(series, figure) for figure in FOLD_FIGURES}
        lines.append({"fold": str(name), "n": len(part), "patients": rows.patients, **figures})
    return sorted(lines, key=lambda line: natural_order(line["fold"]))


def _over_folds(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Mean and standard deviation of each figure over folds: each fold counts the same, and ranks are never compared
    between networks. None for one fold."""
    if len(lines) < 2:
        return None
    figures: dict[str, Any] = {"n": len(lines)}
    for figure in FOLD_FIGURES:
        values = [line[figure] for line in lines if line[figure] is not None]
        figures[figure] = (
            {"mean": round(float(np.mean(values)), 5), "sd": round(float(np.std(values, ddof=1)), 5)}
            if len(values) > 1
            else None
        )
    return figures


def calibrate_folds(table: pd.DataFrame, labels: Sequence[str], *, offsets: bool) -> tuple[pd.DataFrame, Calibration]:
    """A table of several folds with each fold's p and prediction from a calibration that was fitted on the other folds'
    logits, and the calibration from all of them (for a bundle that is trained on everything). With `offsets` it shifts
    classes too. Raises `TableError` for one fold."""
    readable = measurable(table, labels)
    names = sorted(set(table["fold"].dropna()))
    if len(names) < 2:
        raise TableError("cross-fitting a calibration needs the readings of two folds or more; the table has one")
    logits = readable[class_columns("logit", labels)].to_numpy(np.float64)
    truth, groups = _class_numbers(readable["label"], labels), readable["group"].to_numpy(np.str_)

    def fitted_on(rows: NDArray[np.bool_]) -> Calibration:
        return fit_calibration(logits[rows], truth[rows], groups[rows] if offsets else None)

    calibrated = table.copy()
    calibrated[class_columns(OFFSET, labels)] = np.nan
    for name in names:
        others, own = (readable["fold"] != name).to_numpy(np.bool_), (table["fold"] == name).to_numpy(np.bool_)
        if not others.any():
            raise TableError(f"only fold {name} has readings with a known class: read the other folds again")
        own = own & table["error"].isna().to_numpy(np.bool_)
        calibration = fitted_on(others)
        p = calibration.probabilities(table.loc[own, class_columns("logit", labels)].to_numpy(np.float64))
        calibrated.loc[own, class_columns("p", labels)] = p
        calibrated.loc[own, "prediction"] = np.array(labels)[p.argmax(1)]
        calibrated.loc[own, class_columns(OFFSET, labels)] = calibration.offsets
    return calibrated, fitted_on(np.ones(len(readable), np.bool_))


def compare(before: pd.DataFrame, after: pd.DataFrame, labels: Sequence[str]) -> dict[str, Any]:
    """The field's before/after table, on the pictures that both tables have: each figure before, after, and its change
    with an interval over the same draws of patients. Raises `TableError` when the tables share no picture."""
    first, second = (_keyed(measurable(part, labels)) for part in (before, after))
    shared = first.index.intersection(second.index)
    if shared.empty:
        raise TableError("the tables before and after have no picture in common: are they of the same data and split?")
    first, second = first.loc[shared], second.loc[shared]
    rows = _rows(second, labels)
    weights = _weights(rows)
    old = _series(replace(_rows(first, labels), group=rows.group, patients=rows.patients), labels, weights)
    new = _series(rows, labels, weights)
    names = ["accuracy", "balanced_accuracy", "macro_auroc"]
    names += [f"{figure}.{label}" for label in labels for figure in ("sensitivity", "specificity")]
    times = [round(float(part["latency_ms"].median()), 2) for part in (first, second)]
    return {
        "n": len(shared),
        "patients": rows.patients,
        "figures": {
            name: {
                "before": interval(old[name]),
                "after": interval(new[name]),
                "change": interval(new[name] - old[name]),
            }
            for name in names
        },
        "time_ms": {"before": times[0], "after": times[1]},
    }


def _keyed(readable: pd.DataFrame) -> pd.DataFrame:
    """Rows by picture. Raises `TableError` when one stands twice."""
    keyed = readable.assign(box=readable["box"].fillna("")).set_index(["file", "box"])
    if not keyed.index.is_unique:
        twice = keyed.index[keyed.index.duplicated()][0]
        raise TableError(f"the picture {twice[0]} {twice[1]} stands twice in a readings table: join each fold once")
    return keyed
