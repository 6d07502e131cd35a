"""The report's figures: curves as SVG, maps of phantoms as a PNG inside the page. Pictures are phantoms alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from training.evaluation.plots import COLOURS, DASHES, STYLE, svg
from training.studies.explain.measure import Shown
from training.studies.explain.methods import METHODS, OURS
from training.studies.explain.scores import enlarge, stretched
from training.studies.explain.words import FIGURES, method

LESION_EDGE = "#000000"


def _line(name: str) -> dict[str, Any]:
    number = METHODS.index(name)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "linewidth": 2.6 if name == OURS else 1.5,
    }


def curves(d: Mapping[str, Any]) -> str:
    """Mean insertion and deletion curves of all methods on the same pictures."""
    by_method = d["faithfulness"]["curves"]

    def draw(figure: Figure) -> None:
        for axes, name in zip(figure.subplots(1, 2, sharey=True), ("insertion", "deletion"), strict=True):
            for one in by_method:
                share = np.linspace(0, 1, len(by_method[one][name]))
                axes.plot(share, by_method[one][name], label=method(one, d["earlier_stride"]), **_line(one))
            axes.set(
                xlim=(0, 1),
                ylim=(0, 1),
                title=name,
                xlabel=f"share of pixels {'shown' if name == 'insertion' else 'gone'}",
            )
            if name == "insertion":
                axes.set_ylabel("p of the class")
                axes.legend(loc="lower right", fontsize=8)

    areas = "; ".join(
        f"{method(one, d['earlier_stride'])} {np.mean(curve['insertion']):.2f} and {np.mean(curve['deletion']):.2f}"
        for one, curve in by_method.items()
    )
    return svg("curves", f"Insertion and deletion curves; mean heights: {areas}.", (9.2, 4.2), draw)


def places(d: Mapping[str, Any], figure_name: str = "auroc") -> str:
    """Localisation by method, a group of bars for each set, with intervals."""
    sets = d["places"]
    methods = [one for one in METHODS if any(one in places["methods"] for places in sets)]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        width = 0.8 / len(methods)
        for index, one in enumerate(methods):
            for number, places in enumerate(sets):
                estimate = places["methods"][one][figure_name]
                if estimate["value"] is None:
                    continue
                across = number + (index - (len(methods) - 1) / 2) * width
                label = method(one, d["earlier_stride"]) if number == 0 else None
                axes.bar(across, estimate["value"], width * 0.92, color=_line(one)["color"], label=label)
                if estimate["low"] is not None:
                    axes.plot([across, across], [estimate["low"], estimate["high"]], color="#333333", linewidth=1)
        axes.axhline(0.5, color="#999999", linewidth=1, linestyle=(0, (2, 2)))
        axes.set(ylim=(0, 1), ylabel=FIGURES[figure_name].rstrip(" ↑"))
        axes.set_xticks(range(len(sets)), [f"{places['set']}\nn = {places['n']}" for places in sets])
        figure.legend(loc="outside lower center", ncols=3, fontsize=8)

    by_set = "; ".join(
        f"{places['set']}, class map {places['methods'][OURS][figure_name]['value']:.2f}" for places in sets
    )
    return svg("places", f"Localisation by method: {by_set}.", (9.2, 4.2), draw)


def cascade(d: Mapping[str, Any]) -> str:
    """How like the original a map stays while the network is randomised from the top."""
    table = d["cascade"]
    places = range(len(table["blocks"]) + 1)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color="#999999", linewidth=1)
        for name, correlations in table["methods"].items():
            values = [1.0, *(np.nan if f["value"] is None else f["value"] for f in correlations["signed"])]
            axes.plot(places, values, label=method(name, d["earlier_stride"]), **_line(name))
        axes.set(ylim=(-1, 1.02), ylabel="rank correlation with the original map")
        axes.set_xticks(list(places), ["none", *table["blocks"]], rotation=60, ha="right", fontsize=8)
        axes.set_xlabel("randomised down to")
        axes.legend(loc="upper right", fontsize=8)

    first = table["methods"][OURS]["signed"][0]["value"]
    return svg(
        "cascade", f"Rank correlation with the original map; after the head alone {first:.2f}.", (9.2, 4.2), draw
    )


def sections(each: Sequence[Mapping[str, Any]]) -> str:
    """Labels of each section's tiles above the evidence that the network found there. No pixel of tissue is shown."""

    def draw(figure: Figure) -> None:
        rows = figure.subplots(2, len(each), squeeze=False)
        reach = max(float(np.abs(row["evidence"]).max()) for row in each)
        for column, row in enumerate(each):
            labels, evidence = np.array(row["labels"], float), np.array(row["evidence"], float)
            labels[labels < 0] = np.nan
            evidence[np.isnan(labels)] = np.nan
            rows[0, column].imshow(labels, cmap="RdBu_r", vmin=-0.4, vmax=1.4, interpolation="nearest")
            rows[1, column].imshow(evidence, cmap="RdBu_r", vmin=-reach, vmax=reach, interpolation="nearest")
            rows[0, column].set_title(f"{row['group']}\nAUROC {row['auroc_amid_neighbours']:.3f}", fontsize=9)
        for axes in rows.ravel():
            axes.axis("off")

    return _png(f"Labels and evidence of {len(each)} sections.", (2.3 * len(each), 4.6), draw)


def phantoms(shown: Sequence[Shown], earlier_stride: int | None) -> str:
    """Each phantom, its lesion outlined, and each method's map: ours on its fixed scale, others as their papers do."""
    names = [name for name in METHODS if name in shown[0].maps]

    def draw(figure: Figure) -> None:
        rows = figure.subplots(len(shown), len(names) + 1, squeeze=False)
        for row, phantom in zip(rows, shown, strict=True):
            row[0].imshow(phantom.pixels)
            row[0].set_title(f"phantom, {phantom.kind}", fontsize=8)
            for axes, name in zip(row[1:], names, strict=True):
                values = phantom.maps[name]
                size = phantom.pixels.shape[:2]
                axes.imshow(phantom.pixels.mean(-1), cmap="gray", alpha=0.5)
                if name == OURS:
                    axes.imshow(
                        enlarge(values, size), cmap="RdBu_r", vmin=-phantom.limit, vmax=phantom.limit, alpha=0.6
                    )
                else:
                    axes.imshow(enlarge(stretched(values), size), cmap="Reds", vmin=0, vmax=1, alpha=0.6)
                axes.set_title(method(name, earlier_stride).replace(", an earlier layer", ""), fontsize=8)
            for axes in row:
                axes.contour(phantom.lesion, [0.5], colors=LESION_EDGE, linewidths=0.5)
                axes.axis("off")

    return _png("Phantoms and their maps.", (2.1 * (len(names) + 1), 1.75 * len(shown)), draw)


def _png(alt: str, size: tuple[float, float], draw: Any) -> str:
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=size, layout="constrained", dpi=110)
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
