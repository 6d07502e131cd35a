"""The faithfulness report: one document as JSON, its tables as Markdown, and a page that fetches nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from training.stamp import inputs, source, stamp, warn_of
from training.studies.explain import figures, words
from training.studies.explain.measure import Shown
from training.studies.explain.methods import METHODS

PAGE, JSON, TABLES, STRIDES = "faithful.html", "faithful.json", "faithful.md", "strides.json"
TEMPLATE = Path(__file__).with_name("faithful.html.j2")


def render(d: Mapping[str, Any], gallery: Sequence[Shown] = ()) -> str:
    """The HTML page of a document, with the maps of some phantoms."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {
        "method": lambda name: words.method(name, d["earlier_stride"]),
        "passes": lambda name: words.passes(name, d["channels"]),
        "figures": words.FIGURES,
        "no_floats": words.no_floats(d),
        "number": words.number,
        "limits": words.limits,
        "gap": words.gap,
        "ms": words.milliseconds,
        "methods": METHODS,
    }
    charts = {"curves": figures.curves(d), "cascade": figures.cascade(d)} if d["faithfulness"] else {}
    if d["places"]:
        charts["places"] = figures.places(d)
    if gallery:
        charts["phantoms"] = figures.phantoms(gallery, d["earlier_stride"])
    if d["whole"] and d["whole"]["each"]:
        charts["sections"] = figures.sections(d["whole"]["each"])
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    # The charts are drawn by our own code; everything else is escaped.
    return template.render(d=d, charts={name: Markup(chart) for name, chart in charts.items()})  # noqa: S704


def write(d: Mapping[str, Any], folder: Path, gallery: Sequence[Shown] = (), drafts: Sequence[Path] = ()) -> Path:
    """Write the page, and the JSON and the tables with their stamps; the page's path. `drafts`: of the folds that were
    explained."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(json.dumps(d, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / TABLES).write_text(words.markdown(d), encoding="utf-8")
    again, made_by = f"`loupe-train faithful {d['recipe']['id']}`", ("training.studies.explain.summary", __name__)
    made_from = source(again, made_by, inputs(folder / JSON, *drafts), pictures=d["n"], **d["recipe"])
    for file in (JSON, TABLES):
        stamp(folder / file, made_from)
    page = folder / PAGE
    page.write_text(render(d, gallery), encoding="utf-8")
    return page


def save_strides(comparison: Mapping[str, Any], folder: Path) -> None:
    """Keep a comparison of strides beside the report, for this page and later ones."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = folder / STRIDES
    figures.write_text(json.dumps(comparison, indent=1), encoding="utf-8")
    made_by = ("training.studies.explain.stride_trial", "training.studies.explain.summary")
    stamp(figures, source("`loupe-train faithful --strides`", made_by))


def load_strides(folder: Path) -> dict[str, Any] | None:
    """The last comparison of strides, if there is one."""
    file = folder / STRIDES
    warn_of(file)
    comparison: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    return comparison
