"""The benchmark's document as a Markdown table, as JSON and as one self-contained page. It shows no picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from training.evaluation.words import NOTHING, markdown_table
from training.stamp import inputs, source, stamp
from training.studies.ood.cases import CASES, TEST, VALIDATION
from training.studies.ood.charts import everywhere, name_of, side_by_side
from training.studies.ood.detectors import GATE

PAGE, FIGURES, TABLE = "ood.html", "ood.json", "ood.md"
TEMPLATE = Path(__file__).with_name("report.html.j2")


def number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"


def interval(estimate: Mapping[str, float | None] | None) -> str:
    """`0.991 (0.985 to 0.996)`."""
    if estimate is None or estimate["value"] is None:
        return NOTHING
    ends = "" if estimate["low"] is None else f" ({number(estimate['low'])} to {number(estimate['high'])})"
    return number(estimate["value"]) + ends


def share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f} %"


def _value(estimate: Mapping[str, float | None] | None) -> str:
    return NOTHING if estimate is None else number(estimate["value"])


def detectors_table(document: Mapping[str, Any]) -> str:
    """Markdown: a row a detector, at the depth and level that were best on validation, the winner first."""
    head = ["detector", "depth", "level", "AUROC, validation", "worst set", "FPR95"]
    head += [f"AUROC, test: {words}" for words in CASES.values()] + ["worst test set", "FPR95, test", "ms"]
    rows = []
    for place, row in enumerate(document["shown"]):
        held, test = row[VALIDATION], row[TEST]
        bold = "**" if not place else ""
        rows.append(
            [
                f"{bold}{row['detector']}{bold}",
                row["depth"],
                row["level"],
                interval(held["auroc"]),
                f"{number(held['worst']['auroc'])} {held['worst']['set']}",
                _value(held["fpr95"]),
                *(_value(test["by_case"][case]) for case in CASES),
                f"{number(test['worst']['auroc'])} {test['worst']['set']}" if test["worst"] else NOTHING,
                _value(test["fpr95"]),
                NOTHING if row["ms"] is None else f"{row['ms']:.2f}",
            ]
        )
    return markdown_table(head, rows)


def sets_table(document: Mapping[str, Any]) -> str:
    """Markdown: a row a set, the winner beside the gate that ships, and what share the gate refuses."""
    winner = document["shown"][0]
    gate = next(row for row in document["shown"] if row["detector"] == GATE)
    head = ["set", "case", "side", "n", "AUROC, winner", "AUPR", "FPR95", "AUROC, gate", "refused by the gate"]
    rows = [["proper pictures", "", "", str(document["proper"]), "", "", "", "", share(document["refused"]["proper"])]]
    for each in document["sets"]:
        of_winner = winner["sets"].get(each["name"])
        of_gate = gate["sets"].get(each["name"])
        rows.append(
            [
                each["name"].replace("_", " "),
                CASES[each["case"]],
                each["side"],
                str(each["n"]),
                *(
                    [interval(of_winner["auroc"]), _value(of_winner["aupr"]), _value(of_winner["fpr95"])]
                    if of_winner
                    else [NOTHING] * 3
                ),
                interval(of_gate["auroc"]) if of_gate else NOTHING,
                share(document["refused"].get(each["name"])),
            ]
        )
    return markdown_table(head, rows)


def tiles_table(document: Mapping[str, Any]) -> str:
    """Markdown: single tiles of foreign pictures against single tiles of proper ones."""
    head = ["detector", "depth", "AUROC, validation", "worst set"]
    head += [f"AUROC, test: {words}" for words in CASES.values()] + ["ms"]
    rows = [
        [
            row["detector"],
            row["depth"],
            _value(row[VALIDATION]["auroc"]),
            f"{number(row[VALIDATION]['worst']['auroc'])} {row[VALIDATION]['worst']['set']}",
            *(_value(row[TEST]["by_case"][case]) for case in CASES),
            NOTHING if row["ms"] is None else f"{row['ms']:.2f}",
        ]
        for row in document["tiles"]
    ]
    return markdown_table(head, rows)


def float_table(document: Mapping[str, Any]) -> str:
    """Markdown: detectors on the integer network's outputs beside the float network's."""
    head = ["detector", "depth", "level", "AUROC, integer", "AUROC, float", "largest gap of a set"]
    rows = [
        [
            row["detector"],
            row["depth"],
            row["level"],
            number(row["integer"]),
            number(row["float"]),
            number(row["largest_gap"]),
        ]
        for row in document["float"]["rows"]
    ]
    return markdown_table(head, rows)


def sentences(document: Mapping[str, Any]) -> list[str]:
    """What the tables rest on."""
    beside, odin = document["float"], document["float"]["odin"]
    return [
        f"{document['proper']} proper pictures of {document['groups']} groups, each read by the integer network of the "
        f"fold that was fitted without its group ({len(document['folds'])} folds), and scored by a detector that was too.",
        f"The rule, fixed before any test figure was seen: {document['rule']}. Winner: {name_of(document['shown'][0])}.",
        "Every detector stands at the depth and level that were best on validation. Figures are averaged over folds; in "
        f"parentheses 95 % intervals, {document['draws']} draws of whole groups and foreign pictures. AUPR weighs both "
        "sides alike (chance 0.5). FPR95: share of foreign pictures accepted where 95 % of proper ones are.",
        f"ms: the detector alone, one picture, one thread; the network takes {document['network_ms']:.1f} ms.",
        f"A tile is {document['cell_px']} px wide as read. A class left out is unknown to the detector alone: the network "
        "was fitted on it.",
        f"Float against integer: fold {beside['fold']}, the first {beside['pictures_a_set']} pictures of each set. ODIN on "
        f"the float network there: AUROC {number(odin[VALIDATION])} on validation, {number(odin[TEST])} on test.",
    ]


def markdown(document: Mapping[str, Any], level: int = 2) -> str:
    """All tables with what they rest on, headings from `level` on: a section of ood.md or results.md in
    docs/researchers."""
    recipe = document["recipe"]
    mark = "#" * level
    parts = [
        f"{mark} {recipe['id']}, {recipe['network']}: detectors of foreign pictures",
        f"Generated by `loupe-train ood {recipe['id']}`, {document['created']}. Data: {document['data']['name']}.",
        "\n".join(f"- {sentence}" for sentence in sentences(document)),
        f"{mark}# Detectors, by picture",
        detectors_table(document),
        f"{mark}# Sets",
        sets_table(document),
        f"{mark}# Detectors, by tile",
        tiles_table(document),
        f"{mark}# Float against integer",
        float_table(document),
    ]
    return "\n\n".join(parts) + "\n"


def render(document: Mapping[str, Any]) -> str:
    """The HTML page of a document."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {"name_of": name_of, "number": number, "interval": interval, "share": share, "cases": CASES}
    rows = document["shown"]
    charts = {"detectors": side_by_side(rows), "everywhere": everywhere(rows, document["sets"])}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    # The charts are drawn by our own code; everything else is escaped.
    return template.render(
        d=document,
        sentences=sentences(document),
        gate=next(row for row in rows if row["detector"] == GATE),
        charts={name: Markup(svg) for name, svg in charts.items()},  # noqa: S704
    )


def write(document: Mapping[str, Any], folder: Path, drafts: Sequence[Path] = ()) -> Path:
    """Write ood.json and ood.md with their stamps, and ood.html; the page's path. `drafts`: of the folds that were read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FIGURES).write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / TABLE).write_text(markdown(document), encoding="utf-8")
    again, made_by = f"`loupe-train ood {document['recipe']['id']}`", ("training.studies.ood.benchmark", __name__)
    made_from = source(again, made_by, inputs(folder / FIGURES, *drafts), **document["recipe"])
    for file in (FIGURES, TABLE):
        stamp(folder / file, made_from)
    page = folder / PAGE
    page.write_text(render(document), encoding="utf-8")
    return page
