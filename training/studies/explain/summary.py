"""The figures of a faithfulness report as one document: means over pictures with 95 % intervals that resample groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from training.evaluation.resampling import confusion, interval, patient_weights, ratio
from training.evaluation.words import recipe_facts
from training.recipe import Recipe
from training.studies.explain.cascade import CASCADED
from training.studies.explain.measure import Measured
from training.studies.explain.methods import METHODS, OURS, SCORE_CAM
from training.studies.explain.scores import BLUR_SHARE, STEPS
from training.studies.explain.stride_trial import StrideTrial
from training.studies.explain.strides import COARSE, FINE

SCHEMA = "loupe-faithful/1"
MAP_FIGURES = ("insertion", "deletion", "drop", "increase", "gini")
PLACE_FIGURES = ("auroc", "pointing", "energy", "area")
SECTION_FIGURES = ("auroc_tile", "auroc_amid_neighbours", *PLACE_FIGURES)

Figure = dict[str, float | None]


def mean_of(table: pd.DataFrame, column: str) -> Figure:
    """Mean over rows with its interval over groups; rows without a value are left out."""
    valued = table[table[column].notna()] if column in table else table.iloc[:0]
    if valued.empty:
        return {"value": None, "low": None, "high": None}
    codes, groups = pd.factorize(valued["group"])
    values = valued[column].to_numpy(np.float64)
    return interval(ratio(patient_weights(len(groups)), codes.astype(np.int64), values))


def difference(table: pd.DataFrame, by: str, one: Any, other: Any, key: Sequence[str], column: str) -> Figure:
    """Mean of `one` − `other` over what both have."""
    both = [table[table[by] == side].set_index([*key, "group"])[column].dropna() for side in (one, other)]
    paired = (both[0] - both[1]).dropna().rename("change").reset_index()
    return mean_of(paired, "change")


def _present(table: pd.DataFrame) -> list[str]:
    measured_by = set(table["method"])
    return [method for method in METHODS if method in measured_by]


def _by_method(table: pd.DataFrame, figures: Sequence[str]) -> dict[str, dict[str, Figure]]:
    return {
        method: {figure: mean_of(table[table["method"] == method], figure) for figure in figures}
        for method in _present(table)
    }


def _scored(table: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Rows of what Score-CAM explained too."""
    names = table.loc[table["method"] == SCORE_CAM, list(key)].drop_duplicates()
    return table.merge(names, on=list(key))


def _against(table: pd.DataFrame, key: Sequence[str], figures: Sequence[str]) -> dict[str, Figure] | None:
    if SCORE_CAM not in set(table["method"]):
        return None
    return {figure: difference(table, "method", OURS, SCORE_CAM, key, figure) for figure in figures}


def _curves(table: pd.DataFrame) -> dict[str, dict[str, list[float]]]:
    def mean(method: str, name: str) -> list[float]:
        curve: list[float] = np.mean(table.loc[table["method"] == method, f"{name}_curve"].tolist(), 0).tolist()
        return [round(p, 4) for p in curve]

    return {method: {name: mean(method, name) for name in ("insertion", "deletion")} for method in _present(table)}


def _medians(table: pd.DataFrame, column: str) -> dict[str, float | None]:
    medians = table.groupby("method")[column].median()
    return {method: None if pd.isna(medians[method]) else float(medians[method]) for method in _present(table)}


def _cascade(table: pd.DataFrame) -> dict[str, Any]:
    order = list(dict.fromkeys(table["block"]))
    methods = [method for method in CASCADED if method in set(table["method"])]
    return {
        "blocks": order,
        "pictures": len(table[["fold", "picture"]].drop_duplicates()),
        "methods": {
            method: {
                side: [mean_of(table[(table["method"] == method) & (table["block"] == block)], side) for block in order]
                for side in ("signed", "absolute")
            }
            for method in methods
        },
    }


def _places(table: pd.DataFrame) -> list[dict[str, Any]]:
    key = ("fold", "name", "label")
    by_set = []
    for name, rows in table.groupby("set", sort=False):
        scored = _scored(rows, key)
        by_set.append(
            {
                "set": name,
                "n": int((rows["method"] == OURS).sum()),
                "groups": int(rows["group"].nunique()),
                "methods": _by_method(rows[rows["method"] != SCORE_CAM], PLACE_FIGURES),
                "score_cam": {
                    "n": int((scored["method"] == OURS).sum()),
                    "methods": _by_method(scored, PLACE_FIGURES),
                    "ours_minus": _against(scored, key, PLACE_FIGURES[:3]),
                }
                if len(scored)
                else None,
            }
        )
    return by_set


def _whole(table: pd.DataFrame) -> dict[str, Any] | None:
    if table.empty:
        return None
    figures = [figure for figure in SECTION_FIGURES if figure in table]
    columns = [column for column in ("group", "tiles", *figures, "evidence", "labels") if column in table]
    return {
        "n": len(table),
        "figures": {figure: mean_of(table, figure) for figure in figures},
        "each": table[columns].to_dict("records") if "tiles" in table else [],
        "auroc_by_um": _by_scale(table) if "auroc_by_um" in table else {},
    }


def _by_scale(table: pd.DataFrame) -> dict[str, Figure]:
    scales = pd.DataFrame(table["auroc_by_um"].tolist()).assign(group=table["group"].to_numpy())
    return {str(um): mean_of(scales, um) for um in scales.columns if um != "group"}


def document(recipe: Recipe, measured: Measured, strides: Mapping[str, Any] | None) -> dict[str, Any]:
    """Everything that the report says, JSON-able. Where no float network stands beside the integer one, what needs one is
    None, and `n` counts known places."""
    explained = measured.agreement if len(measured.agreement) else _ours(measured.places)
    return {
        "schema": SCHEMA,
        "created": date.today().isoformat(),
        "recipe": recipe_facts(recipe),
        "data": {"name": recipe.data.name, "source": recipe.data.source, "terms": recipe.data.terms},
        "labels": {label.id: label.name.en for label in recipe.labels},
        "folds": list(measured.folds),
        "seen": measured.seen,
        "n": len(explained),
        "groups": int(explained["group"].nunique()) if len(explained) else 0,
        "earlier_stride": measured.earlier_stride,
        "channels": measured.channels,
        "steps": STEPS,
        "blur_share": BLUR_SHARE,
        "limits": {fold: round(limit, 3) for fold, limit in measured.limits.items()},
        **_beside_floats(measured),
        "places": _places(measured.places) if len(measured.places) else [],
        "whole": _whole(measured.whole),
        "strides_compared": strides,
    }


def _ours(places: pd.DataFrame) -> pd.DataFrame:
    return places[places["method"] == OURS] if len(places) else places


def _beside_floats(measured: Measured) -> dict[str, Any]:
    """The sections of the report that need a float network beside the integer one."""
    table, agreement = measured.faithfulness, measured.agreement
    if table.empty:
        return dict.fromkeys(("faithfulness", "score_cam", "agreement", "cascade"))
    key = ("fold", "file")
    scored = _scored(table, key)
    return {
        "faithfulness": {
            "methods": _by_method(table[table["method"] != SCORE_CAM], MAP_FIGURES),
            "curves": _curves(scored if len(scored) else table),
            "curves_n": int(((scored if len(scored) else table)["method"] == OURS).sum()),
            "cpu_ms": _medians(table, "cpu_ms"),
            "gap": _medians(table, "gap"),
        },
        "score_cam": {
            "n": int((scored["method"] == OURS).sum()),
            "groups": int(scored["group"].nunique()),
            "methods": _by_method(scored, MAP_FIGURES),
            "ours_minus": _against(scored, key, MAP_FIGURES),
        }
        if len(scored)
        else None,
        "agreement": {
            "spearman": mean_of(agreement, "spearman"),
            "spearman_pooled": float(np.mean(list(measured.pooled.values()))),
            "spearman_all": mean_of(agreement, "spearman_all"),
            "spearman_median": float(agreement["spearman"].median()),
            "spearman_lowest": float(agreement["spearman"].min()),
            "distance": mean_of(agreement, "distance"),
            "worst_gap": float(agreement["gap"].max()),
        },
        "cascade": _cascade(measured.cascade),
    }


def compare_strides(trial: StrideTrial, classes: int) -> dict[str, Any]:
    """Stride 16 beside 32, JSON-able."""
    readings = {stride: trial.readings[trial.readings["stride"] == stride] for stride in (COARSE, FINE)}
    codes, groups = pd.factorize(readings[COARSE]["group"])
    weights = patient_weights(len(groups))
    scores = {}
    for stride, rows in readings.items():
        truth, predicted = (rows[column].to_numpy(np.int64) for column in ("label", "predicted"))
        counts = confusion(weights, codes.astype(np.int64), truth, predicted, classes)
        with np.errstate(invalid="ignore"):
            recalls = np.diagonal(counts, axis1=1, axis2=2) / counts.sum(2)
        scores[stride] = {
            "accuracy": np.trace(counts, axis1=1, axis2=2) / counts.sum((1, 2)),
            "balanced_accuracy": np.nanmean(recalls, 1),
        }
    return {
        "n": len(readings[COARSE]),
        "groups": len(groups),
        "same_class": float(
            (readings[COARSE]["predicted"].to_numpy() == readings[FINE]["predicted"].to_numpy()).mean()
        ),
        "scores": {
            figure: {
                **{str(stride): interval(scores[stride][figure]) for stride in scores},
                "change": interval(scores[FINE][figure] - scores[COARSE][figure]),
            }
            for figure in ("accuracy", "balanced_accuracy")
        },
        "places": [
            {
                "set": name,
                "n": int((rows["stride"] == COARSE).sum()),
                "figures": _both(rows, ("fold", "name", "label"), PLACE_FIGURES[:3]),
            }
            for name, rows in trial.places.groupby("set", sort=False)
        ]
        if len(trial.places)
        else [],
        "curves": {
            "n": int((trial.curves["stride"] == COARSE).sum()),
            "figures": _both(trial.curves, ("fold", "file"), ("insertion", "deletion", "gini")),
        },
        "sight": {
            str(stride): {
                "offset_down_px": float(np.mean([s.offset_down_px for s in sights])),
                "offset_right_px": float(np.mean([s.offset_right_px for s in sights])),
                "spread_px": float(np.mean([s.spread_px for s in sights])),
            }
            for stride, sights in trial.sights.items()
        },
        "float_ms": {str(stride): took for stride, took in trial.float_ms.items()},
        "integer_ms": {str(stride): took for stride, took in trial.integer_ms.items()},
        "integer": {**trial.integer, "accuracy": {str(s): a for s, a in trial.integer["accuracy"].items()}},
    }


def _both(table: pd.DataFrame, key: Sequence[str], figures: Sequence[str]) -> dict[str, dict[str, Figure]]:
    return {
        figure: {
            **{str(stride): mean_of(table[table["stride"] == stride], figure) for stride in (COARSE, FINE)},
            "change": difference(table, "stride", FINE, COARSE, key, figure),
        }
        for figure in figures
    }
