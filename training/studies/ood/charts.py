"""The report's two figures: detectors side by side, and where each of them fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from training.evaluation.plots import COLOURS, svg
from training.studies.ood.cases import CASES, TEST, VALIDATION

MARKS = ("o", "s", "D", "^", "v")
LOWEST = 0.5


def name_of(row: Mapping[str, Any]) -> str:
    """`Mahalanobis, early (means)`; a detector that has no choice of depth by its name alone."""
    if row["depth"] == row["level"]:
        return str(row["detector"])
    return f"{row['detector']}, {row['depth']} ({row['level']})"


def side_by_side(rows: Sequence[Mapping[str, Any]]) -> str:
    """Mean AUROC of each detector: over the validation sets with its interval, and over each case of the test sets."""
    shown = [row for row in rows if row[VALIDATION]["auroc"]["value"] is not None]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for place, row in enumerate(shown):
            estimate = row[VALIDATION]["auroc"]
            if estimate["low"] is not None:
                axes.plot([estimate["low"], estimate["high"]], [place, place], color="#888888", linewidth=5, alpha=0.35)
            points = [estimate["value"]] + [(row[TEST]["by_case"][case] or {"value": None})["value"] for case in CASES]
            for number, (value, label) in enumerate(zip(points, ("validation, all", *CASES.values()), strict=True)):
                if value is not None:
                    words = (label if not number else f"test, {label}") if not place else None
                    axes.plot(value, place, MARKS[number], color=COLOURS[number], markersize=5, label=words)
        axes.set(yticks=range(len(shown)), yticklabels=[name_of(row) for row in shown], xlabel="AUROC, mean of sets")
        axes.invert_yaxis()
        axes.legend(loc="lower left")

    best = shown[0][VALIDATION]["auroc"]["value"]
    alt = f"Mean AUROC of {len(shown)} detectors; first {name_of(shown[0])}, {best:.3f} on validation."
    return svg("detectors", alt, (9.5, 0.32 * len(shown) + 1.2), draw)


def everywhere(rows: Sequence[Mapping[str, Any]], sets: Sequence[Mapping[str, Any]]) -> str:
    """AUROC of each detector on each set, from 0.5 (pale) to 1 (dark)."""
    values = np.array(
        [[row["sets"].get(s["name"], {}).get("auroc", {}).get("value") for s in sets] for row in rows], float
    )

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.imshow(values, cmap="Blues", vmin=LOWEST, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                text = f"{value:.2f}".lstrip("0") if value < 0.995 else "1"
                axes.text(
                    column, row, text, ha="center", va="center", fontsize=6.5, color="white" if value > 0.8 else "black"
                )
        axes.grid(visible=False)
        axes.set(yticks=range(len(rows)), yticklabels=[name_of(row) for row in rows], xticks=range(len(sets)))
        names = [f"{s['name'].replace('_', ' ')}{' (test)' if s['side'] == TEST else ''}" for s in sets]
        axes.set_xticklabels(names, rotation=60, ha="right", fontsize=8)

    alt = f"AUROC of {len(rows)} detectors on {len(sets)} sets; the same numbers stand in the tables."
    return svg("everywhere", alt, (13, 0.3 * len(rows) + 2.2), draw)
