"""The evaluation report: one document as JSON, and the same as one self-contained HTML page.

`report_document` gathers everything out of a readings table; `render` makes the page of that document alone, so whatever
the page shows can be had as numbers. Nothing in the page is fetched from anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from sklearn.metrics import roc_curve

from training.errors import ReportError
from training.evaluation import plots, words
from training.evaluation.calibrate import Calibration
from training.evaluation.metrics import by_fold, by_patient, compare, measurable, summary
from training.evaluation.sets import sets_summary
from training.recipe import Recipe
from training.stamp import inputs, source, stamp

SCHEMA = "loupe-report/2"
REPORT_HTML, REPORT_JSON = "report.html", "report.json"
TEMPLATE = Path(__file__).with_name("report.html.j2")
CURVE_POINTS = 200


@dataclass(frozen=True)
class Evaluation:
    """What is reported: readings with calibrated probabilities, and where they come from, in words. `calibration` is the
    one fitted on all folds, None where the bundle's own was used; `histories` are history.csv files of fits."""

    recipe: Recipe
    table: pd.DataFrame
    scheme: str
    source: str
    calibration: Calibration | None = None
    before: pd.DataFrame | None = None
    before_name: str = ""
    histories: tuple[Path, ...] = ()


def report_document(evaluation: Evaluation) -> dict[str, Any]:
    """Everything that a report says, JSON-able. Raises `TableError`."""
    recipe, table = evaluation.recipe, evaluation.table
    labels = [label.id for label in recipe.labels]
    figures = summary(table, labels)
    unit = words.unit_of(recipe, table)
    folds = by_fold(table, labels)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "created": date.today().isoformat(),
        "recipe": words.recipe_facts(recipe),
        "data": {
            "adapter": recipe.data.adapter,
            "name": recipe.data.name,
            "source": recipe.data.source,
            "terms": recipe.data.terms,
            "um_per_px": recipe.data.um_per_px,
        },
        "labels": {label.id: label.name.en for label in recipe.labels},
        "unit": unit,
        "scheme": evaluation.scheme,
        "readings": evaluation.source,
        "calibration": evaluation.calibration and evaluation.calibration.to_json(labels),
        "summary": figures,
        "folds": folds if len(folds) > 1 else [],
        "patients": by_patient(table, labels) if unit != "picture" else [],
        "sets": sets_summary(table, labels, recipe.answer, unit),
        "roc": _roc(measurable(table, labels), labels),
        "before": None,
        "training": [read_history(file) for file in evaluation.histories],
    }
    if evaluation.before is not None:
        document["before"] = {"name": evaluation.before_name, **compare(evaluation.before, table, labels)}
    return document


def _roc(readable: pd.DataFrame, labels: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Points of each class's ROC curve, at most about 200; classes that all or no pictures have are left out."""
    curves = {}
    for label in labels:
        truth = (readable["label"] == label).to_numpy(np.bool_)
        if truth.all() or not truth.any():
            continue
        false, true, _ = roc_curve(truth, readable[f"p_{label}"].to_numpy(np.float64))
        points = np.unique(np.linspace(0, len(false) - 1, CURVE_POINTS).round().astype(int))
        curves[label] = {"fpr": false[points].round(4).tolist(), "tpr": true[points].round(4).tolist()}
    return curves


def read_history(file: Path) -> dict[str, Any]:
    """The curves of a fit by epoch, from its history.csv. Raises `ReportError`."""
    try:
        table = pd.read_csv(file)
        epochs = table.pop("epoch")
    except (OSError, ValueError, KeyError) as error:
        raise ReportError(f"{file} is not the history of a fit: {error!r}") from error
    values = {name: [None if pd.isna(v) else round(float(v), 5) for v in table[name]] for name in table}
    return {"fold": file.parent.name, "epoch": [int(epoch) for epoch in epochs], "columns": values}


def render(document: Mapping[str, Any]) -> str:
    """The HTML page of a document."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {
        "title": words.title,
        "number": words.number,
        "signed": partial(words.number, signed=True),
        "limits": words.limits,
        "signed_limits": partial(words.limits, signed=True),
        "mean_and_deviation": words.mean_and_deviation,
        "unit_column": words.unit_column,
        "right_of": words.right_of,
        "headline": words.HEADLINE,
    }
    figures = document["summary"]
    charts = {
        "reliability": plots.reliability(figures),
        "risk_coverage": plots.risk_coverage(figures),
    }
    if document["roc"]:
        charts["roc"] = plots.roc(document["roc"], figures, document["labels"])
    if document["training"]:
        charts["training"] = plots.training_curves(document["training"])
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    # The charts are drawn by our own code; everything else is escaped.
    return template.render(d=document, s=figures, charts={name: Markup(svg) for name, svg in charts.items()})  # noqa: S704


def write_report(document: Mapping[str, Any], folder: Path, again: str, rests_on: Sequence[Path] = ()) -> Path:
    """Write report.json with its stamp, and report.html; the page's path. `again`: the command that makes the report;
    `rests_on`: the files that it was made from."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = folder / REPORT_JSON
    figures.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    stamp(
        figures,
        source(again, ("training.evaluation.measure", __name__), inputs(figures, *rests_on), **document["recipe"]),
    )
    page = folder / REPORT_HTML
    page.write_text(render(document), encoding="utf-8")
    return page


def load_report(folder: Path) -> dict[str, Any]:
    """The document that `write_report` left in a folder. Raises `ReportError`."""
    file = folder / REPORT_JSON
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        found = document.get("schema")
    except FileNotFoundError as error:
        raise ReportError(f"no {REPORT_JSON} in {folder}: run `loupe-train evaluate RECIPE --out {folder}`") from error
    except (OSError, ValueError, AttributeError) as error:
        raise ReportError(f"{file} is not a report: {error}") from error
    if found != SCHEMA:
        raise ReportError(f"{file} has the schema {found}, not {SCHEMA}: evaluate again")
    return document
