"""What methods and figures are called, and how figures are written, in the page and in the Markdown table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation.words import markdown_table
from training.studies.explain.methods import (
    GRAD_CAM,
    GRAD_CAM_EARLIER,
    HIRES_CAM,
    HIRES_CAM_EARLIER,
    METHODS,
    OURS,
    RANDOM,
    SCORE_CAM,
)
from training.studies.explain.strides import COARSE, FINE

NOTHING = "–"
FIGURES = {
    "insertion": "Insertion ↑",
    "deletion": "Deletion ↓",
    "drop": "Average drop ↓",
    "increase": "Increase in confidence ↑",
    "gini": "Sparsity (Gini)",
    "auroc": "AUROC of cells ↑",
    "pointing": "Pointing game ↑",
    "energy": "Energy in the place ↑",
    "area": "By chance",
    "auroc_tile": "AUROC of tiles, the map over the tile ↑",
    "auroc_amid_neighbours": "AUROC of tiles, with their neighbours ↑",
    "accuracy": "Accuracy ↑",
    "balanced_accuracy": "Balanced accuracy ↑",
}


def method(name: str, earlier_stride: int | None) -> str:
    """A method's title; those on an earlier layer say its stride."""
    return {
        OURS: "Class map (the box's own)",
        GRAD_CAM: "Grad-CAM",
        HIRES_CAM: "HiResCAM",
        GRAD_CAM_EARLIER: f"Grad-CAM, an earlier layer (stride {earlier_stride})",
        HIRES_CAM_EARLIER: f"HiResCAM, an earlier layer (stride {earlier_stride})",
        SCORE_CAM: "Score-CAM",
        RANDOM: "Random map",
    }[name]


def passes(name: str, channels: int) -> str:
    """What a method asks of the network beyond the reading's forward pass."""
    return {
        OURS: "none",
        SCORE_CAM: f"up to {channels} forward",
        RANDOM: "none",
    }.get(name, "1 forward, 1 backward (float)")


def number(value: float | None, *, signed: bool = False, digits: int = 3) -> str:
    """`0.941`, or `+0.012`."""
    if value is None:
        return NOTHING
    shown = round(value, digits) + 0.0
    return f"{shown:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def limits(figure: Mapping[str, float | None], *, signed: bool = False) -> str:
    """`0.902 to 0.964`; empty where there is no interval."""
    if figure["low"] is None:
        return ""
    return f"{number(figure['low'], signed=signed)} to {number(figure['high'], signed=signed)}"


def with_interval(figure: Mapping[str, float | None], *, signed: bool = False) -> str:
    ends = limits(figure, signed=signed)
    return number(figure["value"], signed=signed) + (f" ({ends})" if ends else "")


def milliseconds(value: float | None) -> str:
    if value is None or value == 0:
        return NOTHING
    return f"{value / 1000:.1f} s" if value >= 10_000 else f"{value:.1f} ms" if value < 100 else f"{value:.0f} ms"


def gap(value: float | None) -> str:
    """The completeness gap in logit units."""
    return NOTHING if value is None else "0 (exact)" if value == 0 else number(value)


def groups_words(d: Mapping[str, Any]) -> str:
    """Whether the networks knew the groups of what they explained."""
    return "groups **that the bundle may have been trained on**" if d["seen"] else "unseen groups"


def no_floats(d: Mapping[str, Any]) -> str:
    """Why there is nothing but known places."""
    why = (
        "A bundle has no float network"
        if d["seen"]
        else "The integer network was fine-tuned for whole numbers, so no float network stands"
    )
    return f"{why} beside the integer one: its own map is judged by known places alone, against chance."


def _methods_table(d: Mapping[str, Any], by_method: Mapping[str, Any], figures: tuple[str, ...], *, cost: bool) -> str:
    heads = [
        "method",
        *(FIGURES[figure] for figure in figures),
        *(["gap to the logit", "time of a core"] if cost else []),
    ]
    rows = []
    for name in (name for name in METHODS if name in by_method):
        cells = [with_interval(by_method[name][figure]) for figure in figures]
        if cost:
            faithfulness = d["faithfulness"]
            cells += [gap(faithfulness["gap"].get(name)), milliseconds(faithfulness["cpu_ms"].get(name))]
        rows.append([method(name, d["earlier_stride"]), *cells])
    return markdown_table(heads, rows)


def markdown(d: Mapping[str, Any]) -> str:
    """The report's tables for docs/researchers/results.md and docs/researchers/explanations.md."""
    counted = f"{d['n']} pictures of {d['groups']} {groups_words(d)}"
    measured = f"{counted}, measured {d['created']}; 95 % intervals resample groups."
    parts = [f"### {d['recipe']['id']}, {d['recipe']['network']}: faithfulness of class maps"]
    if agreement := d["agreement"]:
        parts += [
            f"{measured} The class map misses its logit by at most {agreement['worst_gap']:g}. Integer against float maps, "
            f"rank correlation by picture: {with_interval(agreement['spearman'])}, median "
            f"{number(agreement['spearman_median'])}; over all cells of a fold's pictures: "
            f"{number(agreement['spearman_pooled'])}.",
            _methods_table(
                d, d["faithfulness"]["methods"], ("insertion", "deletion", "drop", "increase", "gini"), cost=True
            ),
        ]
    else:
        parts.append(f"{measured} {no_floats(d)}")
    if d["score_cam"]:
        differences = d["score_cam"]["ours_minus"]
        parts += [
            f"The {d['score_cam']['n']} pictures of {d['score_cam']['groups']} groups that Score-CAM explained too:",
            _methods_table(
                d, d["score_cam"]["methods"], ("insertion", "deletion", "drop", "increase", "gini"), cost=True
            ),
            "Class map − Score-CAM: "
            + "; ".join(
                f"{FIGURES[figure].rstrip(' ↑↓').lower()} {with_interval(differences[figure], signed=True)}"
                for figure in ("insertion", "deletion", "drop", "increase")
            )
            + ".",
        ]
    for places in d["places"]:
        parts += [
            f"Where the class is known to be: {places['set']}, n = {places['n']} of {places['groups']} groups.",
            _methods_table(d, places["methods"], ("auroc", "pointing", "energy", "area"), cost=False),
        ]
        if places["score_cam"]:
            parts += [
                f"The {places['score_cam']['n']} of them that Score-CAM explained too:",
                _methods_table(d, places["score_cam"]["methods"], ("auroc", "pointing", "energy", "area"), cost=False),
            ]
    if d["whole"]:
        parts.append(_whole_table(d["whole"]))
    if d["strides_compared"]:
        parts.append(_strides_table(d["strides_compared"]))
    return "\n\n".join(parts) + "\n"


def _whole_table(whole: Mapping[str, Any]) -> str:
    figures = list(whole["figures"])
    if not whole["each"]:
        rows = [[FIGURES[figure], with_interval(whole["figures"][figure])] for figure in figures]
        return f"Whole films with a lesion, n = {whole['n']}:\n\n" + markdown_table(["figure", "mean of films"], rows)
    rows = [
        [str(row["group"]), str(row["tiles"]), *(number(row[figure]) for figure in figures)] for row in whole["each"]
    ]
    rows.append(["mean", "", *(with_interval(whole["figures"][figure]) for figure in figures)])
    heads = ["patient", "tiles", *(FIGURES[figure] for figure in figures)]
    scales = whole["auroc_by_um"]
    return "\n\n".join(
        [
            "Whole sections:",
            markdown_table(heads, rows),
            "AUROC of cells when each is the map's mean over a square around it:",
            markdown_table([f"{um} µm" for um in scales], [[with_interval(figure) for figure in scales.values()]]),
        ]
    )


def _strides_table(comparison: Mapping[str, Any]) -> str:
    coarse, fine = str(COARSE), str(FINE)
    heads = ["figure", "n", f"stride {coarse}", f"stride {fine}", "change"]
    rows = []
    for figure, by_stride in comparison["scores"].items():
        rows.append([FIGURES[figure], str(comparison["n"]), *_three(by_stride)])
    for where in comparison["places"]:
        rows += [
            [f"{where['set']}: {FIGURES[f]}", str(where["n"]), *_three(by_stride)]
            for f, by_stride in where["figures"].items()
        ]
    rows += [
        [FIGURES[f], str(comparison["curves"]["n"]), *_three(by_stride)]
        for f, by_stride in comparison["curves"]["figures"].items()
    ]
    for name, took in (
        ("Forward pass, float", comparison["float_ms"]),
        ("Forward pass, integer", comparison["integer_ms"]),
    ):
        ratio = f"× {took[fine] / took[coarse]:.2f}"
        rows.append([name, "", milliseconds(took[coarse]), milliseconds(took[fine]), ratio])
    seen = {stride: f"{comparison['sight'][stride]['spread_px']:.0f} px" for stride in (coarse, fine)}
    rows.append(["How far a cell sees (standard deviation)", "", seen[coarse], seen[fine], ""])
    integer = comparison["integer"]
    rows.append(
        [
            f"Accuracy in integers, fold {integer['fold']}",
            str(integer["n"]),
            number(integer["accuracy"][coarse]),
            number(integer["accuracy"][fine]),
            number(integer["accuracy"][fine] - integer["accuracy"][coarse], signed=True),
        ]
    )
    return f"Stride {fine} against {coarse}, same weights, float networks unless said:\n\n" + markdown_table(
        heads, rows
    )


def _three(by_stride: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    return [
        with_interval(by_stride[str(COARSE)]),
        with_interval(by_stride[str(FINE)]),
        with_interval(by_stride["change"], signed=True),
    ]
