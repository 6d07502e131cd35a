"""Which output of the network tells foreign pictures from proper ones: the measurement behind the gate's choice of layers.

For each output and choice of statistics, a distance is fitted on the proper pictures; the AUROC is that of foreign pictures
against proper ones, each scored by a distance that was fitted without its group. docs/decisions.md has the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import roc_auc_score

from device.gate import pooled
from device.image import decode
from device.reading import Reader
from training.data import LIMITS, find_samples, load_pixels
from training.evaluation.refusals import folder_pictures
from training.fit_gate import cross_scores, fit_distance
from training.recipe import Recipe

CHOICES = [
    (output, statistics) for output in ("early", "middle", "features") for statistics in (("mean",), ("mean", "std"))
]
A_SET = 60


def _rows(reader: Reader, pictures: Sequence[NDArray[np.uint8]], name: str) -> list[NDArray[np.float64]]:
    """For each choice, the pooled outputs [n, d]."""
    network, found = reader.network, []
    for picture in track(pictures, name, transient=True):
        outputs = network.run(picture)
        found.append([pooled(outputs[output], network.outputs[output], kinds) for output, kinds in CHOICES])
    return [np.stack(rows) for rows in zip(*found, strict=True)]


def gate_layers(reader: Reader, recipe: Recipe, data: Path, foreign: Path) -> str:
    """A Markdown table of AUROCs: a row for each output and its statistics, a column for each folder."""
    samples, area = find_samples(recipe, data), recipe.data.area_px
    groups = np.array([sample.group for sample in samples])
    proper = _rows(reader, load_pixels(data, samples, area), recipe.id)
    sets = {}
    for folder in sorted(path for path in foreign.iterdir() if path.is_dir()):
        pictures = [decode(file, LIMITS, area).pixels for file in folder_pictures(folder)[:A_SET]]
        sets[f"{folder.name} ({len(pictures)})"] = _rows(reader, pictures, folder.name)
    lines = [f"AUROC against {len(proper[0])} proper pictures", "", f"| output, statistics | {' | '.join(sets)} |"]
    lines.append("|---|" + "---|" * len(sets))
    for number, (output, kinds) in enumerate(CHOICES):
        found = fit_distance(proper[number])
        near = cross_scores(proper[number], groups)
        cells = []
        for rows in sets.values():
            far = found.scores(rows[number])
            cells.append(f"{roc_auc_score([0] * len(near) + [1] * len(far), [*near, *far]):.3f}")
        lines.append(f"| {output}, {' and '.join(kinds)} | {' | '.join(cells)} |")
    return "\n".join(lines)
