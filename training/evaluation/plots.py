"""A report's figures, drawn by matplotlib as SVG that stands inside the page: text stays text, nothing is fetched.

Every line differs by colour (Okabe–Ito, safe for colour-blind readers) and by dash, so that a grey print can be read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("solid", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1.5, 1.5, 1.5)))
STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e5e5",
    "axes.axisbelow": True,
    "legend.frameon": False,
}
NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


def svg(name: str, alt: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> str:
    """An `<svg>` element. `name` keeps its ids apart from those of other figures in the page."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata=NO_METADATA, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' (id|xlink:href|clip-path)="(url\()?(#?)', rf' \1="\2\3{name}-', text)
    opening = r'<svg [^>]*?viewBox="([^"]*)"[^>]*>'
    text = re.sub(opening, rf'<svg viewBox="\1" role="img" aria-label="{escape(alt)}">', text, count=1)
    return text.strip()


def _square(axes: Axes, across: str, up: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=across, ylabel=up, aspect="equal")


def _line(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)], "linewidth": 1.8}


def reliability(summary: Mapping[str, Any]) -> str:
    """How often the network is right, against how sure it is; bars: how many pictures are so sure."""
    bins = summary["reliability"]
    n = np.array(bins["n"])
    edges = np.linspace(0, 1, len(n) + 1)
    filled = n > 0
    points = [(c, a) for c, a in zip(bins["confidence"], bins["accuracy"], strict=True) if c is not None]
    words = "; ".join(f"{100 * c:.0f} % sure, {100 * a:.0f} % right" for c, a in points)

    def draw(figure: Figure) -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle=(0, (2, 2)), label="as sure as right")
        axes.plot(*zip(*points, strict=True), label="measured (area: pictures)", **_line(0))
        axes.scatter(*zip(*points, strict=True), s=10 + 110 * n[filled] / n.max(), color=COLOURS[0], zorder=3)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right")
        axes.legend(loc="upper left")
        below.bar(
            edges[:-1][filled], n[filled], np.diff(edges)[filled], align="edge", color=COLOURS[5], edgecolor="white"
        )
        below.set(xlabel="confidence in the predicted class", ylabel="pictures")

    return svg("reliability", f"Reliability diagram: {words}.", (4.6, 4.6), draw)


def risk_coverage(summary: Mapping[str, Any]) -> str:
    """Error rate among the surest share of pictures; a cross where the gate stands."""
    curve, n = summary["risk_coverage"], summary["n"]
    accepted, of_accepted = 1 - summary["gate"]["refused"] / n, summary["accuracy_of_accepted"]["value"]
    half = curve["risk"][curve["coverage"].index(0.5)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(curve["coverage"], curve["risk"], label="surest first", **_line(0))
        if of_accepted is not None:
            axes.plot([accepted], [1 - of_accepted], "x", color=COLOURS[1], markersize=9, label="accepted by the gate")
        axes.set(
            xlim=(0, 1.02), ylim=(0, None), xlabel="share of pictures that is read", ylabel="error rate among them"
        )
        axes.legend(loc="upper left")

    alt = f"Risk–coverage curve: error rate {curve['risk'][-1]:.1%} on all pictures, {half:.1%} on the surest half."
    return svg("risk", alt, (4.6, 3.8), draw)


def roc(
    curves: Mapping[str, Mapping[str, Sequence[float]]], summary: Mapping[str, Any], names: Mapping[str, str]
) -> str:
    """One curve a class, that class against the others."""
    areas = {label: summary["classes"][label]["auroc"]["value"] for label in curves}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle=(0, (2, 2)))
        for number, (label, curve) in enumerate(curves.items()):
            axes.plot(curve["fpr"], curve["tpr"], label=f"{names[label]} ({areas[label]:.3f})", **_line(number))
        _square(axes, "1 − specificity", "sensitivity")
        axes.legend(loc="lower right", title="class (AUROC)")

    words = ", ".join(f"{names[label]} {area:.3f}" for label, area in areas.items())
    return svg("roc", f"ROC curves, each class against the others; areas: {words}.", (4.6, 4.6), draw)


def training_curves(histories: Sequence[Mapping[str, Any]]) -> str:
    """Loss and accuracy by epoch, a thin line a fold; columns that begin with `val_` are of pictures not fitted on."""
    kinds = sorted(
        {name for history in histories for name in history["columns"]}, key=lambda k: (k.startswith("val_"), k)
    )
    panels = [("loss", [k for k in kinds if "loss" in k]), ("accuracy", [k for k in kinds if "accuracy" in k])]
    panels = [(name, columns) for name, columns in panels if columns]

    def draw(figure: Figure) -> None:
        for axes, (name, columns) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            for number, column in enumerate(columns):
                for i, history in enumerate(histories):
                    values = history["columns"].get(column, [])
                    seen = [(e, v) for e, v in zip(history["epoch"], values, strict=False) if v is not None]
                    if seen:
                        label = column.replace("val_", "held out, ").replace("_", " ") if i == 0 else None
                        axes.plot(
                            *zip(*seen, strict=True), label=label, alpha=0.8, **_line(number) | {"linewidth": 1.2}
                        )
            axes.set(xlabel="epoch", ylabel=name)
            axes.legend()

    alt = f"Training curves of {len(histories)} fit{'s' if len(histories) > 1 else ''}: {', '.join(kinds)} by epoch."
    return svg("training", alt, (4.6 * len(panels), 3.6), draw)
